/* Top: growth by brk and by blocks, somebody else's brk, refusals, and giving back. */
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

static struct chunk_heap *fresh(bool brk)
{
	static struct chunk_heap many[32];
	static int used;

	REQUIRE(used < 32);
	retain_forget();
	many[used].brk = brk;
	return &many[used++];
}

static size_t count_heaps(const struct chunk_heap *ch)
{
	size_t n = 0;

	for (const struct heap *heap = ch->heaps; heap; heap = heap->next)
		n++;
	return n;
}

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

TEST(brk_grows_with_a_pad_and_goes_on_where_it_was)
{
	struct chunk_heap *ch = fresh(true);
	char *before = os_sbrk(0), *mem = heap_malloc(ch, 1000, NULL);

	REQUIRE(mem);
	EXPECT(mem >= before && mem < before + 2 * PAGE_SIZE);
	EXPECT((char *)os_sbrk(0) == ch->top_heap->end);
	EXPECT(top_size(ch) >= PAD);
	for (int i = 0; i < 100; i++)
		EXPECT(heap_malloc(ch, 10000, NULL));
	EXPECT_EQ(count_heaps(ch), 1);
	EXPECT(ch->top_grown_brk >= 4 && ch->top_grown_brk <= 10);
	EXPECT_EQ(ch->top_grown_block, 0);
	EXPECT((char *)os_sbrk(0) == ch->top_heap->end);
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

TEST(top_of_brk_shrinks_under_the_rule)
{
	struct chunk_heap *ch = fresh(true);
	struct options defaults = options;
	char *mems[50], *peak;
	bool zero;

	for (int i = 0; i < 50; i++) {
		mems[i] = heap_malloc(ch, 100000, NULL);
		memset(mems[i], 1, 100000);
	}
	peak = os_sbrk(0);
	options.retain_floor = MIB;
	options.retain_share = 1024;
	for (int i = 49; i >= 0; i--)
		heap_free(ch, mems[i]);
	EXPECT((char *)os_sbrk(0) <= peak - 3 * MIB);
	EXPECT(ch->trims > 0);
	EXPECT((char *)os_sbrk(0) == ch->top_heap->end);
	EXPECT(!pagemap_get(ch->top_heap->end));
	EXPECT(heap_check(ch));
	EXPECT(heap_trim(ch, PAGE_SIZE) > 0);
	EXPECT(top_size(ch) >= PAGE_SIZE && top_size(ch) <= 2 * PAGE_SIZE);
	EXPECT(heap_check(ch));
	EXPECT(heap_malloc(ch, 10000, &zero) && !zero);
	mems[0] = heap_malloc(ch, 10000, &zero);
	EXPECT(zero); /* it is above where top was cut off */
	heap_free(ch, mems[0]);
	heap_free(ch, heap_malloc(ch, 10000, NULL));
	EXPECT(heap_trim(ch, 0) > 0);
	EXPECT_EQ(count_heaps(ch), 1);
	options = defaults;
}

TEST(top_of_a_block_is_purged_under_the_rule_and_reads_as_zero)
{
	struct chunk_heap *ch = fresh(false);
	char *first = heap_malloc(ch, HEAP_MAX_REQ, NULL), *mem;
	bool zero = false;

	mem = heap_malloc(ch, 900000, NULL);
	REQUIRE(first && mem);
	memset(mem, 1, 900000);
	heap_free(ch, mem);
	EXPECT(heap_trim(ch, 10000) >= 500000);
	EXPECT(heap_check(ch));
	heap_malloc(ch, 20000, NULL);
	mem = heap_malloc(ch, 100000, &zero);
	EXPECT(zero);
	for (int i = 0; i < 100000; i++)
		if (mem[i])
			zero = EXPECT_EQ(mem[i], 0);
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

TEST(a_shrink_while_somebody_moved_the_break_only_purges)
{
	struct chunk_heap *ch = fresh(true);
	char *mem = heap_malloc(ch, 500000, NULL), *end = ch->top_heap->end;

	memset(mem, 1, 500000);
	heap_free(ch, mem);
	os_sbrk(4096);
	EXPECT(heap_trim(ch, 0) >= 400000);
	EXPECT(ch->top_heap && ch->top_heap->end == end);
	EXPECT(heap_check(ch));
}
