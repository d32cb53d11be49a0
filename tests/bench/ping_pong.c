/*
 * Two threads that pass one line to and fro, and allocate and free a block each time that they have
 * it. It marks itself for bench/scale, and goes on until it is killed.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { LIFE_SECONDS = 300 }; /* where nobody kills it */

static _Alignas(128) volatile unsigned whose;
static _Alignas(128) pthread_barrier_t barrier;

static void *pass(void *arg)
{
	unsigned self = arg != NULL;

	free(malloc(16)); /* what a first call does is done */
	pthread_barrier_wait(&barrier);
	if (self)
		raise(SIGTRAP);
	for (;;) {
		while (whose != self)
			__builtin_ia32_pause();
		free(malloc(16));
		whose = !self;
	}
	return NULL;
}

int main(void)
{
	pthread_t thread;

	alarm(LIFE_SECONDS);
	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, pass, (void *)1);
	pass(NULL);
	return 0;
}
