/*
 * What the programs of this directory share: a check that works anywhere (in a
 * constructor, a forked child, a signal handler), and blocks that know what was
 * written into them.  watchdog.c is linked into each, so that a deadlock is a failure.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ends the process as failed unless cond holds. */
#define MUST(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			dprintf(2, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond);       \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

enum { CHILD_SECONDS = 120, STACK_BYTES = 64 << 10 };

/*
 * A block and its size.  Its bytes are the low byte of that size: all of them, or of a large block
 * those that block_holds() looks at.
 */
struct block {
	unsigned char *mem;
	size_t nbytes;
};

enum { EDGE = 16, LARGE = 1 << 16 };

static inline void block_fill(struct block b)
{
	int byte = (int)(b.nbytes & 0xff);

	if (b.nbytes < LARGE) {
		memset(b.mem, byte, b.nbytes);
		return;
	}
	memset(b.mem, byte, EDGE);
	memset(b.mem + b.nbytes / 2, byte, 1);
	memset(b.mem + b.nbytes - EDGE, byte, EDGE);
}

/* Looks at the first bytes, the middle and the last. */
static inline bool block_holds(const unsigned char *mem, size_t nbytes, unsigned char byte)
{
	for (size_t i = 0; i < nbytes && i < EDGE; i++)
		if (mem[i] != byte || mem[nbytes - 1 - i] != byte)
			return false;
	return nbytes == 0 || mem[nbytes / 2] == byte;
}

static inline struct block block_new(size_t nbytes)
{
	struct block b = {(unsigned char *)malloc(nbytes), nbytes};

	MUST(b.mem && (uintptr_t)b.mem % 16 == 0);
	block_fill(b);
	return b;
}

static inline void block_free(struct block b)
{
	MUST(block_holds(b.mem, b.nbytes, (unsigned char)b.nbytes));
	free(b.mem);
}

/* Reallocates to half as much again. */
static inline struct block block_grow(struct block old)
{
	struct block b = {NULL, old.nbytes + old.nbytes / 2};

	b.mem = (unsigned char *)realloc(old.mem, b.nbytes);
	MUST(b.mem && block_holds(b.mem, old.nbytes, (unsigned char)old.nbytes));
	block_fill(b);
	return b;
}

/* One size of each way that a request can be served, and their number. */
static const size_t every_size[] = {1,	   24,	  64,	  200,	  1000,	  3000,
				    10000, 40000, 100000, 200000, 600000, 5000000};
enum { EVERY_SIZE = sizeof every_size / sizeof every_size[0] };

/* Allocates, resizes and frees blocks of all kinds. */
static inline void allocate_every_size(void)
{
	struct block held[EVERY_SIZE];

	for (int i = 0; i < EVERY_SIZE; i++)
		held[i] = block_new(every_size[i]);
	for (int i = 0; i < EVERY_SIZE; i++)
		held[i] = block_grow(held[i]);
	for (int i = 0; i < EVERY_SIZE; i++)
		block_free(held[i]);
	for (int i = 0; i < EVERY_SIZE; i++) {
		unsigned char *zeroed = (unsigned char *)calloc(1, every_size[i]);

		MUST(zeroed && block_holds(zeroed, every_size[i], 0));
		free(zeroed);
	}
}

/* The number after name in a file of /proc/self: KiB in status and smaps_rollup. */
static inline size_t proc_number(const char *path, const char *name)
{
	static __thread char text[4096];
	int fd = open(path, O_RDONLY);
	ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	char *at;

	MUST(got > 0);
	text[got] = '\0';
	close(fd);
	at = strstr(text, name);
	MUST(at);
	return strtoul(at + strlen(name), NULL, 10);
}

static inline size_t resident_kib(void)
{
	return proc_number("/proc/self/smaps_rollup", "\nRss:");
}

/* Whether no cgroup of the process limits its tasks, threads and processes, to fewer than n. */
static inline bool pids_allow(size_t n)
{
	static const char *const versions[2][2] = {{":pids:", "/sys/fs/cgroup/pids"},
						   {"0::", "/sys/fs/cgroup"}};
	FILE *groups = fopen("/proc/self/cgroup", "r"), *file;
	char line[1024], path[1100];
	size_t limit, most = SIZE_MAX;

	while (groups && fgets(line, sizeof line, groups))
		for (int v = 0; v < 2; v++) {
			char *at = strstr(line, versions[v][0]), *end = strchr(line, '\n');

			for (at = at ? at + strlen(versions[v][0]) : NULL; at && end;
			     end = strrchr(at, '/')) {
				*end = '\0';
				snprintf(path, sizeof path, "%s%s/pids.max", versions[v][1], at);
				file = fopen(path, "r");
				if (file && fscanf(file, "%zu", &limit) == 1 && limit < most)
					most = limit; /* "max" is none */
				if (file)
					fclose(file);
			}
		}
	if (groups)
		fclose(groups);
	return most >= n;
}

/* Waits for a child; what it ended with is the result: 0 when all was well. */
static inline int child_wait(pid_t pid)
{
	int status = -1;

	MUST(pid > 0);
	MUST(TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) == pid);
	if (WIFSIGNALED(status))
		dprintf(2, "child ended by signal %d%s\n", WTERMSIG(status),
			WTERMSIG(status) == SIGALRM ? " (the watchdog: a deadlock)" : "");
	return status;
}
