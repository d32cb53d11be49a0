/* 2,000 threads that hold 60 blocks of 16 to 900 bytes each, all at once; for footprint.c. */
#include "process.h"

#include <pthread.h>

enum { CROWD = 2000, HELD = 60 };

static pthread_barrier_t all_hold;

static void *hold(void *seed)
{
	struct block held[HELD];
	uint64_t r = (uintptr_t)seed * 2654435761u + 1;

	for (int i = 0; i < HELD; i++) {
		r = r * 6364136223846793005u + 1442695040888963407u;
		held[i] = block_new(16 + (r >> 33) % 885);
	}
	pthread_barrier_wait(&all_hold);
	for (int i = 0; i < HELD; i++)
		block_free(held[i]);
	return NULL;
}

int main(void)
{
	static pthread_t threads[CROWD];
	pthread_attr_t small_stack;

	pthread_attr_init(&small_stack);
	pthread_attr_setstacksize(&small_stack, STACK_BYTES);
	pthread_barrier_init(&all_hold, NULL, CROWD);
	for (uintptr_t t = 0; t < CROWD; t++)
		MUST(pthread_create(&threads[t], &small_stack, hold, (void *)t) == 0);
	for (int t = 0; t < CROWD; t++)
		MUST(pthread_join(threads[t], NULL) == 0);
	return 0;
}
