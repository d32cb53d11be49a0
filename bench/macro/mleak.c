/*
 * Ten threads at a time allocate one block each, leave it in a random place of a table of 1,000,
 * free what was there, and end; then the next ten.
 *
 * Stands for: programs that start a thread for each small job, whose result outlives it.
 * Cares: those whose memory grew with every thread that ever was: what an ended thread leaves must
 * be found by the next.
 * Source: Daan Leijen, mleak in mimalloc-bench (2019).
 */
#include "block.h"

enum { THREADS = 10, CROWDS = 6000, PLACES = 1000, SIZE = 128 };

static void *place[PLACES];

static uint64_t body(struct workload_thread *self, void *arg)
{
	unsigned char *mem = workload_calloc(self, SIZE);
	uint64_t sum = 0;

	for (unsigned i = 0; i < SIZE; i++)
		sum += mem[i];
	mem[SIZE - 1] = 1;
	mem = parcel_exchange(&place[random_below(&self->random, PLACES)], mem);
	if (mem) {
		sum += mem[SIZE - 1];
		workload_free(self, mem, SIZE);
	}
	return sum;
}

int main(int argc, char **argv)
{
	unsigned nthreads;
	uint64_t crowds, sum = 0;

	workload_start(argc, argv, "mleak", NULL);
	nthreads = workload_threads(THREADS);
	crowds = workload_scaled(CROWDS);
	for (uint64_t i = 0; i < crowds; i++) {
		sum += workload_run(nthreads, body, NULL);
		workload_sample();
	}
	for (unsigned i = 0; i < PLACES; i++) {
		unsigned char *mem = place[i];

		if (mem) {
			sum += mem[SIZE - 1];
			workload_free(workload_main_thread(), mem, SIZE);
		}
	}
	return workload_end(sum);
}
