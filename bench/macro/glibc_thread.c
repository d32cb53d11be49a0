/*
 * Each thread replaces random ones of its 1,024 blocks by blocks of 4 to 32,768 bytes: half the
 * blocks are below 8 bytes, a quarter from there to 16, and so on (inverse square).
 *
 * All bytes are written.
 *
 * Stands for: the everyday of a thread with a small heap of its own and no neighbours.
 * Cares: those who want to see whether threads disturb each other where nothing is shared.
 * Source: the benchtests of glibc, bench-malloc-thread (Will Newton, 2013).
 */
#include "block.h"

enum { REPLACEMENTS = 50000000, WORKING_SET = 1024, SMALLEST = 4, LARGEST = 32768 };

static uint64_t replacements; /* of one thread */

/* A density that falls with the square of the size. */
static size_t some_size(struct workload_thread *self)
{
	static const double high = 1.0 / SMALLEST, low = 1.0 / LARGEST;
	double part = (double)(random_next(&self->random) >> 11) / (double)(1ull << 53);

	return (size_t)(1 / (high - (high - low) * part));
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	struct block *set = (struct block *)arg + self->index * WORKING_SET;

	for (uint64_t i = 0; i < replacements; i++) {
		struct block *block = &set[random_below(&self->random, WORKING_SET)];

		block_free(self, block);
		block_alloc(self, block, some_size(self));
		memset(block->mem, (int)i, block->nbytes);
		workload_use(block->mem);
	}
	return block_free_all(self, set, WORKING_SET);
}

int main(int argc, char **argv)
{
	unsigned nthreads;

	workload_start(argc, argv, "glibc_thread", NULL);
	nthreads = workload_threads(1);
	replacements = workload_scaled(REPLACEMENTS) / nthreads + 1;
	return workload_end(workload_run(
		nthreads, body, workload_table(nthreads * WORKING_SET * sizeof(struct block))));
}
