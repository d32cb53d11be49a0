/*
 * Random places of a table are filled if empty, emptied if full: a few places very often, most of
 * them rarely.
 *
 * The rule that 80% of the accesses go to 20% of the places is applied six times over, so that a
 * few blocks change all the time among many that stay.  Sizes are from 5 to 1,024 bytes, each power
 * of two half as likely as the one below.  Every byte of a block is written when it is allocated,
 * read when it is freed.  The places, 262,144, are shared out among the threads, and half full.
 *
 * Stands for: the heap of an ordinary large program, where short and long lives lie side by side.
 * Cares: all; it is the nearest to a typical program among the synthetic ones.
 * Source: Sergey Ignatchenko, OLogN Technologies, "Testing memory allocators: ptmalloc2 vs tcmalloc
 * vs hoard vs jemalloc while trying to simulate real-world loads" (2018): alloc-test.
 */
#include "block.h"

enum { PLACES = 1 << 18, ACCESSES = 40000000, RULES = 6, SIZE_MIN_LOG = 2, SIZE_CLASSES = 8 };

static uint64_t accesses; /* of one thread */
static size_t share;	  /* places of one thread */

static size_t some_size(struct workload_thread *self)
{
	uint64_t bits = random_next(&self->random);
	unsigned log = SIZE_MIN_LOG + (unsigned)__builtin_ctzll(bits | 1ull << (SIZE_CLASSES - 1));
	uint64_t low = 1ull << log;

	return low + 1 + (bits >> 32 & (low - 1));
}

static size_t some_place(struct workload_thread *self)
{
	uint64_t bits = random_next(&self->random);
	size_t low = 0, n = share;

	for (unsigned i = 0; i < RULES && n >= 5; i++, bits >>= 8) {
		size_t hot = n / 5;
		bool in_hot = (bits & 255) < 256 * 8 / 10;

		low += in_hot ? 0 : hot;
		n = in_hot ? hot : n - hot;
	}
	return low + random_below(&self->random, n);
}

static void fill(struct workload_thread *self, struct block *block)
{
	block_alloc(self, block, some_size(self));
	memset(block->mem, (unsigned char)block->nbytes, block->nbytes);
	workload_use(block->mem);
}

static uint64_t empty(struct workload_thread *self, struct block *block)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < block->nbytes; i++)
		sum += block->mem[i];
	block_free(self, block);
	return sum;
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	struct block *table = (struct block *)arg + self->index * share;
	uint64_t sum = 0;

	for (size_t i = 0; i < share; i++)
		if (random_next(&self->random) >> 63)
			fill(self, &table[i]);
	for (uint64_t i = 0; i < accesses; i++) {
		struct block *block = &table[some_place(self)];

		if (block->mem)
			sum += empty(self, block);
		else
			fill(self, block);
	}
	return sum + block_free_all(self, table, share);
}

int main(int argc, char **argv)
{
	unsigned nthreads;

	workload_start(argc, argv, "alloc_test", NULL);
	nthreads = workload_threads(1);
	accesses = workload_scaled(ACCESSES) / nthreads + 1;
	share = PLACES / nthreads;
	return workload_end(
		workload_run(nthreads, body, workload_table(PLACES * sizeof(struct block))));
}
