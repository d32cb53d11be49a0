/*
 * Threads that hold 100 KiB each and have replaced it ten times: what is resident over live, a
 * thread.
 *
 * Sizes are 16 B to 8 KiB.  All threads live and hold their share when it is read.
 *
 * Stands for: servers of one thread a connection, actors, plugins: many threads, little in each.
 * Cares: operators of such servers: what a thread costs beside its objects, in caches, arenas and
 * slabs that only it uses.  Its stack is in the figure.
 * Source: ours, after the blowup of Emery Berger and others, "Hoard: a scalable memory allocator
 * for multithreaded applications" (ASPLOS 2000).
 */
#include "resident.h"

enum { LIVE_BYTES = 100 << 10, TURNOVER = 10, LEAST = 16, DOUBLINGS = 9, ROOM = LIVE_BYTES / 16 };

struct part {
	struct block *block;
	size_t n;
	uint64_t live;
};

static struct part parts[WORKLOAD_MAX_THREADS];
static unsigned nthreads;
static pthread_barrier_t meeting;

static uint64_t replace(struct workload_thread *self, struct part *part, uint64_t nbytes)
{
	uint64_t sum = 0;

	for (uint64_t done = 0; done < nbytes;) {
		size_t size = random_doubling(&self->random, LEAST, DOUBLINGS, false);

		while (part->live + size > LIVE_BYTES || part->n == ROOM) {
			struct block *block = &part->block[random_below(&self->random, part->n)];

			sum += block_read(block);
			part->live -= block->nbytes;
			block_free(self, block);
			*block = part->block[--part->n];
		}
		filled_alloc(self, &part->block[part->n++], size);
		part->live += size;
		done += size;
	}
	return sum;
}

static void measure(void)
{
	workload_figure("live", (double)workload_live_bytes());
	workload_figure("idle", (double)resident_bytes());
	workload_figure("threads", nthreads);
	bound_start(512 << 20);
	for (unsigned i = 0; i < nthreads; i++)
		bound_add(parts[i].block, parts[i].n);
	workload_figure("bound", (double)bound_end());
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	struct part *part = &parts[self->index];
	uint64_t sum = replace(self, part, *(const uint64_t *)arg);

	pthread_barrier_wait(&meeting);
	if (self->index == 0)
		measure();
	pthread_barrier_wait(&meeting);
	return sum + block_free_all(self, part->block, part->n);
}

int main(int argc, char **argv)
{
	uint64_t nbytes;

	workload_start(argc, argv, "small_threads", NULL);
	resident_start();
	nthreads = workload_threads(8);
	nbytes = LIVE_BYTES + workload_scaled(TURNOVER * LIVE_BYTES);
	for (unsigned i = 0; i < nthreads; i++)
		parts[i].block = resident_table(ROOM * sizeof(struct block));
	pthread_barrier_init(&meeting, NULL, nthreads);
	return workload_end(workload_run(nthreads, body, &nbytes));
}
