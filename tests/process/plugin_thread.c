/* A plugin whose constructor waits for a thread that allocates, under the dynamic linker's lock. */
#include "process.h"

#include <pthread.h>

int plugin_started;

static void *allocate(void *unused)
{
	for (int i = 0; i < 50; i++)
		allocate_every_size();
	return unused;
}

__attribute__((constructor)) static void plugin_start(void)
{
	pthread_t thread;

	MUST(pthread_create(&thread, NULL, allocate, NULL) == 0);
	MUST(pthread_join(thread, NULL) == 0);
	plugin_started++;
}
