/* The memory of heaps: brk with a pad, somebody else's brk, blocks, and how large they are. */
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

#define PAD (128 * KIB) /* the options' defaults */

TEST(brk_grows_with_a_pad_and_goes_on_where_it_was)
{
	struct chunk_heap *ch = fresh(true);
	char *before = os_break(), *mem;
	size_t regret = retain_regret;

	retain_tally = MIB;
	REQUIRE(mem = heap_malloc(ch, 1000, NULL));
	EXPECT_EQ(retain_regret - regret, (size_t)(ch->top_heap->end - ch->top_heap->base));
	EXPECT(mem >= before && mem < before + 2 * os_page_size());
	EXPECT((char *)os_break() == ch->top_heap->end);
	EXPECT(top_size(ch) >= PAD);
	for (int i = 0; i < 100; i++)
		EXPECT(heap_malloc(ch, 10000, NULL));
	EXPECT_EQ(count_heaps(ch), 1);
	EXPECT(ch->top_grown_brk >= 4 && ch->top_grown_brk <= 10);
	EXPECT_EQ(ch->top_grown_block, 0);
	EXPECT((char *)os_break() == ch->top_heap->end);
	EXPECT(heap_check(ch));
}

TEST(memory_of_somebody_elses_brk_is_left_alone)
{
	struct chunk_heap *ch = fresh(true);
	char *theirs;

	heap_malloc(ch, 1000, NULL);
	theirs = os_sbrk(1000);
	REQUIRE(theirs);
	memset(theirs, 0x5a, 1000);
	for (int i = 0; i < 50; i++) {
		char *mem = heap_malloc(ch, 10000, NULL);

		REQUIRE(mem);
		EXPECT(mem + 10000 <= theirs || mem >= theirs + 1000);
		memset(mem, 0, 10000);
	}
	for (int i = 0; i < 1000; i++)
		EXPECT_EQ(theirs[i], 0x5a);
	EXPECT_EQ(count_heaps(ch), 2);
	EXPECT(!pagemap_get(theirs));
	EXPECT_EQ(ch->top_grown_block, 0);
	EXPECT(heap_check(ch));
}

static void grow_after_shrink(void *arg)
{
	os_sbrk(-(intptr_t)(8 * PAGE_SIZE));
	heap_malloc(arg, 500000, NULL);
}

TEST(a_program_that_takes_our_break_away_is_told)
{
	struct chunk_heap *ch = fresh(true);

	heap_malloc(ch, 1000, NULL);
	EXPECT_ABORT(grow_after_shrink, ch, "break adjusted to free malloc space");
}

TEST(blocks_serve_where_brk_is_refused_and_brk_is_tried_again)
{
	struct chunk_heap *ch = fresh(true);

	os_sim_brk_limit(0);
	EXPECT(heap_malloc(ch, 1000, NULL));
	EXPECT_EQ(ch->top_grown_block, 1);
	EXPECT(!ch->top_heap->brk);
	os_sim_brk_limit(SIZE_MAX);
	EXPECT(heap_malloc(ch, 100000, NULL));
	EXPECT_EQ(ch->top_grown_brk, 1);
	EXPECT(ch->top_heap->brk);
	EXPECT(heap_check(ch));
}

TEST(a_refused_pad_is_done_without)
{
	struct chunk_heap *ch = fresh(true);

	os_sim_need_small_pages();
	os_sim_brk_limit(64 * KIB);
	EXPECT(heap_malloc(ch, 10000, NULL));
	EXPECT_EQ(ch->top_grown_brk, 1);
	EXPECT(ch->top_heap->end - ch->top_heap->base <= 16 * (intptr_t)KIB);
	os_sim_brk_limit(SIZE_MAX);
	EXPECT(heap_check(ch));
}

TEST(a_block_is_as_large_as_all_before_from_32_kib_to_4_mib)
{
	struct chunk_heap *ch = fresh(false);
	size_t before = 0, nbytes = 0;

	for (int i = 0; i < 1000; i++) {
		size_t grown = ch->top_grown_block;

		REQUIRE(heap_malloc(ch, 20000, NULL));
		if (ch->top_grown_block == grown)
			continue;
		nbytes = (size_t)(ch->top_heap->end - ch->top_heap->base);
		EXPECT_EQ(nbytes, before == 0 ? 32 * KIB : before > 4 * MIB ? 4 * MIB : before);
		before += nbytes;
		EXPECT_EQ(ch->system, before);
	}
	EXPECT_EQ(nbytes, 4 * MIB);
	EXPECT_EQ(ch->top_grown_brk, 0);
	EXPECT(heap_check(ch));
}

TEST(a_large_first_request_gets_a_block_that_holds_it)
{
	struct chunk_heap *ch = fresh(false);

	EXPECT(heap_malloc(ch, HEAP_MAX_REQ, NULL));
	EXPECT_EQ(count_heaps(ch), 1);
	EXPECT(heap_memalign(ch, MIB, HEAP_MAX_REQ));
	EXPECT(heap_check(ch));
}

TEST(a_block_that_is_all_free_goes_back)
{
	struct chunk_heap *ch = fresh(false);
	char *mems[100];
	struct heap_sizes sizes;

	for (int i = 0; i < 100; i++)
		mems[i] = heap_malloc(ch, 10000, NULL);
	heap_sizes(ch, &sizes);
	EXPECT(sizes.system >= 1000000);
	for (int i = 0; i < 99; i++)
		heap_free(ch, mems[i]);
	EXPECT(heap_check(ch));
	heap_sizes(ch, &sizes);
	EXPECT_EQ(sizes.system, (size_t)(ch->top_heap->end - ch->top_heap->base));
	EXPECT(ch->heaps == ch->top_heap);
	heap_free(ch, mems[99]);
	EXPECT(heap_trim(ch, 0) > 0);
	heap_sizes(ch, &sizes);
	EXPECT_EQ(sizes.system, 0);
	EXPECT_EQ(sizes.in_use, 0);
	EXPECT(heap_check(ch));
	EXPECT(zone_check());
}

TEST(a_block_below_32_kib_goes_back_too)
{
	struct chunk_heap *ch = fresh(false);
	void *small, *mem;
	bool clean;
	size_t before;

	heap_malloc(fresh(false), 100, NULL); /* descriptors are there */
	REQUIRE(zone_alloc(2, &clean));	      /* and so a free block of 16 KiB beside it */
	os_sim_fail_from(1);
	while (zone_is_ready(3))
		REQUIRE(zone_alloc(3, &clean));
	mem = heap_malloc(ch, 10000, NULL);
	os_sim_fail_from(0);
	small = ch->top_heap->base;
	REQUIRE(mem && ch->system == 16 * KIB);
	heap_malloc(ch, 20000, NULL);
	before = ch->system;
	heap_free(ch, mem);
	EXPECT_EQ(ch->system, before - 16 * KIB);
	EXPECT(!pagemap_get(small));
	EXPECT(heap_check(ch));
}
