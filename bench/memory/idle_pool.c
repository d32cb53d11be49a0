/*
 * A pool of 200 threads, each of which holds 40 KiB for good and has used 4 MiB more at once, goes
 * idle.
 *
 * Sizes are 16 B to 16 KiB; what was used last is freed at random.  Threads do so as the scheduler
 * lets them, or all at the same time (--together 1).  At a smaller scale a thread has used less,
 * and holds the same.
 *
 * Stands for: a pool of workers sized for the peak: a server of one thread a connection, a pool of
 * a runtime.
 * Cares: operators of such servers: what a sleeping thread has cached is of no use to any other.
 * Source: ours, after what the manuals of TCMalloc (2005) and of jemalloc 5 (2017) say of the
 * caches of idle threads.
 */
#include "resident.h"

enum {
	THREADS = 200,
	PEAK_BYTES = 4 << 20, /* of a thread */
	KEPT_BYTES = 40 << 10,
	LEAST = 16,
	DOUBLINGS = 10,
	ROOM = PEAK_BYTES / 256,
};

struct part {
	struct block *block;
	size_t n;
};

static struct part parts[WORKLOAD_MAX_THREADS];
static unsigned nthreads;
static uint64_t together;
static pthread_barrier_t meeting;

/* Adds blocks of most bytes. */
static void fill(struct workload_thread *self, struct part *part, uint64_t most)
{
	for (uint64_t sum = 0; sum < most && part->n < ROOM; sum += part->block[part->n++].nbytes)
		filled_alloc(self, &part->block[part->n],
			     random_doubling(&self->random, LEAST, DOUBLINGS, false));
}

/* Frees all but the first blocks, at random. */
static uint64_t shrink(struct workload_thread *self, struct part *part, size_t first)
{
	uint64_t sum = 0;

	while (part->n > first) {
		size_t i = first + random_below(&self->random, part->n - first);

		sum += block_read(&part->block[i]);
		block_free(self, &part->block[i]);
		part->block[i] = part->block[--part->n];
	}
	return sum;
}

static void measure(struct workload_thread *self)
{
	workload_figure("live", (double)workload_live_bytes());
	bound_start(nthreads * (uint64_t)PEAK_BYTES);
	for (unsigned i = 0; i < nthreads; i++)
		bound_add(parts[i].block, parts[i].n);
	workload_figure("bound", (double)bound_end());
	resident_report(self);
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	struct part *part = &parts[self->index];
	uint64_t sum;
	size_t kept;

	fill(self, part, KEPT_BYTES);
	kept = part->n;
	fill(self, part, *(const uint64_t *)arg);
	if (together)
		pthread_barrier_wait(&meeting);
	sum = shrink(self, part, kept);
	pthread_barrier_wait(&meeting);
	if (self->index == 0)
		measure(self);
	pthread_barrier_wait(&meeting); /* here the others sleep meanwhile */
	return sum + block_free_all(self, part->block, part->n);
}

int main(int argc, char **argv)
{
	const struct workload_option own[] = {
		{"--together", &together, "1: all threads use their most at the same time"},
		{NULL, NULL, NULL}};
	uint64_t most;

	workload_start(argc, argv, "idle_pool", own);
	if (together > 1)
		workload_refuse("--together is 0 or 1");
	resident_start();
	nthreads = workload_threads(THREADS);
	most = workload_scaled(PEAK_BYTES);
	for (unsigned i = 0; i < nthreads; i++)
		parts[i].block = resident_table(ROOM * sizeof(struct block));
	pthread_barrier_init(&meeting, NULL, nthreads);
	return workload_end(workload_run(nthreads, body, &most));
}
