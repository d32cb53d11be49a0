/*
 * A program that a debugger stops: it knows what it holds and what it has freed, prints it, and
 * calls stop().
 *
 *	inspected           stops
 *	inspected damaged   overwrites the header of a chunk and the fences of a run first
 *	inspected thread    does all that in a second thread
 *
 * A line for each block: a name, its address, bytes that may be used; "held" and "gone" are the
 * small ones that are in use and freed; then "ready".
 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SMALL = 96, OBJECTS = 4000, CHUNK = 40000, CHUNKS = 64, SHORT_RUN = 60000, RUN = 300000 };
enum { HUGE_SIZE = 20 << 20 };

void *objects[OBJECTS], *chunks[CHUNKS], *short_run, *run, *huge_object, *cached, *freed;
void *free_chunk, *written;

/* What ends here can be found by its name, and is no tail call. */
__attribute__((noinline)) void stop(void);
void stop(void)
{
	__asm__ volatile("");
}

__attribute__((noinline)) static void *allocate(size_t nbytes)
{
	char *mem = malloc(nbytes);

	if (!mem)
		exit(3);
	memset(mem, 'x', nbytes);
	return mem;
}

static void say(const char *name, void *mem, size_t usable)
{
	printf("%s %p %zu\n", name, mem, usable);
}

/* Half of them are freed, more than a cache holds. The last one that is freed stays in there. */
__attribute__((noinline)) static void have_objects(void)
{
	size_t usable;

	for (int i = 0; i < OBJECTS; i++)
		objects[i] = allocate(SMALL);
	usable = malloc_usable_size(objects[OBJECTS / 2 - 1]);
	for (int i = 0; i < OBJECTS; i++)
		say(i < OBJECTS / 2 ? "held" : "gone", objects[i], malloc_usable_size(objects[i]));
	freed = objects[OBJECTS / 2];
	cached = objects[OBJECTS - 1];
	for (int i = OBJECTS / 2; i < OBJECTS; i++) {
		free(objects[i]);
		objects[i] = NULL;
	}
	say("object", objects[OBJECTS / 2 - 1], usable);
	say("cached", cached, usable);
	say("freed", freed, usable);
}

static void have_chunks(void)
{
	for (int i = 0; i < CHUNKS; i++)
		chunks[i] = allocate(CHUNK);
	say("before", chunks[31], malloc_usable_size(chunks[31]));
	say("free_chunk", chunks[32], malloc_usable_size(chunks[32]));
	say("behind", chunks[33], malloc_usable_size(chunks[33]));
	free_chunk = chunks[32];
	free(chunks[32]);
	chunks[32] = NULL;
}

static void *work(void *arg)
{
	mallopt(M_MMAP_THRESHOLD, CHUNK + 1);
	have_objects();
	have_chunks();
	short_run = allocate(SHORT_RUN);
	say("short_run", short_run, malloc_usable_size(short_run));
	written = allocate(SHORT_RUN);
	run = allocate(RUN);
	say("run", run, malloc_usable_size(run));
	huge_object = allocate(HUGE_SIZE);
	say("huge", huge_object, malloc_usable_size(huge_object));
	if (strcmp(arg, "damaged") == 0) {
		memset((char *)written - 1, 0x55, malloc_usable_size(written) + 2);
		memset((char *)chunks[40] + malloc_usable_size(chunks[40]), 0x55, 8);
	}
	printf("ready\n");
	fflush(stdout);
	stop();
	_exit(0);
}

int main(int argc, char **argv)
{
	char *mode = argc > 1 ? argv[1] : "";
	pthread_t thread;

	if (strcmp(mode, "thread") != 0)
		work(mode);
	if (pthread_create(&thread, NULL, work, mode) != 0)
		return 3;
	pthread_join(thread, NULL);
}
