/*
 * A library that holds the address of dso_resolver.c's IFUNC, so that it is resolved at start,
 * lazy binding or not; and whose own constructor allocates and starts a thread.
 */
#include "early.h"

#include <pthread.h>

int dso_twice(int x);
int (*const dso_twice_address)(int) = dso_twice;

struct early dso_constructor_blocks, dso_thread_blocks;

static void *allocate(void *blocks)
{
	early_allocate(blocks);
	allocate_every_size();
	return NULL;
}

__attribute__((constructor(101))) static void construct(void)
{
	pthread_t thread;

	early_allocate(&dso_constructor_blocks);
	MUST(pthread_create(&thread, NULL, allocate, &dso_thread_blocks) == 0);
	MUST(pthread_join(thread, NULL) == 0);
}
