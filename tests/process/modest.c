/*
 * A modest program for the drivers: it allocates, resizes and frees some 500 KiB, in as many
 * threads as its first argument says and in main, and ends with 0 when all was well.
 */
#include "process.h"

#include <pthread.h>

enum { BLOCKS = 1000, THREADS_MAX = 64 };

static pthread_barrier_t *together;

static void *work(void *in_thread)
{
	struct block *held = reallocarray(NULL, BLOCKS, sizeof *held);

	MUST(held);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < BLOCKS; i++)
			held[i] = block_new((size_t)(i * 7919 % 600) + 1);
		if (in_thread && together)
			pthread_barrier_wait(together);
		for (int i = 0; i < BLOCKS; i++)
			block_free(i % 5 ? held[i] : block_grow(held[i]));
	}
	free(held);
	for (size_t n = 1000; n < 200000; n *= 2)
		block_free(block_grow(block_new(n)));
	return in_thread;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 0;
	pthread_t threads[THREADS_MAX];
	pthread_barrier_t barrier;

	MUST(count <= THREADS_MAX);
	if (argc > 2 && count > 0) {
		together = &barrier;
		pthread_barrier_init(together, NULL, (unsigned)count);
	}
	work(NULL);
	for (int t = 0; t < count; t++)
		MUST(pthread_create(&threads[t], NULL, work, threads) == 0);
	for (int t = 0; t < count; t++)
		MUST(pthread_join(threads[t], NULL) == 0);
	return 0;
}
