/* Top: refusals, extension for resize, use after somebody else's brk, and what reads as zero. */
#include "heaps.h"

#include "base/options.h"
#include "heap/heap.h"
#include "heap/top.h"
#include "os/os.h"
#include "os_sim.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "test.h"

#include <string.h>

/* A script that needs every way to grow; how many of its requests were refused. */
static int script(struct chunk_heap *ch)
{
	int refused = 0;
	char *mems[30];

	for (int i = 0; i < 30; i++)
		mems[i] = heap_malloc(ch, 30000 + 3000 * (size_t)i, NULL);
	for (int i = 0; i < 30; i++) {
		refused += !mems[i];
		if (mems[i])
			heap_free(ch, mems[i]);
	}
	return refused;
}

TEST(a_refusal_at_any_call_leaves_the_heap_sound)
{
	struct chunk_heap *heaps[2] = {fresh(true), fresh(false)};
	int refused = 0;

	for (int i = 0; i < 2; i++)
		for (long n = 1; n < 40; n++) {
			os_sim_fail_from(n);
			refused += script(heaps[i]);
			EXPECT(heap_check(heaps[i]));
			os_sim_fail_from(0);
			EXPECT_EQ(script(heaps[i]), 0);
			EXPECT(heap_check(heaps[i]));
			heap_trim(heaps[i], 0);
			zone_unmap_free(false);
		}
	EXPECT(refused > 0);
	EXPECT(zone_check());
}

TEST(the_old_top_is_used_up_after_somebody_elses_brk)
{
	struct chunk_heap *ch = fresh(true);
	char *first = heap_malloc(ch, 1000, NULL), *end = ch->top_heap->end, *mem;

	os_sbrk(16);
	EXPECT(heap_malloc(ch, 500000, NULL) > (void *)end);
	mem = heap_malloc(ch, 50000, NULL);
	EXPECT(mem > first && mem < end);
	EXPECT(heap_check(ch));
}

TEST(top_extends_for_resize)
{
	struct chunk_heap *ch = fresh(true), *blocks = fresh(false);
	char *mem = heap_malloc(ch, 1000, NULL), *stuck = heap_malloc(blocks, 1000, NULL);

	EXPECT(heap_resize(ch, mem, 500000));
	EXPECT_EQ(chunk_usable(mem), 500008);
	EXPECT(heap_check(ch));
	EXPECT(!heap_resize(blocks, stuck, 500000));
	os_sbrk(16);
	EXPECT(!heap_resize(ch, mem, 900000));
	EXPECT_EQ(chunk_usable(mem), 500008);
	EXPECT(heap_check(ch));
}

TEST(memory_that_was_used_is_not_called_zero)
{
	struct chunk_heap *ch = fresh(false);
	bool zero = true;
	char *mem = heap_malloc(ch, 1000, NULL);

	memset(mem, 1, 1000);
	heap_free(ch, mem);
	EXPECT(heap_malloc(ch, 500, &zero) == mem);
	EXPECT(!zero);
	zero = true;
	heap_malloc(ch, 1000, &zero);
	EXPECT(!zero);
	heap_malloc(ch, 1000, &zero);
	EXPECT(zero);
}

/* How often top is trimmed when a chunk is freed between it and one with so many clean pages. */
static size_t trims_over_clean(size_t npages)
{
	struct chunk_heap *ch = fresh(true);
	char *mem, *last;
	size_t room, before;

	REQUIRE(heap_malloc(ch, 1000, NULL));
	room = align_up((size_t)ch->top + CHUNK_LEAST, PAGE_SIZE) - (size_t)ch->top;
	REQUIRE(heap_malloc(ch, room - 8, NULL));
	REQUIRE(mem = heap_malloc(ch, (npages + 1) * PAGE_SIZE + 24, NULL));
	REQUIRE(is_aligned((uintptr_t)chunk_of(mem), PAGE_SIZE));
	REQUIRE(last = heap_malloc(ch, 2000, NULL));
	heap_free(ch, mem);
	heap_trim(ch, 0);
	EXPECT_EQ(ch->bins.clean, npages * PAGE_SIZE); /* all but its first page, with its links */
	before = ch->trims;
	heap_free(ch, last);
	EXPECT(ch->top == chunk_of(mem));
	EXPECT(heap_check(ch));
	return ch->trims - before;
}

/* To stay clean; a little of it counts as retained. */
TEST(top_is_trimmed_over_64_kib_that_are_clean_unless_an_option_says_when)
{
	struct options defaults = options;

	os_sim_need_small_pages();
	options.top_pad = 0;
	options.retain_floor = GIB; /* the rule asks for nothing */
	EXPECT_EQ(trims_over_clean(15), 0);
	EXPECT_EQ(trims_over_clean(16), 1);
	options.trim_threshold = GIB;
	EXPECT_EQ(trims_over_clean(120), 0);
	options = defaults;
}
