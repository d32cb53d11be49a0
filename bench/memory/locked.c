/*
 * A process that has locked its memory (mlockall, present and future) holds 64 MiB of 16 B to 64
 * KiB, and then frees all of it.
 *
 * Locked memory is resident as soon as it is mapped, and madvise does not give it back: what is
 * resident is all that the allocator has mapped.  Where the kernel refuses mlockall, the only
 * figure is "refused".
 *
 * Stands for: real-time programs, key stores and databases that must not wait for a page.
 * Cares: their operators: each page that is mapped ahead, or kept, is taken from the machine.
 * Source: ours; mlockall is of POSIX.1b (1993).
 */
#include "resident.h"

#include <sys/mman.h>

enum { BYTES = 64 << 20, LEAST = 16, DOUBLINGS = 12, LEAST_MEAN = 1000 };

int main(int argc, char **argv)
{
	struct workload_thread *self;
	struct block *block;
	uint64_t bytes, sum;
	size_t n = 0, room;

	workload_start(argc, argv, "locked", NULL);
	resident_start();
	self = workload_main_thread();
	bytes = workload_scaled(BYTES);
	room = bytes / LEAST_MEAN + 1;
	block = resident_table(room * sizeof *block);
	bound_start(2 * bytes);
	if (mlockall(MCL_CURRENT | MCL_FUTURE)) {
		workload_figure("refused", 1);
		return workload_end(0);
	}
	for (uint64_t live = 0; live < bytes && n < room; live += block[n++].nbytes)
		filled_alloc(self, &block[n],
			     random_doubling(&self->random, LEAST, DOUBLINGS, false));
	bound_add(block, n);
	workload_figure("live", (double)workload_live_bytes());
	workload_figure("bound", (double)bound_end());
	workload_figure("full", (double)resident_bytes());
	sum = block_free_all(self, block, n);
	resident_report(self);
	return workload_end(sum);
}
