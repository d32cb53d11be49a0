/* Threads that allocate by loam's names in a program that a sanitizer watches; what starts them
   uses libc's. */
#include <loam/loam.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, STEPS = 20000, BLOCKS = 300 };

static void *work(void *seed)
{
	unsigned random = (unsigned)(size_t)seed;
	void *blocks[BLOCKS] = {0};

	for (int step = 0; step < STEPS; step++) {
		random = random * 1664525 + 1013904223;
		void **block = &blocks[(random >> 8) % BLOCKS];
		size_t size = 1 + (random >> 4) % (random & 15 ? 600 : 90000);

		if (random & 64) {
			*block = loam_realloc(*block, size);
		} else {
			loam_free(*block);
			*block = random & 128 ? loam_calloc(1, size) : loam_aligned_alloc(64, size);
		}
		if (!*block)
			abort();
		memset(*block, 1, size);
	}
	for (int i = 0; i < BLOCKS; i++)
		loam_free(blocks[i]);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	for (size_t t = 0; t < THREADS; t++)
		if (pthread_create(&threads[t], NULL, work, (void *)(t + 1)))
			return 1;
	for (size_t t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	return 0;
}
