/* Runs: whole pages, exact, aligned, resized in place; interiors are known as theirs; fences. */
#include "base/bits.h"
#include "os_sim.h"
#include "pages/retain.h"
#include "pages/run.h"
#include "pages/zone.h"
#include "test.h"

#include <string.h>

__attribute__((constructor)) static void set_secret(void)
{
	run_start(0); /* the worst that chance may have */
}

static struct run *run_of(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	REQUIRE(tag && tag->kind == KIND_RUN);
	return (struct run *)tag;
}

TEST(a_run_has_whole_pages_and_all_of_them_are_tagged)
{
	bool zero;
	char *mem = run_alloc(3 * PAGE_SIZE, 16, &zero);

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

TEST(a_run_with_room_is_put_where_it_can_grow_to_a_mebibyte)
{
	size_t floor = options.retain_floor;
	bool clean, zero;
	char *held = zone_alloc(9, &clean), *mem;

	REQUIRE(held);
	zone_purge(SIZE_MAX);
	options.retain_floor = 64 * MIB;
	zone_free_pages(held, RUN_ROOM / 2 / PAGE_SIZE);
	zone_free_pages(held + RUN_ROOM, RUN_ROOM / PAGE_SIZE);
	mem = run_alloc_with_room(33 * PAGE_SIZE, &zero);
	EXPECT_EQ((uintptr_t)mem, (uintptr_t)(held + RUN_ROOM));
	run_free(run_of(mem));
	zone_free_pages(held + RUN_ROOM / 2, RUN_ROOM / 2 / PAGE_SIZE);
	options.retain_floor = floor;
	EXPECT_EQ(retain_live, 0);
}

/* --- fences ---------------------------------------------------------------------------------- */

/* Offset in its page of an object of that size and alignment; its pages are those expected. */
static size_t lead_of(size_t nbytes, size_t alignment, size_t npages)
{
	bool zero;
	char *mem = run_alloc(nbytes, alignment, &zero);
	struct run *run = run_of(mem);

	EXPECT(run->mem == mem && is_aligned((uintptr_t)mem, alignment));
	EXPECT(run_base(run) == (char *)align_down((uintptr_t)mem, PAGE_SIZE));
	EXPECT_EQ(run->npages, npages);
	EXPECT(run_usable(run) >= nbytes);
	run_free(run);
	return (uintptr_t)mem % PAGE_SIZE;
}

TEST(small_objects_that_are_not_whole_pages_lie_between_fences)
{
	EXPECT_EQ(lead_of(40000, 16, 10), 16);
	EXPECT_EQ(lead_of(10 * PAGE_SIZE - 32, 16, 10), 16);
	EXPECT_EQ(lead_of(10 * PAGE_SIZE - 31, 16, 11), 16); /* 24 bytes more do not fit */
	EXPECT_EQ(lead_of(10 * PAGE_SIZE, 16, 10), 0);
	EXPECT_EQ(lead_of(RUN_FENCED_MAX, 16, RUN_FENCED_PAGES), 16);
	EXPECT_EQ(lead_of(RUN_FENCED_MAX + 1, 16, RUN_FENCED_PAGES), 0);
	EXPECT_EQ(lead_of(40000, 64, 10), 64);
	EXPECT_EQ(lead_of(40000, 2048, 11), 2048);
	EXPECT_EQ(lead_of(40000, PAGE_SIZE, 10), 0);
	EXPECT(zone_check());
}

TEST(between_fences_there_are_the_bytes_that_were_asked_for_and_all_are_zero)
{
	bool zero;
	char *mem;

	zone_unmap_free(false);
	mem = run_alloc(39999, 16, &zero);
	EXPECT_EQ(run_usable(run_of(mem)), 40000);
	EXPECT(zero);
	for (size_t i = 0; i < 40000; i++)
		REQUIRE(!mem[i]);
	run_free(run_of(mem));
	mem = run_alloc_with_room(50000, &zero);
	EXPECT_EQ(run_usable(run_of(mem)), 50000);
	EXPECT(run_fences_hold(run_of(mem)));
	run_free(run_of(mem));
}

static void check(void *arg)
{
	struct run *run = arg;

	if (run->usable && !run_fences_hold(run))
		run_report_fence(run);
}

/* Whatever the address: fences depend on it. */
TEST(a_single_byte_beside_an_object_is_found)
{
	static const char bytes[] = {0, 'y', '\n', ' '};
	struct run *runs[100];
	bool zero;

	for (int i = 0; i < 100; i++) {
		char *mem = run_alloc(33000 + 400 * (size_t)i, 16, &zero);
		struct run *run = runs[i] = run_of(mem);
		char *const beside[] = {mem - 1, mem + run_usable(run)};

		for (size_t at = 0; at < 2; at++)
			for (size_t byte = 0; byte < sizeof bytes; byte++) {
				char before = *beside[at];

				*beside[at] = bytes[byte];
				EXPECT(!run_fences_hold(run));
				*beside[at] = before;
				EXPECT(run_fences_hold(run));
			}
	}
	for (int i = 0; i < 100; i++)
		run_free(runs[i]);
}

TEST(who_checks_a_broken_fence_reports_it)
{
	bool zero;
	char *mem = run_alloc(40000, 16, &zero);
	struct run *run = run_of(mem);

	check(run);
	mem[40000] ^= 1;
	EXPECT_ABORT(check, run, "corrupted size vs. prev_size: ");
	EXPECT_ABORT(check, run, "run of 40000 bytes");
	mem[40000] ^= 1;
	mem[-1] ^= 1;
	EXPECT_ABORT(check, run, "corrupted size vs. prev_size: ");
	mem[-1] ^= 1;
	check(run);
	run_free(run);
	run = run_of(run_alloc(10 * PAGE_SIZE, 16, &zero));
	check(run); /* it has none */
	run_free(run);
}

TEST(a_small_run_keeps_up_to_a_quarter_too_much)
{
	size_t most = RUN_FENCED_PAGES, large = 2 * most;
	bool zero;
	struct run *run = run_of(run_alloc(most * PAGE_SIZE, 16, &zero));

	EXPECT(run_resize(run, (most - most / 4) * PAGE_SIZE));
	EXPECT_EQ(run->npages, most);
	EXPECT(run_resize(run, (most - most / 4 - 1) * PAGE_SIZE));
	EXPECT_EQ(run->npages, most - most / 4 - 1);
	run_free(run);
	run = run_of(run_alloc(large * PAGE_SIZE, 16, &zero));
	EXPECT(run_resize(run, (large - 1) * PAGE_SIZE));
	EXPECT_EQ(run->npages, large - 1);
	run_free(run);
	EXPECT(zone_check());
}

TEST(a_fence_moves_when_its_object_is_resized)
{
	static const size_t sizes[] = {40001, 40500, 40960, 64000, 200000, 36000, 20000, 19999};
	bool zero;
	size_t before = 40000;
	struct run *run;
	char *mem;

	zone_unmap_free(false);
	mem = run_alloc(before, 16, &zero);
	run = run_of(mem);
	memset(mem, 1, before);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		REQUIRE(run_resize(run, sizes[i]));
		EXPECT_EQ(run_usable(run), align_up(sizes[i], 16));
		EXPECT(run->npages >= run_pages(16 + run_usable(run) + 8));
		EXPECT(run_fences_hold(run));
		for (size_t at = before; at < run_usable(run); at++)
			REQUIRE(!mem[at]); /* nothing is left of the old one */
		memset(mem, 1, run_usable(run));
		EXPECT(run_fences_hold(run));
		before = run_usable(run);
	}
	EXPECT(!run_resize(run, RUN_MAX));
	EXPECT_EQ(run_usable(run), 20000);
	EXPECT(run_fences_hold(run));
	run_free(run);
	EXPECT(zone_check());
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
