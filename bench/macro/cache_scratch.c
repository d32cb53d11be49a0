/*
 * Threads free a block that the main thread gave each of them, then allocate one of the same size
 * and write to it very often, a thousand times.
 *
 * The blocks that were given lie in one cache line.  An allocator that hands a freed block to the
 * thread that freed it lets them go on writing to that line together: passive false sharing.
 *
 * Stands for: work items made by one thread, worked on and replaced by others.
 * Cares: programs of many processors: the wall time should be that of one thread divided by them.
 * Source: Emery Berger et al., "Hoard: a scalable memory allocator for multithreaded applications"
 * (ASPLOS 2000): passive-false, later cache-scratch.
 */
#include "sharing.h"

static uint64_t body(struct workload_thread *self, void *arg)
{
	struct sharing *sharing = arg;
	struct block *given = &sharing->given[self->index];
	uint64_t sum = block_read(given);

	block_free(self, given);
	return sum + sharing_write(self, sharing);
}

int main(int argc, char **argv)
{
	struct sharing sharing;
	unsigned nthreads;

	sharing_start(&sharing, argc, argv, "cache_scratch");
	nthreads = workload_threads(4);
	sharing.given = workload_table(nthreads * sizeof *sharing.given);
	for (unsigned i = 0; i < nthreads; i++)
		block_alloc(workload_main_thread(), &sharing.given[i], sharing.nbytes);
	return workload_end(workload_run(nthreads, body, &sharing));
}
