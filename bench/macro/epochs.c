/*
 * Eight threads replace objects of a table that all share; what was replaced is freed 4,096 to
 * 8,192 replacements later, in batches, by the thread that replaced it.
 *
 * The table has 32,768 objects of 48 to 512 bytes.  Seven in eight of what a thread frees it did
 * not allocate.  The grace period of a thread is a number of replacements, not an agreement with
 * the others, so that the work is the same in each run.
 *
 * Stands for: databases and kernels whose readers take no lock: epochs, read-copy-update, hazard
 * pointers.
 * Cares: those who write them: frees come in bursts that no cache of a thread can hold, of objects
 * from everywhere.
 * Source: Keir Fraser, "Practical lock-freedom" (2004), for reclamation by epochs; Thomas Hart et
 * al., "Performance of memory reclamation for lockless synchronization" (2007), for its batches.
 */
#include "block.h"

enum {
	THREADS = 8,
	REPLACEMENTS = 5000000, /* of all threads */
	OBJECTS = 1 << 15,
	EPOCH = 4096, /* replacements of a thread */
};

static void *table[OBJECTS];
static uint64_t replacements; /* of one thread */

static uint64_t free_epoch(struct workload_thread *self, void **retired)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < EPOCH; i++) {
		sum += parcel_free(self, retired[i]);
		retired[i] = NULL;
	}
	return sum;
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	void **retired[2]; /* of the last epoch and of this */
	uint64_t sum = 0;

	for (unsigned i = 0; i < 2; i++)
		retired[i] = workload_table(EPOCH * sizeof **retired);
	for (uint64_t i = 0; i < replacements; i++) {
		unsigned now = i / EPOCH % 2;
		void **place = &table[random_below(&self->random, OBJECTS)];
		void *object = parcel_filled(self, random_between(&self->random, 48, 512));

		if (i % EPOCH == 0)
			sum += free_epoch(self, retired[now]);
		retired[now][i % EPOCH] = parcel_exchange(place, object);
	}
	return sum + free_epoch(self, retired[0]) + free_epoch(self, retired[1]);
}

int main(int argc, char **argv)
{
	unsigned nthreads;
	uint64_t sum;

	workload_start(argc, argv, "epochs", NULL);
	nthreads = workload_threads(THREADS);
	replacements = workload_scaled(REPLACEMENTS) / nthreads + 1;
	sum = workload_run(nthreads, body, NULL);
	for (unsigned i = 0; i < OBJECTS; i++)
		sum += parcel_free(workload_main_thread(), table[i]);
	return workload_end(sum);
}
