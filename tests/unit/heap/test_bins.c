/*
 * Bins against a table of what is in them.  Bins touch nothing of a chunk but
 * struct chunk, so the chunks here have any size and lie side by side.
 */
#include "heap/bins.h"
#include "heap/heap.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#define CHUNKS 400

static struct chunk *chunks;
static uint64_t words[CHUNKS]; /* 0: not in the bins */
static struct bins bins;

/* Chunks lie where the page map says so. */
static void reset(void)
{
	static struct chunk_heap owner;
	static struct heap heap = {.tag.kind = KIND_HEAP, .owner = &owner};
	size_t nbytes = align_up(CHUNKS * sizeof *chunks, PAGE_SIZE);

	if (!chunks) {
		chunks = aligned_alloc(PAGE_SIZE, nbytes);
		REQUIRE(pagemap_reserve(chunks, nbytes));
		pagemap_set(chunks, nbytes, &heap.tag);
	}
	memset(chunks, 0, nbytes);
	memset(&bins, 0, sizeof bins);
	memset(words, 0, sizeof words);
}

static void insert(int i, size_t csize, bool unsorted)
{
	words[i] = csize | CHUNK_PREV_IN_USE | (unsorted ? CHUNK_UNSORTED : 0);
	chunk_set(&chunks[i], words[i]);
	chunks[i].dirty = csize / 2;
	chunks[i].clean = csize / 4;
	bins_insert(&bins, &chunks[i], words[i]);
}

static void take_out(int i)
{
	bins_remove(&bins, &chunks[i], words[i]);
	words[i] = 0;
}

/* The size of the best fit, found one by one; 0 when there is none. */
static size_t best_of_table(size_t csize)
{
	size_t best = 0;

	for (int i = 0; i < CHUNKS; i++) {
		size_t size = chunk_word_size(words[i]);

		if (words[i] && !(words[i] & CHUNK_UNSORTED) && size >= csize &&
		    (!best || size < best))
			best = size;
	}
	return best;
}

TEST(each_size_has_one_bin_and_bins_follow_sizes)
{
	unsigned before = 2;

	for (size_t csize = 32; csize < 64 * MIB; csize += 16 + (csize / 64 & ~(size_t)15)) {
		unsigned index = bins_index(csize);

		EXPECT(index == before || index == before + 1);
		before = index;
		if (csize < CHUNK_LARGE) {
			EXPECT_EQ(index, csize / 16);
			continue;
		}
		EXPECT(index >= BINS_LARGE && csize >= bins_least(index));
		EXPECT(index == BINS_LAST || csize < bins_least(index + 1));
		EXPECT(csize >> bins_top_bit(index) >> 1 ==
		       bins_least(index) >> bins_top_bit(index) >> 1);
	}
	EXPECT_EQ(before, BINS_LAST);
	EXPECT_EQ(bins_index(CHUNK_WORD & ~(size_t)15), BINS_LAST);
}

TEST(no_bins_are_sound_and_have_nothing)
{
	reset();
	EXPECT(bins_check(&bins));
	EXPECT(!bins_best(&bins, 32));
	EXPECT(!bins_best(&bins, 100 * MIB));
}

TEST(a_small_bin_gives_the_oldest_first)
{
	reset();
	for (int i = 0; i < 3; i++)
		insert(i, 64, false);
	for (int i = 0; i < 3; i++) {
		EXPECT(bins_best(&bins, 64) == &chunks[i]);
		take_out(i);
		EXPECT(bins_check(&bins));
	}
	EXPECT(!bins_best(&bins, 64));
}

TEST(unsorted_chunks_are_not_found_by_size)
{
	reset();
	insert(0, 4096, true);
	EXPECT(bins.first[BINS_UNSORTED] == &chunks[0]);
	EXPECT(!bins_best(&bins, 4096));
	EXPECT(bins_check(&bins));
	take_out(0);
	EXPECT(!bins.first[BINS_UNSORTED]);
}

TEST(the_best_fit_of_a_tree_is_the_smallest_that_is_enough)
{
	size_t sizes[] = {1200, 1040, 1264, 1024, 1120, 1040, 1200};

	reset();
	for (int i = 0; i < 7; i++)
		insert(i, sizes[i], false);
	for (size_t csize = 1008; csize <= 1280; csize += 16) {
		struct chunk *best = bins_best(&bins, csize);

		EXPECT_EQ(best ? chunk_size(best) : 0, best_of_table(csize));
	}
}

/* Sizes that crowd bins, equal ones among them, and the last bin, which has no end. */
static size_t random_size(uint64_t *seed)
{
	switch (test_random(seed) % 4) {
	case 0:
		return 32 + 16 * (test_random(seed) % 80);
	case 1:
		return 2048 + 16 * (test_random(seed) % 40);
	case 2:
		return 32 + (test_random(seed) >> (20 + test_random(seed) % 30) & 0x7ffffffff0);
	default:
		return (size_t)16 << (6 + test_random(seed) % 30);
	}
}

TEST(any_order_of_steps_keeps_bins_sound_and_best)
{
	uint64_t seed = test_seed();

	reset();
	for (int step = 0; step < 40000; step++) {
		/* The number of chunks swells and shrinks. */
		int crowd = 10 + step / 100 % (CHUNKS - 10);
		int i = (int)(test_random(&seed) % (uint64_t)crowd);
		size_t csize = random_size(&seed);
		struct chunk *best;

		if (words[i])
			take_out(i);
		else
			insert(i, csize, test_random(&seed) % 8 == 0);
		best = bins_best(&bins, csize);
		if (!EXPECT_EQ(best ? chunk_size(best) : 0, best_of_table(csize)) ||
		    !EXPECT(bins_check(&bins)))
			return;
	}
	for (int i = 0; i < CHUNKS; i++)
		if (words[i])
			take_out(i);
	EXPECT(bins_check(&bins));
	EXPECT_EQ(bins.count, 0);
	EXPECT_EQ(bins.dirty, 0);
	EXPECT_EQ(bins.map[0] | bins.map[1], 0);
}

struct seen {
	int count, most;
	unsigned last; /* bin */
	bool descending;
};

static bool see(struct chunk *c, size_t csize, void *arg)
{
	struct seen *seen = arg;

	seen->descending &= bins_index(csize) <= seen->last;
	seen->last = bins_index(csize);
	return ++seen->count < seen->most;
}

TEST(a_visit_goes_from_the_last_bin_down_until_it_is_told_to_stop)
{
	struct seen all = {.most = CHUNKS, .last = BINS_LAST, .descending = true};
	struct seen some = {.most = 5, .last = BINS_LAST, .descending = true};
	struct seen large = {.most = CHUNKS, .last = BINS_LAST, .descending = true};

	reset();
	for (int i = 0; i < 100; i++)
		insert(i, 512 + 16 * (size_t)(i * 37 % 100), false);
	bins_visit(&bins, BINS_LAST, 1, see, &all);
	EXPECT_EQ(all.count, 100);
	EXPECT(all.descending);
	bins_visit(&bins, BINS_LAST, 1, see, &some);
	EXPECT_EQ(some.count, 5);
	bins_visit(&bins, BINS_LAST, BINS_LARGE, see, &large);
	EXPECT_EQ(large.count, 68);
}

static void remove_with_broken_ring(void *arg)
{
	chunks[1].prev = &chunks[2];
	take_out(0);
}

static void remove_with_broken_slot(void *arg)
{
	struct chunk *nobody = NULL;

	chunks[10].slot = &nobody;
	take_out(10);
}

static void insert_below_a_loop(void *arg)
{
	chunks[10].child[0] = chunks[10].child[1] = &chunks[10];
	insert(11, 65536 + 4096, false);
}

static void remove_with_wild_dirty_bytes(void *arg)
{
	chunks[10].dirty = 0x7878787878787878;
	take_out(10);
}

static void remove_with_wild_clean_bytes(void *arg)
{
	chunks[10].clean = (size_t)-1;
	take_out(10);
}

TEST(links_that_were_overwritten_end_the_program)
{
	reset();
	for (int i = 0; i < 3; i++)
		insert(i, 64, false);
	insert(10, 65536, false);
	EXPECT(bins_check(&bins));
	EXPECT_ABORT(remove_with_broken_ring, NULL, "links of a free chunk");
	EXPECT_ABORT(remove_with_broken_slot, NULL, "links of a free chunk");
	EXPECT_ABORT(insert_below_a_loop, NULL, "links of a free chunk");
	EXPECT_ABORT(remove_with_wild_dirty_bytes, NULL, "links of a free chunk");
	EXPECT_ABORT(remove_with_wild_clean_bytes, NULL, "links of a free chunk");
}

TEST(the_check_sees_what_is_wrong)
{
	reset();
	insert(0, 64, false);
	insert(1, 70000, false);
	EXPECT(bins_check(&bins));
	bit_set(bins.map, 100);
	EXPECT(!bins_check(&bins));
	bit_clear(bins.map, 100);
	bins.count++;
	EXPECT(!bins_check(&bins));
	bins.count--;
	bins.dirty++;
	EXPECT(!bins_check(&bins));
	bins.dirty--;
	bins.clean++;
	EXPECT(!bins_check(&bins)); /* H5 */
	bins.clean--;
	chunk_set(&chunks[1], 90000 | CHUNK_PREV_IN_USE);
	EXPECT(!bins_check(&bins));
	chunk_set(&chunks[1], words[1] | CHUNK_IN_USE);
	EXPECT(!bins_check(&bins));
	chunk_set(&chunks[1], words[1]);
	EXPECT(bins_check(&bins));
	chunks[0].prev = &chunks[1]; /* H1 */
	EXPECT(!bins_check(&bins));
	chunks[0].prev = &chunks[0];
	chunks[1].slot = NULL; /* H3 */
	EXPECT(!bins_check(&bins));
	chunks[1].slot = &bins.first[bins_index(70000)];
	EXPECT(bins_check(&bins));
}
