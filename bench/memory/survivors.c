/*
 * Eight threads allocate 1 GiB of 16 B to 64 KiB, nine tenths of it are freed, and seven of them
 * sleep.  What is resident is read at once, after a second of light activity in the one thread that
 * is awake, and after a trim.
 *
 * Each doubling of size has as many objects (--even 0) or as many bytes (--even 1, so that most of
 * what survives is small).  What survives is chance, in random order (--pick 0), one run of 64
 * objects in ten (1), or what was allocated last (2).  The thread that frees is the one that
 * allocated, or its neighbour (--other 1).
 *
 * Stands for: a server after its daily peak, a build tool after its largest target: most is freed,
 * and the threads that freed it have nothing more to do.
 * Cares: whoever looks at resident memory after a peak, calls malloc_trim on a timer, or pays for a
 * container by its size: whether pages without an object go back, whoever holds them.
 * Source: ours, after the survivors of Bobby Powers, David Tench, Emery Berger, Andrew McGregor,
 * "Mesh: compacting memory management for C/C++ applications" (PLDI 2019).
 */
#include "resident.h"

enum {
	THREADS = 8,
	BYTES = 1 << 30, /* of all threads */
	LEAST = 16,
	DOUBLINGS = 12,
	LEAST_MEAN = 100, /* bytes of a block on average, at the least */
	SURVIVORS = 10,	  /* one in as many */
	RUN = 64,	  /* blocks in a row that share their fate */
};

enum pick { PICK_RANDOM, PICK_RUNS, PICK_LAST };

struct part {
	struct block *block;
	size_t n, room;
};

static uint64_t even, pick, other;
static struct part parts[WORKLOAD_MAX_THREADS];
static unsigned nthreads;
static uint64_t part_bytes;
static pthread_barrier_t meeting;

static void fill(struct workload_thread *self, struct part *part)
{
	uint64_t live = 0;

	while (live < part_bytes && part->n < part->room) {
		size_t nbytes = random_doubling(&self->random, LEAST, DOUBLINGS, even);

		filled_alloc(self, &part->block[part->n++], nbytes);
		live += nbytes;
	}
}

static void shuffle(struct random *r, struct part *part)
{
	for (size_t i = part->n; i > 1; i--)
		block_swap(&part->block[i - 1], &part->block[random_below(r, i)]);
}

static bool survives(const struct part *part, size_t i)
{
	if (pick == PICK_RUNS)
		return i / RUN % SURVIVORS == 0;
	return i >= part->n - part->n / SURVIVORS;
}

static uint64_t thin(struct workload_thread *self, struct part *part)
{
	uint64_t sum = 0;

	if (pick == PICK_RANDOM)
		shuffle(&self->random, part);
	for (size_t i = 0; i < part->n; i++) {
		if (survives(part, i))
			continue;
		sum += block_read(&part->block[i]);
		block_free(self, &part->block[i]);
	}
	return sum;
}

static uint64_t bound(void)
{
	bound_start(2 * part_bytes * nthreads);
	for (unsigned i = 0; i < nthreads; i++)
		bound_add(parts[i].block, parts[i].n);
	return bound_end();
}

static void measure(struct workload_thread *self)
{
	workload_figure("live", (double)workload_live_bytes());
	workload_figure("bound", (double)bound());
	resident_report(self);
	bound();
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	struct part *own = &parts[self->index];
	uint64_t sum;

	(void)arg;
	fill(self, own);
	pthread_barrier_wait(&meeting);
	if (self->index == 0)
		bound();
	pthread_barrier_wait(&meeting);
	sum = thin(self, &parts[(self->index + other) % nthreads]);
	pthread_barrier_wait(&meeting);
	if (self->index == 0)
		measure(self);
	pthread_barrier_wait(&meeting); /* here the others sleep meanwhile */
	return sum + block_free_all(self, own->block, own->n);
}

int main(int argc, char **argv)
{
	const struct workload_option own[] = {
		{"--even", &even, "1: equal bytes in each doubling"},
		{"--pick", &pick, "survivors at random 0, in runs 1, the last 2"},
		{"--other", &other, "1: a neighbour frees"},
		{NULL, NULL, NULL}};

	workload_start(argc, argv, "survivors", own);
	if (even > 1 || other > 1)
		workload_refuse("--even and --other are 0 or 1");
	if (pick > PICK_LAST)
		workload_refuse("--pick is 0, 1 or 2");
	resident_start();
	nthreads = workload_threads(THREADS);
	part_bytes = workload_scaled(BYTES) / nthreads;
	for (unsigned i = 0; i < nthreads; i++) {
		parts[i].room = part_bytes / LEAST_MEAN + 1;
		parts[i].block = resident_table(parts[i].room * sizeof *parts[i].block);
	}
	pthread_barrier_init(&meeting, NULL, nthreads);
	return workload_end(workload_run(nthreads, body, NULL));
}
