/*
 * The longest single calls: of the first hundred mallocs after another thread has freed 64 MiB of
 * ours, of the first fifty pairs after 1.2 seconds of sleep, and of a million frees and mallocs
 * that replace objects at random in 64 MiB.
 *
 * Time is the calling thread's own, so that others on the machine do not lengthen it; what a call
 * waits for a lock is not in it.  Of the first two the median of some turns is told, of the last
 * the 99.999th percentile.
 *
 * Stands for: a request that comes at the wrong moment, and pays for giving memory back.
 * Cares: whoever promises a response time: game loops, audio, trading, storage.
 * Source: ours; the percentiles as in Gil Tene, "How not to measure latency" (2013).
 */
#include "resident.h"

#include <time.h>
#include <unistd.h>

enum {
	BYTES = 64 << 20,
	LEAST = 16,
	DOUBLINGS = 10,
	ROOM = BYTES / 512,
	FIRST = 100,
	PAIRS = 50,
	TURNS = 5,
	IDLE_US = 1200000,
	CALLS = 1000000,
	PERCENTILE = 100000, /* one call in as many is longer */
	WORST = 64	     /* the longest calls that are kept, at a scale of up to 6 */
};

static struct block *block;
static size_t nblocks;
static pthread_barrier_t meeting;

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t longer(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t timed_alloc(struct workload_thread *self, struct block *one, size_t nbytes)
{
	uint64_t before = cpu_ns(), took;

	one->mem = malloc(nbytes);
	took = cpu_ns() - before;
	if (!one->mem)
		workload_no_memory(nbytes);
	one->nbytes = nbytes;
	memset(one->mem, 1, nbytes);
	workload_count(self, (int64_t)nbytes);
	return took;
}

static uint64_t timed_free(struct workload_thread *self, struct block *one)
{
	uint64_t before = cpu_ns(), took;

	free(one->mem);
	took = cpu_ns() - before;
	workload_count(self, -(int64_t)one->nbytes);
	one->mem = NULL;
	return took;
}

static size_t size_of(struct workload_thread *self)
{
	return random_doubling(&self->random, LEAST, DOUBLINGS, false);
}

static void fill(struct workload_thread *self)
{
	nblocks = 0;
	for (uint64_t live = 0; live < BYTES && nblocks < ROOM; live += block[nblocks++].nbytes)
		filled_alloc(self, &block[nblocks], size_of(self));
}

static uint64_t median(uint64_t *value, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		for (unsigned k = i; k > 0 && value[k] < value[k - 1]; k--) {
			uint64_t larger = value[k - 1];

			value[k - 1] = value[k];
			value[k] = larger;
		}
	return value[n / 2];
}

/* ---- The first calls after others have freed, and after a sleep. */

static uint64_t first_mallocs(struct workload_thread *self)
{
	struct block first[FIRST];
	uint64_t longest = 0;

	for (unsigned i = 0; i < FIRST; i++)
		longest = longer(longest, timed_alloc(self, &first[i], size_of(self)));
	block_free_all(self, first, FIRST);
	return longest;
}

static uint64_t first_pairs(struct workload_thread *self)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < PAIRS; i++) {
		struct block one;

		longest = longer(longest, timed_alloc(self, &one, size_of(self)));
		longest = longer(longest, timed_free(self, &one));
	}
	return longest;
}

/* Nine tenths are freed at random, then the process sleeps. */
static uint64_t after_idle(struct workload_thread *self)
{
	uint64_t longest;

	fill(self);
	for (size_t left = nblocks / 10; nblocks > left;) {
		struct block *one = &block[random_below(&self->random, nblocks)];

		block_free(self, one);
		*one = block[--nblocks];
	}
	usleep(IDLE_US);
	longest = first_pairs(self);
	block_free_all(self, block, nblocks);
	return longest;
}

/* ---- All calls. */

struct worst {
	uint64_t ns[WORST]; /* longest first */
};

static void worst_add(struct worst *worst, uint64_t ns)
{
	unsigned i = WORST - 1;

	if (ns <= worst->ns[i])
		return;
	for (; i > 0 && worst->ns[i - 1] < ns; i--)
		worst->ns[i] = worst->ns[i - 1];
	worst->ns[i] = ns;
}

static void all_calls(struct workload_thread *self)
{
	static struct worst mallocs, frees;
	uint64_t n = workload_scaled(CALLS), place = n / PERCENTILE;

	fill(self);
	for (uint64_t i = 0; i < n; i++) {
		struct block *one = &block[random_below(&self->random, nblocks)];

		worst_add(&frees, timed_free(self, one));
		worst_add(&mallocs, timed_alloc(self, one, size_of(self)));
	}
	place = place < WORST ? place : WORST - 1;
	workload_figure("malloc_ns", (double)mallocs.ns[place]);
	workload_figure("free_ns", (double)frees.ns[place]);
	block_free_all(self, block, nblocks);
}

/* Thread 0 allocates and is timed, thread 1 frees. */
static uint64_t body(struct workload_thread *self, void *arg)
{
	uint64_t turns = *(const uint64_t *)arg, took[TURNS] = {0};

	for (unsigned i = 0; i < turns; i++) {
		if (self->index == 0)
			fill(self);
		pthread_barrier_wait(&meeting);
		if (self->index == 1)
			block_free_all(self, block, nblocks);
		pthread_barrier_wait(&meeting);
		if (self->index == 0)
			took[i] = first_mallocs(self);
	}
	if (self->index == 1)
		return 0;
	workload_figure("after_frees_ns", (double)median(took, (unsigned)turns));
	for (unsigned i = 0; i < turns; i++)
		took[i] = after_idle(self);
	workload_figure("after_idle_ns", (double)median(took, (unsigned)turns));
	all_calls(self);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t turns;

	workload_start(argc, argv, "longest_call", NULL);
	resident_start();
	turns = workload_scaled(TURNS) < TURNS ? workload_scaled(TURNS) : TURNS;
	block = resident_table(ROOM * sizeof *block);
	pthread_barrier_init(&meeting, NULL, 2);
	return workload_end(workload_run(2, body, &turns));
}
