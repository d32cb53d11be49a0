/*
 * Threads that free and allocate bursts of blocks of up to 16,000 bytes, small ones more often, and
 * every second turn send a small burst to another thread, which frees it.
 *
 * A thread walks through a table of 1,000 places by two strides.  At each turn it empties 24 to 79
 * of them, frees what others sent, and fills 30 to 99.  Each page of a block is written.  Every 100
 * turns all threads meet, so that none gets far ahead of those that free for it.
 *
 * Stands for: a game engine or the like: work in frames, mixed sizes, results passed on in batches.
 * Cares: programs whose memory is bursts of buffers rather than small objects.
 * Source: Mattias Jansson, rpmalloc-benchmark (2017), with the sizes and rates of mimalloc-bench.
 */
#include "block.h"

enum {
	TURNS = 240000,
	PLACES = 1000,
	FREE_STRIDE = 11,
	ALLOC_STRIDE = 7,
	BURST_MIN = 30,
	BURST_MAX = 99,
	SEND_EVERY = 2,
	MEET_EVERY = 100,
	SMALLEST = 8,
	LARGEST = 16000,
	PAGE = 4096,
};

/* A burst on its way to the thread that frees it. */
struct burst {
	struct burst *next;
	uint64_t count;
	void *parcel[];
};

struct rptest {
	uint64_t turns;
	unsigned nthreads;
	struct burst *mailbox[WORKLOAD_MAX_THREADS]; /* pushed by any, emptied by its thread */
	pthread_barrier_t meeting;
};

/* From SMALLEST to LARGEST, the less likely the larger. */
static size_t some_size(struct workload_thread *self)
{
	enum { RANGE = LARGEST - SMALLEST };
	int64_t even = (int64_t)random_below(&self->random, RANGE + 1);
	int64_t slope = (int64_t)random_below(&self->random, RANGE + 1) +
			(int64_t)random_below(&self->random, RANGE + 1) - RANGE;

	return SMALLEST + (size_t)(even * (slope < 0 ? -slope : slope) / RANGE);
}

static void *touched_alloc(struct workload_thread *self)
{
	size_t nbytes = some_size(self);
	char *mem = parcel_alloc(self, nbytes);

	for (size_t i = PAGE; i + 1 < nbytes; i += PAGE)
		mem[i] = 1;
	return mem;
}

static size_t burst_bytes(uint64_t count)
{
	return sizeof(struct burst) + count * sizeof(void *);
}

static void burst_send(struct workload_thread *self, struct burst **mailbox, uint64_t count)
{
	struct burst *burst = workload_alloc(self, burst_bytes(count));

	burst->count = count;
	for (uint64_t i = 0; i < count; i++)
		burst->parcel[i] = touched_alloc(self);
	burst->next = __atomic_load_n(mailbox, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(mailbox, &burst->next, burst, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
}

static uint64_t burst_receive(struct workload_thread *self, struct burst **mailbox)
{
	struct burst *burst = __atomic_exchange_n(mailbox, NULL, __ATOMIC_ACQUIRE);
	uint64_t sum = 0;

	while (burst) {
		struct burst *next = burst->next;

		for (uint64_t i = 0; i < burst->count; i++)
			sum += parcel_free(self, burst->parcel[i]);
		workload_free(self, burst, burst_bytes(burst->count));
		burst = next;
	}
	return sum;
}

/* The thread that comes after the last one that was sent to, and is not self. */
static unsigned next_receiver(const struct workload_thread *self, unsigned last, unsigned n)
{
	unsigned next = (last + 1) % n;

	return next == self->index ? (next + 1) % n : next;
}

/* Where a thread is on its walk through its table. */
struct walk {
	void **place;
	size_t free_at, alloc_at;
	unsigned receiver; /* of the last burst that was sent */
};

static uint64_t take_turn(struct workload_thread *self, struct rptest *all, struct walk *walk)
{
	uint64_t frees = random_between(&self->random, BURST_MIN, BURST_MAX) * 4 / 5;
	uint64_t allocs = random_between(&self->random, BURST_MIN, BURST_MAX);
	uint64_t sum = 0;

	for (; frees; frees--) {
		sum += parcel_free(self, walk->place[walk->free_at]);
		walk->place[walk->free_at] = NULL;
		walk->free_at = (walk->free_at + FREE_STRIDE) % PLACES;
	}
	sum += burst_receive(self, &all->mailbox[self->index]);
	for (uint64_t i = 0; i < allocs; i++) {
		sum += parcel_free(self, walk->place[walk->alloc_at]);
		walk->place[walk->alloc_at] = touched_alloc(self);
		walk->alloc_at = (walk->alloc_at + ALLOC_STRIDE) % PLACES;
	}
	return sum;
}

static void send(struct workload_thread *self, struct rptest *all, struct walk *walk)
{
	uint64_t count = random_between(&self->random, BURST_MIN, BURST_MAX) / 4;

	walk->receiver = next_receiver(self, walk->receiver, all->nthreads);
	burst_send(self, &all->mailbox[walk->receiver], count);
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	struct rptest *all = arg;
	struct walk walk = {workload_table(PLACES * sizeof *walk.place), 0, 0, self->index};
	uint64_t sum = 0;

	for (uint64_t turn = 0; turn < all->turns; turn++) {
		sum += take_turn(self, all, &walk);
		if (all->nthreads > 1 && turn % SEND_EVERY == 0)
			send(self, all, &walk);
		if (turn % MEET_EVERY == 0)
			pthread_barrier_wait(&all->meeting);
	}
	pthread_barrier_wait(&all->meeting);
	sum += burst_receive(self, &all->mailbox[self->index]);
	for (size_t i = 0; i < PLACES; i++)
		sum += parcel_free(self, walk.place[i]);
	return sum;
}

int main(int argc, char **argv)
{
	static struct rptest all;

	workload_start(argc, argv, "rptest", NULL);
	all.nthreads = workload_threads(4);
	all.turns = workload_scaled(TURNS) / all.nthreads + 1;
	pthread_barrier_init(&all.meeting, NULL, all.nthreads);
	return workload_end(workload_run(all.nthreads, body, &all));
}
