/*
 * Threads hold 32 MiB together while sizes drift: 20 phases, each 10% larger than the one before,
 * in each of which every object is replaced once, in random order.
 *
 * Sizes of a phase are even between 1 and 4 times its least (--spread), which goes from 32 bytes
 * to 200.
 *
 * Stands for: a store whose records grow: a cache of profiles, a table of a game, an index.
 * Cares: operators of what never restarts: memory that served one size must serve the next, or RSS
 * leaves the live bytes behind for good.
 * Source: ours, after the phases of Mark Johnstone and Paul Wilson, "The memory fragmentation
 * problem: solved?" (ISMM 1998).
 */
#include "resident.h"

enum {
	LIVE_BYTES = 32 << 20,
	PHASES = 20,
	FIRST_LEAST = 32,
	GROWTH_PERCENT = 10,
	SAMPLES = 20, /* of a phase */
};

struct part {
	struct block *old,
		*new; /* tables; a phase goes through the old one and fills the new one */
	size_t nold, nnew, room;
	uint64_t live;
};

static struct part parts[WORKLOAD_MAX_THREADS];
static unsigned nthreads;
static uint64_t nphases, part_bytes, spread = 300;
static pthread_barrier_t meeting;
static struct resident_mean mean;

/* Allocates sizes from least until the part's share is full. */
static void fill(struct workload_thread *self, struct part *part, size_t least)
{
	for (;;) {
		size_t size = random_between(&self->random, least, least + least * spread / 100);

		if (part->live + size > part_bytes || part->nnew == part->room)
			return;
		filled_alloc(self, &part->new[part->nnew++], size);
		part->live += size;
	}
}

static void turn_over(struct random *r, struct part *part)
{
	struct block *table = part->old;

	part->old = part->new;
	part->nold = part->nnew;
	part->new = table;
	part->nnew = 0;
	for (size_t i = part->nold; i > 1; i--)
		block_swap(&part->old[i - 1], &part->old[random_below(r, i)]);
}

/* Replaces each block once, in random order. */
static uint64_t phase(struct workload_thread *self, struct part *part, size_t least)
{
	uint64_t sum = 0;

	turn_over(&self->random, part);
	for (size_t i = 0; i < part->nold; i++) {
		sum += block_read(&part->old[i]);
		part->live -= part->old[i].nbytes;
		block_free(self, &part->old[i]);
		fill(self, part, least);
		if (self->index == 0 && i % (part->nold / SAMPLES + 1) == 0)
			resident_mean_add(&mean);
	}
	return sum;
}

static void add_bound(void)
{
	bound_start(16 * part_bytes * nthreads);
	for (unsigned i = 0; i < nthreads; i++)
		bound_add(parts[i].new, parts[i].nnew);
	resident_mean_add_bound(&mean, bound_end());
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	struct part *part = &parts[self->index];
	size_t least = FIRST_LEAST;
	uint64_t sum = 0;

	fill(self, part, least);
	for (uint64_t i = 0; i < nphases; i++) {
		pthread_barrier_wait(&meeting);
		least += least * GROWTH_PERCENT / 100;
		sum += phase(self, part, least);
		pthread_barrier_wait(&meeting);
		if (self->index == 0)
			add_bound();
	}
	pthread_barrier_wait(&meeting);
	return sum + block_free_all(self, part->new, part->nnew);
}

int main(int argc, char **argv)
{
	const struct workload_option own[] = {
		{"--spread", &spread, "percent that the largest size is above the least"},
		{NULL, NULL, NULL}};
	uint64_t sum;

	workload_start(argc, argv, "drift", own);
	if (spread > 10000)
		workload_refuse("--spread is at most 10000");
	resident_start();
	nthreads = workload_threads(1);
	nphases = workload_scaled(PHASES);
	part_bytes = LIVE_BYTES / nthreads;
	for (unsigned i = 0; i < nthreads; i++) {
		parts[i].room = part_bytes / FIRST_LEAST + 1;
		parts[i].old = resident_table(parts[i].room * sizeof *parts[i].old);
		parts[i].new = resident_table(parts[i].room * sizeof *parts[i].new);
	}
	pthread_barrier_init(&meeting, NULL, nthreads);
	sum = workload_run(nthreads, body, NULL);
	resident_mean_report(&mean);
	return workload_end(sum);
}
