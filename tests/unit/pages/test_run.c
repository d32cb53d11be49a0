/* Runs: whole pages, exact, aligned, resized in place; interiors are known as theirs. */
#include "base/bits.h"
#include "os_sim.h"
#include "pages/retain.h"
#include "pages/run.h"
#include "pages/zone.h"
#include "test.h"

#include <string.h>

static struct run *run_of(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	REQUIRE(tag && tag->kind == KIND_RUN);
	return (struct run *)tag;
}

TEST(a_run_has_whole_pages_and_all_of_them_are_tagged)
{
	bool zero;
	char *mem = run_alloc(10000, 16, &zero);

	REQUIRE(mem);
	EXPECT(zero);
	EXPECT_EQ(run_usable(run_of(mem)), 3 * PAGE_SIZE);
	EXPECT(run_of(mem + 3 * PAGE_SIZE - 1) == run_of(mem));
	memset(mem, 1, 3 * PAGE_SIZE);
	run_free(run_of(mem));
	EXPECT(!pagemap_get(mem));
	EXPECT(zone_check());
	EXPECT_EQ(retain_live, 0);
}

TEST(alignment_to_a_region_is_kept)
{
	bool zero;

	for (size_t alignment = PAGE_SIZE; alignment <= REGION_SIZE; alignment *= 2) {
		char *mem = run_alloc(PAGE_SIZE + 1, alignment, &zero);

		REQUIRE(mem);
		EXPECT(is_aligned((uintptr_t)mem, alignment));
		run_free(run_of(mem));
	}
	EXPECT(zone_check());
}

TEST(a_run_shrinks_and_grows_where_it_is)
{
	bool zero;
	char *mem = run_alloc(20 * PAGE_SIZE, 16, &zero);
	struct run *run = run_of(mem);

	mem[4 * PAGE_SIZE] = 7;
	EXPECT(run_resize(run, 5 * PAGE_SIZE));
	EXPECT(!pagemap_get(mem + 5 * PAGE_SIZE));
	EXPECT_EQ(run_usable(run), 5 * PAGE_SIZE);
	EXPECT(run_resize(run, 19 * PAGE_SIZE));
	EXPECT(run_of(mem + 19 * PAGE_SIZE - 1) == run);
	EXPECT_EQ(mem[4 * PAGE_SIZE], 7);
	EXPECT(zone_check());
	EXPECT(!run_resize(run, RUN_MAX + 1));
	EXPECT_EQ(run_usable(run), 19 * PAGE_SIZE);
	run_free(run);
	EXPECT_EQ(retain_live, 0);
}

TEST(a_run_does_not_grow_over_another)
{
	bool zero;
	char *a = run_alloc(8 * PAGE_SIZE, 16, &zero), *b = run_alloc(8 * PAGE_SIZE, 16, &zero);
	char *low = a < b ? a : b;

	if (a + 8 * PAGE_SIZE == b || b + 8 * PAGE_SIZE == a)
		EXPECT(!run_resize(run_of(low), 9 * PAGE_SIZE));
	else
		EXPECT(!"two runs in a row do not lie in a row");
	run_free(run_of(a));
	run_free(run_of(b));
}

TEST(a_run_with_room_grows_where_it_is)
{
	bool zero;
	char *mem = run_alloc_with_room(33 * PAGE_SIZE, &zero), *other;
	struct run *run = run_of(mem);

	other = run_alloc(4 * PAGE_SIZE, 16, &zero);
	memset(mem, 0x3c, 33 * PAGE_SIZE);
	for (size_t nbytes = 33 * PAGE_SIZE; nbytes <= RUN_ROOM; nbytes += 11 * PAGE_SIZE)
		EXPECT(run_resize(run, nbytes));
	EXPECT_EQ(mem[33 * PAGE_SIZE - 1], 0x3c);
	EXPECT(run_of(mem + 250 * PAGE_SIZE) == run);
	EXPECT(zone_check());
	run_free(run);
	run_free(run_of(other));
	EXPECT_EQ(retain_live, 0);
}

TEST(without_memory_there_is_no_run)
{
	bool zero;

	zone_unmap_free(false);
	os_sim_fail_from(1);
	EXPECT(!run_alloc(PAGE_SIZE, 16, &zero));
	EXPECT(!run_alloc_with_room(PAGE_SIZE, &zero));
	os_sim_fail_from(0);
	EXPECT(zone_check());
	EXPECT(run_alloc(PAGE_SIZE, 16, &zero) != NULL);
}
