/*
 * What loam holds and what happened in it, as one table of 64-bit counters (counter_rows.def).
 * From it come loam_stats(), mallinfo2(), the sums of malloc_stats() and malloc_info(), the lines
 * of stats=exit and the file of `metrics`; from outside, `loam ctl PID stats` and `loam metrics`
 * read the same table.
 *
 * Nothing is locked and nothing allocated, so a signal handler that interrupted a call may collect,
 * too. It takes the time of a walk over arenas and thread caches, whatever these hold. While other
 * threads run, a counter is what it was at some moment of that walk, and an object that goes from a
 * cache to its slab meanwhile counts twice as free, or not at all: live bytes are true within what
 * the caches of the running threads move in that time.
 */
#pragma once

#include "observe/counter_rows.h"

struct counters {
	uint64_t of[COUNTER_COUNT];
};

/* One of them by its name. */
#define counter(counters, name) ((counters)->of[COUNTER_##name])

/* Those of the whole process; all 0 before loam has started. */
COLD void counters_collect(struct counters *ret_counters);
