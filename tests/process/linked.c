/*
 * A program with the allocator linked in, statically or not: memory, threads, children, stdio and
 * the resolver of names work, and the blocks are loam's.
 */
#include "process.h"

#include <malloc.h>
#include <netdb.h>
#include <pthread.h>

bool loam_owns(const void *mem);

static void *allocate(void *unused)
{
	for (int i = 0; i < 20; i++)
		allocate_every_size();
	return unused;
}

static void use_threads(void)
{
	pthread_t threads[4];

	for (int t = 0; t < 4; t++)
		MUST(pthread_create(&threads[t], NULL, allocate, NULL) == 0);
	for (int t = 0; t < 4; t++)
		MUST(pthread_join(threads[t], NULL) == 0);
}

static void resolve(void)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found = NULL;

	MUST(getaddrinfo("127.0.0.1", "80", &hints, &found) == 0 && found);
	MUST(loam_owns(found));
	freeaddrinfo(found);
}

int main(void)
{
	char *text = strdup("a string");
	void *mem = malloc(100), *aligned = NULL;
	pid_t child;

	MUST(loam_owns(mem) && loam_owns(text));
	MUST(posix_memalign(&aligned, 4096, 100) == 0 && loam_owns(aligned));
	free(mem);
	free(text);
	free(aligned);
	allocate_every_size();
	use_threads();
	resolve();
	child = fork();
	if (child == 0) {
		alarm(CHILD_SECONDS);
		use_threads();
		exit(0);
	}
	MUST(child_wait(child) == 0);
	MUST(mallinfo2().arena + mallinfo2().hblkhd > 0);
	malloc_trim(0);
	printf("printed through stdio\n");
	return 0;
}
