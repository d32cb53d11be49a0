/*
 * Allocates 25, 100, 400 and 1,600 blocks of one size and frees them, very often: half of them in
 * the order of allocation, the other half in reverse.
 *
 * For 16, 32 and 64 bytes; all bytes are written.  First in the main thread while it is alone, then
 * in a second thread, then again in the main thread, which by now is not alone any more as far as
 * libc knows.
 *
 * Stands for: the shortest ways through malloc and free, and nothing else.
 * Cares: those who want to see what one call costs when all is in the cache.
 * Source: the benchtests of glibc, bench-malloc-simple (Wilco Dijkstra, 2019), with the order of
 * freeing of mimalloc-bench.
 */
#include "block.h"

enum { BLOCKS = 3500000, MOST = 1600 };

static const unsigned counts[] = {25, 100, 400, MOST};
static const unsigned sizes[] = {16, 32, 64};

static struct block table[MOST];

static uint64_t batch(struct workload_thread *self, size_t n, size_t nbytes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		block_alloc(self, &table[i], nbytes);
		memset(table[i].mem, (int)i, nbytes);
		workload_use(table[i].mem);
	}
	sum += block_read(&table[0]) + block_read(&table[n - 1]);
	for (size_t i = 0; i < n / 2; i++)
		block_free(self, &table[i]);
	for (size_t i = n; i-- > n / 2;)
		block_free(self, &table[i]);
	return sum;
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	size_t nbytes = *(const unsigned *)arg;
	uint64_t sum = 0;

	for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++)
		for (uint64_t k = workload_scaled(BLOCKS / counts[i]); k; k--)
			sum += batch(self, counts[i], nbytes);
	return sum;
}

int main(int argc, char **argv)
{
	struct workload_thread *self;
	uint64_t sum = 0;

	workload_start(argc, argv, "glibc_simple", NULL);
	self = workload_main_thread();
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		unsigned size = sizes[i];

		sum += body(self, &size);
		sum += workload_run(1, body, &size);
		sum += body(self, &size);
	}
	return workload_end(sum);
}
