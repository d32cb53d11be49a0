/*
 * A cache of 64 MiB whose values change their sizes: what was used longest ago goes until the new
 * value fits.
 *
 * A value has 64 B to 16 KiB, and for each that is stored there is one hit: an entry at random
 * becomes the one used last.  With --phases 1 there are eight phases that have a range of sizes
 * each, from 50 to 24,000 bytes, and one hit for 16 values.  Sixteen times what the cache holds is
 * stored.
 *
 * Stands for: memcached and redis with a limit, a page cache of a browser, any cache in a program
 * whose load changes with the hour.
 * Cares: operators who give a cache its size and find the process at half as much again.
 * Source: ours, after the changing sizes of Steven Rumble, Ankita Kejriwal, John Ousterhout, "Log-
 * structured memory for DRAM-based storage" (FAST 2014).
 */
#include "resident.h"

enum {
	CAPACITY = 64 << 20,
	LEAST_MEAN = 50,
	ROOM = CAPACITY / LEAST_MEAN,
	TURNOVER = 2,	/* times the capacity, in a phase */
	RARE_HITS = 16, /* one for as many values stored */
	LEAST = 64,
	DOUBLINGS = 8,
	SAMPLES = 25, /* of a phase */
	NONE = ROOM   /* the place that heads the list */
};

static const struct {
	uint32_t least, most;
} phase[] = {{100, 300},    {500, 1500}, {2000, 6000}, {200, 400},
	     {8000, 24000}, {50, 150},	 {1000, 3000}, {300, 900}};

/* Entries lie dense; the list goes from the one used last to the one used longest ago. */
static struct block *value;
static struct link {
	uint32_t before, after;
} * link_of;
static size_t nentries;
static uint64_t held, by_phase;

static void take_out(uint32_t i)
{
	link_of[link_of[i].before].after = link_of[i].after;
	link_of[link_of[i].after].before = link_of[i].before;
}

static void put_first(uint32_t i)
{
	link_of[i] = (struct link){NONE, link_of[NONE].after};
	link_of[link_of[i].after].before = i;
	link_of[NONE].after = i;
}

/* Frees the entry used longest ago, and moves the last one into its place. */
static uint64_t evict(struct workload_thread *self)
{
	uint32_t i = link_of[NONE].before, last = (uint32_t)--nentries;
	uint64_t sum = block_read(&value[i]);

	take_out(i);
	held -= value[i].nbytes;
	block_free(self, &value[i]);
	if (i != last) {
		value[i] = value[last];
		link_of[i] = link_of[last];
		link_of[link_of[i].before].after = i;
		link_of[link_of[i].after].before = i;
	}
	return sum;
}

static uint64_t store(struct workload_thread *self, size_t nbytes)
{
	uint64_t sum = 0;

	while (held + nbytes > CAPACITY || nentries == ROOM)
		sum += evict(self);
	filled_alloc(self, &value[nentries], nbytes);
	put_first((uint32_t)nentries++);
	held += nbytes;
	return sum;
}

static void hit(struct workload_thread *self)
{
	uint32_t i = (uint32_t)random_below(&self->random, nentries);

	take_out(i);
	put_first(i);
}

static size_t random_size(struct random *r, size_t number)
{
	return by_phase ? random_between(r, phase[number].least, phase[number].most)
			: random_doubling(r, LEAST, DOUBLINGS, false);
}

/* Stores nbytes in values of the phase of this number. */
static uint64_t work(struct workload_thread *self, size_t number, uint64_t nbytes)
{
	uint64_t sum = 0;

	for (uint64_t done = 0; done < nbytes;) {
		size_t size = random_size(&self->random, number);

		sum += store(self, size);
		if (!by_phase || random_below(&self->random, RARE_HITS) == 0)
			hit(self);
		done += size;
	}
	return sum;
}

int main(int argc, char **argv)
{
	const struct workload_option own[] = {
		{"--phases", &by_phase, "1: sizes change from phase to phase"}, {NULL, NULL, NULL}};
	struct resident_mean mean = {0};
	struct workload_thread *self;
	uint64_t sum = 0, turnover;

	workload_start(argc, argv, "lru_cache", own);
	if (by_phase > 1)
		workload_refuse("--phases is 0 or 1");
	resident_start();
	self = workload_main_thread();
	value = resident_table(ROOM * sizeof *value);
	link_of = resident_table((ROOM + 1) * sizeof *link_of);
	link_of[NONE] = (struct link){NONE, NONE};
	turnover = workload_scaled((uint64_t)TURNOVER * CAPACITY);
	sum += work(self, 0, CAPACITY);
	for (size_t i = 0; i < sizeof phase / sizeof *phase; i++) {
		for (unsigned k = 0; k < SAMPLES; k++) {
			sum += work(self, i, turnover / SAMPLES);
			resident_mean_add(&mean);
		}
		bound_start(8 * (uint64_t)CAPACITY);
		bound_add(value, nentries);
		resident_mean_add_bound(&mean, bound_end());
	}
	resident_mean_report(&mean);
	return workload_end(sum + block_free_all(self, value, nentries));
}
