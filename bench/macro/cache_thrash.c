/*
 * Threads allocate a small block each, write to it very often and free it, a thousand times.
 *
 * An allocator that gives neighbouring blocks to different threads makes them write to the same
 * cache line all the time: active false sharing.
 *
 * Stands for: threads with small objects of their own: counters, states, nodes.
 * Cares: programs of many processors: the wall time should be that of one thread divided by them.
 * Source: Emery Berger et al., "Hoard: a scalable memory allocator for multithreaded applications"
 * (ASPLOS 2000): active-false, later cache-thrash.
 */
#include "sharing.h"

static uint64_t body(struct workload_thread *self, void *arg)
{
	return sharing_write(self, arg);
}

int main(int argc, char **argv)
{
	struct sharing sharing = {0};

	sharing_start(&sharing, argc, argv, "cache_thrash");
	return workload_end(workload_run(workload_threads(4), body, &sharing));
}
