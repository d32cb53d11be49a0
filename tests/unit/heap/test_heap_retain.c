/* What a chunk heap retains: big free chunks and top under the rule, and by trim. */
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

/* n chunks of req bytes with others of that size between, so that none merges. */
static void spaced(struct chunk_heap *ch, char **mems, int n, size_t req)
{
	for (int i = 0; i < n; i++) {
		mems[i] = heap_malloc(ch, req, NULL);
		REQUIRE(mems[i] && heap_malloc(ch, req, NULL));
	}
}

TEST(big_free_chunks_are_purged_under_the_rule)
{
	struct chunk_heap *ch = fresh(false);
	struct options defaults = options;
	char *mems[64];

	os_sim_need_small_pages();
	options.retain_floor = MIB;
	options.retain_share = 1024;
	spaced(ch, mems, 64, 100000);
	for (int i = 0; i < 64; i++)
		memset(mems[i], 1, 100000);
	EXPECT_EQ(ch->purged_bytes, 0);
	for (int i = 0; i < 64; i++)
		heap_free(ch, mems[i]);
	EXPECT(ch->purged_bytes > 4 * MIB);
	EXPECT(ch->bins.dirty <= 2 * MIB);
	EXPECT(heap_check(ch));
	heap_trim(ch, 0);
	EXPECT_EQ(ch->bins.dirty, 0);
	EXPECT(heap_check(ch));
	options = defaults;
}

TEST(a_purged_chunk_is_dirty_only_as_far_as_it_was_used_again)
{
	struct chunk_heap *ch = fresh(false);
	char *mem = heap_malloc(ch, 500000, NULL), *part;

	heap_malloc(ch, 16, NULL);
	heap_free(ch, mem);
	heap_trim(ch, 0);
	EXPECT_EQ(ch->bins.dirty, 0);
	part = heap_malloc(ch, 3000, NULL);
	EXPECT(part == mem);
	heap_free(ch, part);
	EXPECT(ch->bins.dirty >= PAGE_SIZE || ch->bins.dirty == 0);
	EXPECT(ch->bins.dirty <= 2 * PAGE_SIZE);
	EXPECT(heap_check(ch));
}

TEST(what_was_purged_of_a_chunk_is_not_used_beyond_the_limit)
{
	struct chunk_heap *ch = fresh(false);
	char *mem = heap_malloc(ch, 500000, NULL), *part;

	heap_malloc(ch, 16, NULL);
	heap_free(ch, mem);
	heap_trim(ch, 0);
	options.limit = 1;
	part = heap_malloc(ch, 3000, NULL);
	EXPECT(part != mem);
	EXPECT(heap_malloc(ch, 500000, NULL) != mem);
	options.limit = 0;
	EXPECT(heap_malloc(ch, 3000, NULL) == mem);
	EXPECT(heap_check(ch));
}

TEST(a_chunk_does_not_grow_into_what_was_purged_beyond_the_limit)
{
	struct chunk_heap *ch = fresh(false);
	char *mem = heap_malloc(ch, 1000, NULL), *next = heap_malloc(ch, 20000, NULL);

	os_sim_need_small_pages();
	heap_malloc(ch, 16, NULL);
	heap_free(ch, next);
	heap_trim(ch, 0);
	REQUIRE(ch->bins.clean);
	options.limit = 1;
	EXPECT(!heap_resize(ch, mem, 10000));
	options.limit = 0;
	EXPECT(heap_resize(ch, mem, 10000));
	EXPECT(heap_check(ch));
}

/* More than one call visits. */
TEST(chunks_that_are_purged_already_do_not_hide_smaller_ones)
{
	enum { LARGE = 300, SMALL = 100 };
	struct chunk_heap *ch = fresh(false);
	struct options defaults = options;
	static char *large[LARGE], *small[SMALL];

	os_sim_need_small_pages();
	options.retain_floor = GIB;
	spaced(ch, large, LARGE, 60000);
	spaced(ch, small, SMALL, 16000);
	for (int i = 0; i < LARGE; i++)
		heap_free(ch, large[i]);
	heap_trim(ch, 0);
	while (ch->bins.first[BINS_UNSORTED]) /* puts them into their bin */
		REQUIRE(heap_malloc(ch, 70000, NULL));
	for (int i = 0; i < SMALL; i++)
		heap_free(ch, small[i]);
	EXPECT(ch->bins.dirty > SMALL * 8 * KIB);
	retain_forget();
	options.retain_floor = 0;
	options.retain_share = 1024;
	for (int i = 0; i < 20 && retain_excess(); i++)
		heap_obey_rule(ch);
	EXPECT(ch->bins.dirty < 64 * KIB);
	EXPECT(heap_check(ch));
	options = defaults;
}

/* So that none takes long. */
TEST(one_call_purges_256_chunks)
{
	enum { CHUNKS = 400 };
	struct chunk_heap *ch = fresh(false);
	struct options defaults = options;
	static char *mems[CHUNKS];
	int purged = 0;

	os_sim_need_small_pages();
	options.retain_floor = GIB;
	spaced(ch, mems, CHUNKS, 10000);
	for (int i = 0; i < CHUNKS; i++)
		heap_free(ch, mems[i]);
	retain_forget();
	options.retain_floor = 0;
	options.retain_share = 1024;
	options.limit = GIB; /* else RETAIN_STEP ends the call first */
	heap_obey_rule(ch);
	for (int i = 0; i < CHUNKS; i++)
		purged += chunk_of(mems[i])->dirty == 0;
	EXPECT_EQ(purged, 256);
	EXPECT(heap_check(ch));
	options = defaults;
}

/* All of them, wherever the rule has come to. */
TEST(a_trim_purges_what_the_rule_has_passed_by)
{
	enum { CHUNKS = 600 };
	struct chunk_heap *ch = fresh(false);
	struct options defaults = options;
	static char *mems[CHUNKS];

	os_sim_need_small_pages();
	options.retain_floor = GIB;
	spaced(ch, mems, CHUNKS, 60000);
	for (int i = 0; i < CHUNKS; i++)
		heap_free(ch, mems[i]);
	while (ch->bins.first[BINS_UNSORTED])
		REQUIRE(heap_malloc(ch, 70000, NULL));
	retain_forget();
	options.retain_floor = 0;
	options.retain_share = 1024;
	heap_obey_rule(ch); /* a part, and the next time from the bin below */
	EXPECT(ch->bins.dirty > 0);
	heap_trim(ch, 0);
	EXPECT_EQ(ch->bins.dirty, 0);
	EXPECT(heap_check(ch));
	options = defaults;
}

TEST(a_free_chunk_is_counted_by_its_whole_pages_from_two_pages_on)
{
	struct chunk_heap *ch = fresh(false);
	char *mems[64];
	size_t dirty = 0;

	os_sim_need_small_pages();
	spaced(ch, mems, 64, 10000);
	for (int i = 0; i < 64; i++) {
		struct chunk *c = chunk_of(mems[i]);
		size_t nbytes;

		heap_free(ch, mems[i]);
		chunk_pages(c, chunk_need(10000), &nbytes);
		dirty += nbytes;
		EXPECT_EQ(c->dirty, nbytes);
	}
	EXPECT(dirty >= 64 * PAGE_SIZE);
	EXPECT_EQ(ch->bins.dirty, dirty);
	EXPECT_EQ(heap_trim(ch, 0), dirty);
	EXPECT_EQ(ch->bins.dirty, 0);
	EXPECT_EQ(ch->bins.clean, dirty);
	EXPECT(heap_check(ch));
}

TEST(what_was_purged_of_a_chunk_is_not_live_until_it_is_used)
{
	struct chunk_heap *ch = fresh(false);
	char *mem = heap_malloc(ch, 500000, NULL);
	size_t live, clean;

	os_sim_need_small_pages();
	heap_malloc(ch, 16, NULL);
	live = retain_live;
	heap_free(ch, mem);
	heap_trim(ch, 0);
	clean = ch->bins.clean;
	EXPECT(clean >= 400000);
	EXPECT_EQ(retain_live, live - clean);
	retain_purged(clean);
	EXPECT(heap_malloc(ch, 400000, NULL) == mem);
	EXPECT(retain_live >= live - 100000 && retain_live <= live);
	EXPECT(retain_regret >= 390000); /* the purge was a mistake */
	EXPECT(heap_check(ch));
}

/* Else a program that frees all in the order in which it took it would learn to keep all. */
TEST(a_purged_chunk_that_becomes_top_was_not_used)
{
	struct chunk_heap *ch = fresh(true);
	char *first = heap_malloc(ch, 500000, NULL), *mem = heap_malloc(ch, 500000, NULL),
	     *last = heap_malloc(ch, 2000, NULL);
	size_t regret = retain_regret, peak = retain_peak, tally;

	os_sim_need_small_pages();
	REQUIRE(first && mem && last);
	heap_free(ch, mem);
	heap_trim(ch, 0);
	EXPECT(ch->bins.clean > 400000);
	retain_purged(ch->bins.clean);
	tally = retain_tally;
	heap_free(ch, last);
	EXPECT_EQ(ch->bins.clean, 0);
	EXPECT(retain_tally < tally + 100000); /* what was clean goes back once */
	EXPECT_EQ(retain_regret, regret);
	EXPECT(retain_peak == peak);
	EXPECT(top_retained(ch) <= 2 * PAGE_SIZE);
	EXPECT(top_size(ch) <= options.top_pad + 2 * PAGE_SIZE);
	EXPECT(heap_check(ch));
}

/* A heap with these chunks, of which each that is freed may stay dirty. */
static struct chunk_heap *spaced_below_the_floor(char *mems[64])
{
	struct chunk_heap *ch = fresh(false);

	os_sim_need_small_pages();
	options.retain_floor = GIB;
	spaced(ch, mems, 64, 10000);
	return ch;
}

/* Without a walk through the bins, and though others retain too much. */
TEST(over_the_line_a_chunk_is_purged_as_it_is_freed)
{
	struct options defaults = options;
	char *mems[64];
	struct chunk_heap *ch = spaced_below_the_floor(mems);

	heap_free(ch, mems[40]);
	EXPECT(ch->bins.dirty > 0);
	retain_add(64 * MIB);
	options.retain_floor = MIB;
	heap_free(ch, mems[42]);
	EXPECT_EQ(chunk_of(mems[42])->dirty, 0);
	EXPECT(chunk_of(mems[40])->dirty > 0);
	EXPECT_EQ(retain_tally, chunk_of(mems[42])->clean);
	retain_add(-(intptr_t)(64 * MIB));
	EXPECT(heap_check(ch));
	options = defaults;
}

TEST(over_the_floor_a_chunk_stays_dirty_where_the_rule_allows_it)
{
	struct options defaults = options;
	char *mems[64];
	struct chunk_heap *ch = spaced_below_the_floor(mems);

	options.retain_floor = MIB;
	retain_add(2 * MIB);
	retain_add_live(GIB);
	heap_free(ch, mems[42]);
	EXPECT(chunk_of(mems[42])->dirty > 0);
	retain_add_live(-(intptr_t)GIB);
	retain_add(-(intptr_t)(2 * MIB));
	EXPECT(heap_check(ch));
	options = defaults;
}

TEST(top_of_brk_shrinks_under_the_rule)
{
	struct chunk_heap *ch = fresh(true);
	struct options defaults = options;
	char *mems[50], *peak;
	bool zero;

	os_sim_need_small_pages();
	for (int i = 0; i < 50; i++) {
		mems[i] = heap_malloc(ch, 100000, NULL);
		memset(mems[i], 1, 100000);
	}
	peak = os_break();
	options.retain_floor = MIB;
	options.retain_share = 1024;
	for (int i = 49; i >= 0; i--)
		heap_free(ch, mems[i]);
	EXPECT((char *)os_break() <= peak - 3 * MIB);
	EXPECT(ch->trims > 0);
	EXPECT((char *)os_break() == ch->top_heap->end);
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

	os_sim_need_small_pages();
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

TEST(the_data_segment_refuses_huge_pages_where_they_are_not_wanted)
{
	struct os_sim_advice advice[4];
	struct chunk_heap *ch = fresh(true);

	options.thp = THP_ALWAYS;
	os_sim_note_advice(advice, 4);
	REQUIRE(heap_malloc(ch, 1000, NULL));
	EXPECT_EQ(os_sim_advised(), 0);
	options.thp = THP_NEVER;
	REQUIRE(heap_malloc(ch, MIB, NULL));
	EXPECT_EQ(os_sim_advised(), 1);
	EXPECT(!advice[0].wanted && advice[0].nbytes >= MIB);
	EXPECT_EQ((char *)ch->top_heap->end, (char *)advice[0].mem + advice[0].nbytes);
	options.thp = THP_AUTO;
	os_sim_note_advice(NULL, 0);
}

/* One call looks at 4,096 that are purged; the next goes on in the bin below. */
static void expect_purge_behind(int nclean, int calls)
{
	enum { MOST = 4200, FEW = 200 };
	struct chunk_heap *ch = fresh(false);
	struct options defaults = options;
	static char *clean[MOST], *few[FEW];
	size_t dirty;

	options.retain_floor = GIB;
	spaced(ch, clean, nclean, 16000);
	spaced(ch, few, FEW, 12000);
	for (int i = 0; i < nclean; i++)
		heap_free(ch, clean[i]);
	heap_trim(ch, 0);
	while (ch->bins.first[BINS_UNSORTED])
		REQUIRE(heap_malloc(ch, 70000, NULL));
	for (int i = 0; i < FEW; i++)
		heap_free(ch, few[i]);
	dirty = ch->bins.dirty;
	REQUIRE(dirty >= FEW * PAGE_SIZE);
	retain_forget();
	options.retain_floor = 0;
	options.retain_share = 1024;
	while (--calls) {
		heap_obey_rule(ch);
		EXPECT_EQ(ch->bins.dirty, dirty);
	}
	heap_obey_rule(ch);
	EXPECT(ch->bins.dirty < dirty / 2);
	EXPECT(heap_check(ch));
	options = defaults;
}

TEST(a_call_looks_past_as_many_purged_chunks_as_it_may_and_the_next_goes_on)
{
	os_sim_need_small_pages();
	expect_purge_behind(300, 1);
	expect_purge_behind(4200, 2);
}

/* The dirty ones are last in the ring of a size, behind more than a call looks at. */
TEST(where_most_chunks_are_purged_few_calls_look_at_them)
{
	enum { MOST = 5120, FEW = 200, LOOKS = 4096, CALLS = 100 };
	struct chunk_heap *ch = fresh(false);
	struct options defaults = options;
	static char *clean[MOST], *few[FEW];
	int looked = 0;

	os_sim_need_small_pages();
	options.retain_floor = GIB;
	spaced(ch, clean, MOST, 16000);
	spaced(ch, few, FEW, 16000);
	for (int i = 0; i < MOST; i++)
		heap_free(ch, clean[i]);
	heap_trim(ch, 0);
	for (int i = 0; i < FEW; i++)
		heap_free(ch, few[i]);
	while (ch->bins.first[BINS_UNSORTED])
		REQUIRE(heap_malloc(ch, 70000, NULL));
	retain_forget();
	options.retain_floor = 0;
	options.retain_share = 1024;
	for (int i = 0; i < CALLS; i++) {
		uint32_t pause = ch->purge_pause;

		heap_obey_rule(ch);
		looked += !ch->purge_pause || ch->purge_pause > pause;
	}
	EXPECT(ch->bins.dirty >= FEW * PAGE_SIZE && retain_excess());
	EXPECT(looked > 0 && looked <= CALLS / (LOOKS / 256) * 3);
	EXPECT(heap_trim(ch, 0) >= FEW * PAGE_SIZE);
	EXPECT_EQ(ch->bins.dirty, 0);
	EXPECT_EQ(ch->purge_pause, 0);
	EXPECT(heap_check(ch));
	options = defaults;
}

TEST(a_purged_chunk_of_a_block_that_goes_back_was_not_used)
{
	struct chunk_heap *ch = fresh(false);
	char *mem = heap_malloc(ch, 100000, NULL), *last = heap_malloc(ch, 2000, NULL);
	size_t regret;

	os_sim_need_small_pages();
	REQUIRE(mem && last && heap_malloc(ch, MIB, NULL)); /* in a block of its own */
	heap_free(ch, mem);
	heap_trim(ch, 0);
	EXPECT(ch->bins.clean > 80000);
	retain_purged(ch->bins.clean);
	regret = retain_regret;
	heap_free(ch, last);
	EXPECT(ch->heaps && !ch->heaps->next);
	heap_trim(ch, 0);
	EXPECT_EQ(retain_regret, regret);
}

TEST(what_goes_with_the_block_of_top_is_purged_once)
{
	struct chunk_heap *ch = fresh(false);
	struct options defaults = options;
	struct zone_sizes before, after;
	char *mem;

	os_sim_need_small_pages();
	zone_purge(SIZE_MAX);
	retain_forget();
	options.retain_floor = GIB;
	REQUIRE(mem = heap_malloc(ch, 100000, NULL));
	memset(mem, 1, 100000);
	heap_free(ch, mem);
	zone_purge(SIZE_MAX);
	zone_sizes(&before);
	retain_tally = 0;
	options.retain_floor = 0;
	retain_add(64 * MIB); /* of others */
	heap_obey_rule(ch);
	retain_add(-64 * (intptr_t)MIB);
	EXPECT(!ch->top);
	zone_sizes(&after);
	EXPECT(after.purged > before.purged);
	EXPECT_EQ(retain_tally, after.purged - before.purged);
	options = defaults;
}

/* Nothing of it is a pad any more. */
TEST(a_top_that_cannot_grow_is_purged)
{
	struct chunk_heap *ch = fresh(true);
	struct options defaults = options;
	char *mem;

	os_sim_need_small_pages();
	zone_purge(SIZE_MAX);
	options.retain_floor = GIB;
	REQUIRE(mem = heap_malloc(ch, 100000, NULL));
	memset(mem, 1, 100000);
	heap_free(ch, mem);
	EXPECT_EQ(top_retained(ch), 0);
	options.retain_floor = 0;
	options.retain_share = 1024;
	REQUIRE(os_sim_foreign_sbrk(4096));
	REQUIRE(heap_malloc(ch, 300000, NULL));
	EXPECT(ch->purged_bytes > 90000);
	EXPECT(heap_check(ch));
	options = defaults;
}

TEST(of_top_goes_what_the_rule_asks_for_and_no_more)
{
	enum { CHUNKS = 200 };
	struct chunk_heap *ch = fresh(true);
	struct options defaults = options;
	static char *mems[CHUNKS];
	size_t before, excess;

	os_sim_need_small_pages();
	options.retain_floor = GIB;
	for (int i = 0; i < CHUNKS; i++)
		REQUIRE(mems[i] = heap_malloc(ch, 100000, NULL));
	for (int i = CHUNKS; i-- > 0;)
		heap_free(ch, mems[i]);
	zone_purge(SIZE_MAX);
	retain_forget();
	options.retain_floor = retain_retained - 1;
	options.retain_share = 1024;
	before = top_retained(ch);
	excess = retain_excess(); /* about half of all */
	REQUIRE(excess && excess + MIB < before);
	heap_obey_rule(ch); /* a step, so that none takes long */
	EXPECT(top_retained(ch) >= before - RETAIN_STEP);
	EXPECT(top_retained(ch) <= before - RETAIN_STEP + 2 * PAGE_SIZE);
	while (retain_excess())
		heap_obey_rule(ch);
	EXPECT(top_retained(ch) >= before - excess);
	EXPECT(heap_check(ch));
	options = defaults;
}

enum { ROUND_CHUNKS = 200, ROUND_BYTES = 100000 };

/* Allocates chunks and frees all, in this order or in reverse; how many bytes were purged. */
static size_t round_of_chunks(struct chunk_heap *ch, bool in_order)
{
	static char *mems[ROUND_CHUNKS];
	size_t before = ch->purged_bytes;

	for (int i = 0; i < ROUND_CHUNKS; i++) {
		REQUIRE(mems[i] = heap_malloc(ch, ROUND_BYTES, NULL));
		memset(mems[i], 1, ROUND_BYTES);
	}
	for (int i = 0; i < ROUND_CHUNKS; i++)
		heap_free(ch, mems[in_order ? i : ROUND_CHUNKS - 1 - i]);
	return ch->purged_bytes - before;
}

/* If it were, all other free memory would be purged for it, again and again. */
TEST(what_top_keeps_under_trim_threshold_is_not_retained)
{
	struct chunk_heap *ch = fresh(true);
	struct options defaults = options;

	os_sim_need_small_pages();
	zone_purge(SIZE_MAX);
	options.trim_threshold = GIB;
	EXPECT_EQ(round_of_chunks(ch, false), 0);
	EXPECT(top_size(ch) >= (size_t)ROUND_CHUNKS * ROUND_BYTES);
	EXPECT_EQ(top_retained(ch), 0);
	retain_add(64 * MIB);
	heap_obey_rule(ch); /* what others retain is no reason to trim it */
	retain_add(-64 * (intptr_t)MIB);
	EXPECT(top_size(ch) >= (size_t)ROUND_CHUNKS * ROUND_BYTES);
	options.trim_threshold = 10 * MIB;
	EXPECT(top_retained(ch) > 8 * MIB);
	options = defaults;
	EXPECT(heap_check(ch));
}

TEST(what_was_purged_before_it_became_top_is_kept_the_next_time)
{
	struct chunk_heap *ch = fresh(true);
	struct options defaults = options;
	size_t first;

	os_sim_need_small_pages();
	zone_purge(SIZE_MAX);
	options.trim_threshold = GIB;
	first = round_of_chunks(ch, true);
	EXPECT(first > 8 * MIB);
	round_of_chunks(ch, true);
	EXPECT(round_of_chunks(ch, true) < first / 4);
	options = defaults;
	EXPECT(heap_check(ch));
}

/* Of a chunk that has become large. */
TEST(a_large_chunk_is_purged_in_steps_from_its_end)
{
	enum { CHUNKS = 30, SIZE = 100000 };
	struct chunk_heap *ch = fresh(false);
	struct options defaults = options;
	char *mems[CHUNKS];
	int purged = 0;
	size_t dirty;

	os_sim_need_small_pages();
	options.retain_floor = GIB;
	for (int i = 0; i < CHUNKS; i++) {
		REQUIRE(mems[i] = heap_malloc(ch, SIZE, NULL));
		memset(mems[i], 1, SIZE);
	}
	REQUIRE(heap_malloc(ch, SIZE, NULL)); /* else they become top */
	for (int i = 0; i < CHUNKS; i++)
		heap_free(ch, mems[i]);
	retain_forget();
	options.retain_floor = 0;
	options.retain_share = 1024;
	dirty = ch->bins.dirty;
	REQUIRE(dirty > RETAIN_STEP + 4 * PAGE_SIZE);
	heap_obey_rule(ch);
	EXPECT(ch->bins.dirty >= dirty - RETAIN_STEP);
	EXPECT(ch->bins.clean >= RETAIN_STEP / 2);
	EXPECT(heap_check(ch));
	for (int i = 0; i < CHUNKS; i++)
		purged += mems[i][SIZE / 2] == 0;
	EXPECT(purged >= (int)(RETAIN_STEP / 2 / SIZE));
	heap_trim(ch, 0);
	EXPECT_EQ(ch->bins.dirty, 0);
	EXPECT(heap_check(ch));
	options = defaults;
}
