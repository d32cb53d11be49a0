/*
 * A program linked with libloam.a by some linker: all of its own data can be written, from before
 * main to the last of what runs at exit.  It prints where it is for linkers.py: the address of a
 * function of its own, and its mappings.
 */
#include "process.h"

#include <loam/loam.h>
#include <pthread.h>

int where(void);

/* Pages before, behind and between whatever else the linker puts there. */
static char zeros[5 * 4096], ones[5 * 4096] = {1};
static volatile char one_zero, one_one = 1;

static void write_all(void)
{
	memset(zeros, 2, sizeof zeros);
	memset(ones, 2, sizeof ones);
	one_zero = one_one = 2;
}

/* Before libc's own constructor: loam finds its options on the stack. */
static void before_libc(void)
{
	write_all();
	free(malloc(100));
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = before_libc;

__attribute__((constructor)) static void before_main(void)
{
	write_all();
}

__attribute__((destructor)) static void at_the_end(void)
{
	write_all();
	free(malloc(100));
}

static void *allocate(void *unused)
{
	write_all();
	allocate_every_size();
	return unused;
}

static void print_mappings(void)
{
	char line[1000];
	FILE *maps = fopen("/proc/self/maps", "r");

	MUST(maps);
	while (fgets(line, sizeof line, maps))
		fputs(line, stdout);
	fclose(maps);
}

int where(void)
{
	return printf("%p where\n", (void *)where);
}

/* A thread has a cache of its own only where loam found libc's mutexes. */
static bool has_found_libc(void)
{
	struct loam_stats stats;

	return loam_stats(&stats, sizeof stats) == 0 && stats.caches > 0;
}

int main(void)
{
	pthread_t thread;
	void *mem = malloc(100);

	MUST(loam_owns(mem));
	free(mem);
	MUST(pthread_create(&thread, NULL, allocate, NULL) == 0);
	MUST(pthread_join(thread, NULL) == 0);
	MUST(has_found_libc());
	atexit(write_all);
	write_all();
	where();
	print_mappings();
	return 0;
}
