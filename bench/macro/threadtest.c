/*
 * Threads that have nothing to do with each other: each allocates its share of 100,000 small
 * blocks, frees them in the same order, and begins again.
 *
 * --work makes a thread waste some time after each call, as the original can.
 *
 * Stands for: parallel loops that build and drop small objects of one size; all the threads' own.
 * Cares: numeric and simulation programs: a second thread should double what is done.
 * Source: Emery Berger, Kathryn McKinley, Robert Blumofe and Paul Wilson, "Hoard: a scalable memory
 * allocator for multithreaded applications" (ASPLOS 2000): threadtest.
 */
#include "block.h"

enum { OBJECTS = 100000, ITERATIONS = 1300 };

static uint64_t size = 8, work = 0;
static uint64_t iterations;
static size_t share; /* blocks of one thread */

static void waste(void)
{
	for (uint64_t i = 0; i < work; i++)
		__asm__ volatile("" : : : "memory");
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	struct block *block = (struct block *)arg + self->index * share;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < iterations; i++) {
		for (size_t k = 0; k < share; k++) {
			block_alloc(self, &block[k], size);
			waste();
		}
		for (size_t k = 0; k < share; k++) {
			sum += block_read(&block[k]);
			block_free(self, &block[k]);
			waste();
		}
	}
	return sum;
}

int main(int argc, char **argv)
{
	static const struct workload_option own[] = {
		{"--size", &size, "bytes of a block"},
		{"--work", &work, "turns of an empty loop after each call"},
		{NULL, NULL, NULL}};
	unsigned nthreads;

	workload_start(argc, argv, "threadtest", own);
	if (size < 1 || size > UINT32_MAX)
		workload_refuse("--size is at least 1 and below 4 GiB");
	nthreads = workload_threads(4);
	iterations = workload_scaled(ITERATIONS);
	share = OBJECTS / nthreads;
	return workload_end(
		workload_run(nthreads, body, workload_table(OBJECTS * sizeof(struct block))));
}
