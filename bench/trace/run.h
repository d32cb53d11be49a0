/*
 * Runs a plan: its threads, its order, its calls; every block filled, and checked when it ends.
 *
 * The process's first thread is the recorded one's: it does that thread's steps, and starts each
 * other where its first step is.  A thread ends after its last step, and one that begins after that
 * is started when it is gone: so threads that lived one after another do so again, and an allocator
 * can give the memory of one to the next.
 *
 * Tables are in files (table.h), so that nothing here is counted as memory of the allocator under
 * test, and the plan's pages are given back as the replay gets past them.
 */
#pragma once

#include "latency.h"
#include "plan.h"

enum run_call { RUN_MALLOC, RUN_CALLOC, RUN_REALLOC, RUN_FREE, RUN_CALLS };

struct run_result {
	uint64_t began_ns, ended_ns;	/* CLOCK_MONOTONIC */
	const uint64_t *epoch_ended_ns; /* when each epoch's last step was done */
	size_t table_bytes;		/* in files, beside the plan */
	struct latency *latency; /* of each enum run_call, if timed; aligned ones are mallocs */
};

/* Ends the program with status 1 if a block does not hold what was written into it, or if there is
   no memory for one. */
struct run_result run_plan(const struct plan *plan, bool timed);
