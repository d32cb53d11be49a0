/* A library that the program needs, so that its constructor may run before that of a preloaded one.
 */
#include "process.h"

#include <pthread.h>

int atfork_calls_of_dso;

static void allocate(void)
{
	atfork_calls_of_dso++;
	allocate_every_size();
}

__attribute__((constructor(101))) static void register_handlers(void)
{
	MUST(pthread_atfork(allocate, allocate, allocate) == 0);
}
