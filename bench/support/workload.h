/*
 * What the workloads of bench/macro and bench/memory share: options, random numbers, a barrier,
 * the counts of operations and of live bytes, and the report of them.
 *   int main(int argc, char **argv)
 *   {
 *           workload_start(argc, argv, "larson", own_options);
 *           ... workload_scaled(n) operations, each block through workload_alloc() and
 *           workload_free() ...
 *           return workload_end(checksum);
 *   }
 *
 * A workload does a fixed number of operations, and prints on standard output one line that is the
 * same under every allocator.  What it measured goes to standard error, and as JSON to the file
 * that BENCH_REPORT names: operations, seconds, bytes of tables, live bytes over time, and figures
 * of the workload's own.
 *
 * BENCH_MARK=N makes it send itself SIGTRAP once each of its threads has done N operations:
 * bench/scale asks for that, and follows it from there on.
 *
 * Nothing here allocates after workload_start(): tables come from mmap, and are reported apart, so
 * that what is measured is the allocator alone.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WORKLOAD_MAX_THREADS = 1024 };

/* An option of one workload beside --seed, --scale and --threads, which all have. */
struct workload_option {
	const char *name;  /* as "--min-size" */
	uint64_t *value;   /* its default, until it is given */
	const char *about; /* what it is, in a few words */
};

/* Random numbers: xoshiro256** by Blackman and Vigna (2018), seeded by splitmix64. */
struct random {
	uint64_t state[4];
};

/*
 * One thread's counts.  Written by that thread alone, read by the one that samples; a cache line
 * each, so that counting does not make threads meet.
 */
struct workload_thread {
	_Alignas(128) uint64_t operations; /* calls of malloc, free and their kin */
	int64_t live; /* bytes asked for and not freed; of all threads, the sum */
	struct random random;
	unsigned index;
};

/*
 * Reads the options; own ends with a row of NULLs, or is NULL.  Ends the program with status 2 and
 * a clear line if they make no sense.
 */
void workload_start(int argc, char **argv, const char *name, const struct workload_option *own);

/* Threads to use: what --threads says, else default_threads. */
unsigned workload_threads(unsigned default_threads);

/* What --seed says. */
uint64_t workload_seed(void);

/* Operations to do at the scale asked for: n at scale 1, at least 1. */
uint64_t workload_scaled(uint64_t n);

/*
 * Zeroed memory for the workload's own tables, never given back; ends the program if none.  Any
 * thread may ask.
 */
void *workload_table(size_t nbytes);

/*
 * Runs body in n threads at once, each with counts and random numbers of its own, and waits for
 * them.  Returns the sum of what they returned.  May be called again, and from within no thread.
 */
uint64_t workload_run(unsigned n, uint64_t (*body)(struct workload_thread *self, void *arg),
		      void *arg);

/* The same in the calling thread: the counts of thread 0. */
struct workload_thread *workload_main_thread(void);

/* Counts of a thread that the workload starts itself; index is under WORKLOAD_MAX_THREADS. */
struct workload_thread *workload_thread_at(unsigned index);

/* pthread_create; ends the program with a clear line if it fails. */
void workload_thread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *),
			    void *arg);

/* Bytes asked for and not freed, of all threads; what other threads do meanwhile may be missed. */
int64_t workload_live_bytes(void);

/* Adds a figure of the workload's own to the report; name is a literal.  One thread at a time. */
void workload_figure(const char *name, double value);

/* Adds a point to the report's curve of the least that could be resident (see bench/memory). */
void workload_sample_bound(uint64_t nbytes);

/* Ends the measured part: prints the report.  Returns main's status. */
int workload_end(uint64_t checksum);

/* Called now and then by the counting functions: takes a sample of the live bytes if it is time. */
void workload_sample(void);

/* Ends the program with a clear line: an allocation failed. */
_Noreturn void workload_no_memory(size_t nbytes);

/* Ends the program with status 2 and a line that says what is wrong with its options. */
_Noreturn void workload_refuse(const char *what);

static inline uint64_t random_next(struct random *r)
{
	uint64_t *s = r->state;
	uint64_t times5 = s[1] * 5;
	uint64_t result = (times5 << 7 | times5 >> 57) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = s[3] << 45 | s[3] >> 19;
	return result;
}

void random_seed(struct random *r, uint64_t seed);

/* A number from 0 to n - 1. */
static inline uint64_t random_below(struct random *r, uint64_t n)
{
	return (uint64_t)((unsigned __int128)random_next(r) * n >> 64);
}

/* A number from low to high, both included. */
static inline uint64_t random_between(struct random *r, uint64_t low, uint64_t high)
{
	return low + random_below(r, high - low + 1);
}

enum { WORKLOAD_SAMPLE_EVERY = 1024 }; /* operations of a thread between looks at the clock */

static inline void workload_count(struct workload_thread *self, int64_t bytes)
{
	__atomic_store_n(&self->live, self->live + bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&self->operations, self->operations + 1, __ATOMIC_RELAXED);
	if (__builtin_expect(self->index == 0 && self->operations % WORKLOAD_SAMPLE_EVERY == 0, 0))
		workload_sample();
}

/* The compiler takes mem for used, and so keeps the calls and the writes that made it. */
static inline void workload_use(void *mem)
{
	__asm__ volatile("" : : "r"(mem) : "memory");
}

/* A block of nbytes, its first and last byte written; ends the program if there is none. */
static inline void *workload_alloc(struct workload_thread *self, size_t nbytes)
{
	char *mem = malloc(nbytes);

	if (__builtin_expect(!mem, 0))
		workload_no_memory(nbytes);
	if (nbytes) {
		mem[0] = (char)nbytes;
		mem[nbytes - 1] = (char)nbytes;
	}
	workload_use(mem);
	workload_count(self, (int64_t)nbytes);
	return mem;
}

/* A block of nbytes zeros, as calloc gives it. */
static inline void *workload_calloc(struct workload_thread *self, size_t nbytes)
{
	void *mem = calloc(1, nbytes);

	if (__builtin_expect(!mem, 0))
		workload_no_memory(nbytes);
	workload_use(mem);
	workload_count(self, (int64_t)nbytes);
	return mem;
}

/* A block of old_nbytes, or none if NULL, made one of nbytes. */
static inline void *workload_realloc(struct workload_thread *self, void *old, size_t old_nbytes,
				     size_t nbytes)
{
	void *mem = realloc(old, nbytes);

	if (__builtin_expect(!mem, 0))
		workload_no_memory(nbytes);
	workload_use(mem);
	workload_count(self, (int64_t)nbytes - (int64_t)old_nbytes);
	return mem;
}

/* Frees a block of nbytes.  Any thread may: then its own live count goes below zero. */
static inline void workload_free(struct workload_thread *self, void *mem, size_t nbytes)
{
	free(mem);
	workload_count(self, -(int64_t)nbytes);
}
