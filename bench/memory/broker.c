/*
 * Bursts of messages through queues: four threads fill one queue each, four others empty and free
 * them.  A burst is 32 MiB of 64 B to 16 KiB; what is resident is read when all is empty.
 *
 * In every second burst all messages are in the queues before the first is taken; in the others
 * they are taken as they come, and how many wait is the scheduler's.
 *
 * Stands for: a message broker, a logger, a pipeline of threads: one allocates, another frees, and
 * between bursts nothing is live.
 * Cares: operators of brokers: what a burst cost is seen until the process ends, in the caches of
 * threads that never allocate.
 * Source: ours, after the producers and consumers of Emery Berger, Kathryn McKinley, Robert
 * Blumofe, Paul Wilson, "Hoard: a scalable memory allocator for multithreaded applications"
 * (ASPLOS 2000).
 */
#include "resident.h"

#include <sched.h>

enum {
	PAIRS = 4, /* of threads */
	BURSTS = 20,
	BURST_BYTES = 32 << 20, /* of all queues */
	LEAST = 64,
	DOUBLINGS = 8,
	ROOM = BURST_BYTES / PAIRS / LEAST
};

/* One writes and one reads; places are not used again in a burst. */
struct queue {
	void **parcel;
	_Alignas(128) size_t head; /* parcels put */
	bool closed;
};

static struct queue queues[PAIRS];
static pthread_barrier_t meeting;

static void produce(struct workload_thread *self, struct queue *queue)
{
	for (uint64_t nbytes = 0; nbytes < BURST_BYTES / PAIRS;) {
		size_t size = random_doubling(&self->random, LEAST, DOUBLINGS, false);
		char *parcel = parcel_alloc(self, size);

		memset(parcel + PARCEL_MIN, 1, size - PARCEL_MIN);
		queue->parcel[queue->head] = parcel;
		__atomic_store_n(&queue->head, queue->head + 1, __ATOMIC_RELEASE);
		nbytes += size;
	}
	__atomic_store_n(&queue->closed, true, __ATOMIC_RELEASE);
}

static uint64_t consume(struct workload_thread *self, struct queue *queue)
{
	uint64_t sum = 0;

	for (size_t i = 0;;) {
		bool closed = __atomic_load_n(&queue->closed, __ATOMIC_ACQUIRE);
		size_t head = __atomic_load_n(&queue->head, __ATOMIC_ACQUIRE);

		for (; i < head; i++)
			sum += parcel_free(self, queue->parcel[i]);
		if (closed)
			return sum;
		sched_yield();
	}
}

static uint64_t burst(struct workload_thread *self, struct queue *queue, bool all_first)
{
	bool producer = self->index < PAIRS;
	uint64_t sum = 0;

	if (producer) {
		queue->head = 0;
		queue->closed = false;
	}
	pthread_barrier_wait(&meeting);
	if (producer)
		produce(self, queue);
	if (all_first)
		pthread_barrier_wait(&meeting);
	if (!producer)
		sum = consume(self, queue);
	pthread_barrier_wait(&meeting);
	return sum;
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	uint64_t bursts = *(const uint64_t *)arg, sum = 0;

	for (uint64_t i = 0; i < bursts; i++)
		sum += burst(self, &queues[self->index % PAIRS], i % 2);
	if (self->index == 0)
		resident_report(self);
	pthread_barrier_wait(&meeting); /* here the others sleep meanwhile */
	return sum;
}

int main(int argc, char **argv)
{
	uint64_t bursts;

	workload_start(argc, argv, "broker", NULL);
	resident_start();
	bursts = workload_scaled(BURSTS);
	for (unsigned i = 0; i < PAIRS; i++)
		queues[i].parcel = resident_table(ROOM * sizeof *queues[i].parcel);
	pthread_barrier_init(&meeting, NULL, 2 * PAIRS);
	return workload_end(workload_run(2 * PAIRS, body, &bursts));
}
