/*
 * Four threads that stay start one helper after the other: each helper builds 2,000 objects of 16
 * to 2,000 bytes, frees every second one, and ends; who started it goes on with the rest.
 *
 * The rest of the last 16 helpers is kept.  At each turn a quarter of what remains of each is
 * freed, at random, and as much is allocated by the thread that stays, until the next turn: so what
 * ended threads left grows ever thinner.
 *
 * Stands for: services that start a thread for a piece of work, and use its result long after.
 * Cares: those whose memory depends on how many threads have ended: whether what they left is
 * filled up by others, and shrinks with what is live.
 * Source: ours, after the threads that end and are replaced in the documentation of Apache's worker
 * module (MaxConnectionsPerChild, 2002), and the blowup that Emery Berger et al., "Hoard: a
 * scalable memory allocator for multithreaded applications" (ASPLOS 2000), define.
 */
#include "block.h"

enum {
	THREADS = 4,
	HELPERS = 4000, /* of all threads */
	OBJECTS = 2000, /* of a helper */
	LEFT = OBJECTS / 2,
	KEPT = 16 /* helpers whose results are kept */
};

struct result {
	size_t nblocks;
	struct block block[LEFT];
};

struct lane {
	struct workload_thread *self, *helper;
	struct result kept[KEPT];
	struct block own[LEFT]; /* until the next turn */
	size_t nown;
};

static unsigned nlanes;
static uint64_t turns; /* of one lane */

static size_t some_size(struct random *r)
{
	return random_below(r, 10) ? random_between(r, 16, 256) : random_between(r, 256, 2000);
}

/* Makes and leaves the newest result of a lane, whose place is free. */
static void *help(void *arg)
{
	struct lane *lane = arg;
	struct workload_thread *self = lane->helper;
	struct result *result = lane->kept;
	struct block passing[OBJECTS - LEFT];

	while (result->nblocks)
		result++;
	for (size_t i = 0; i < LEFT; i++) {
		block_fill(self, &passing[i], some_size(&self->random));
		block_fill(self, &result->block[i], some_size(&self->random));
	}
	block_free_all(self, passing, OBJECTS - LEFT);
	result->nblocks = LEFT;
	return NULL;
}

/* Frees random blocks of a result, and allocates others in their place. */
static uint64_t thin(struct lane *lane, struct result *result, size_t left)
{
	uint64_t sum = 0;

	while (result->nblocks > left) {
		struct block *last = &result->block[--result->nblocks];
		struct random *r = &lane->self->random;

		block_swap(last, &result->block[random_below(r, result->nblocks + 1)]);
		sum += block_read(last);
		block_free(lane->self, last);
		if (lane->nown < LEFT)
			block_fill(lane->self, &lane->own[lane->nown++], some_size(r));
	}
	return sum;
}

static uint64_t take_turn(struct lane *lane, uint64_t turn)
{
	uint64_t sum = block_free_all(lane->self, lane->own, lane->nown);
	pthread_t helper;

	lane->nown = 0;
	for (unsigned i = 0; i < KEPT; i++)
		sum += thin(lane, &lane->kept[i], lane->kept[i].nblocks * 3 / 4);
	sum += thin(lane, &lane->kept[turn % KEPT], 0);
	workload_thread_create(&helper, NULL, help, lane);
	pthread_join(helper, NULL);
	return sum;
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	struct lane *lane = workload_table(sizeof *lane);
	uint64_t sum = 0;

	lane->self = self;
	lane->helper = workload_thread_at(nlanes + self->index);
	for (uint64_t i = 0; i < turns; i++)
		sum += take_turn(lane, i);
	for (unsigned i = 0; i < KEPT; i++)
		sum += thin(lane, &lane->kept[i], 0);
	return sum + block_free_all(self, lane->own, lane->nown);
}

int main(int argc, char **argv)
{
	workload_start(argc, argv, "thread_churn", NULL);
	nlanes = workload_threads(THREADS);
	if (2 * nlanes > WORKLOAD_MAX_THREADS)
		workload_refuse("--threads is at most 512: each has a helper");
	turns = workload_scaled(HELPERS) / nlanes + 1;
	for (unsigned i = 0; i < 2 * nlanes; i++)
		workload_thread_at(i);
	return workload_end(workload_run(nlanes, body, NULL));
}
