/*
 * An arena: slabs, a chunk heap and kept runs behind one lock.
 *
 * Every size class starts in the chunk heap, where bins pack a few objects of many sizes tightly.
 * After options.promote_after allocations a class is promoted: it is hot, and slabs serve it. So a
 * program with a few blocks of each size stays small, and one that churns a size is fast.
 *
 * A class that is due is promoted at once if memory for its slab is mapped already, as it is for
 * some sixteen classes from the start on (zone_start). Else it waits, served by the chunk heap
 * while that has room, and so does a hot class that needs another slab: under seccomp's strict
 * mode a program would be killed for a system call that it could do without. It waits for PATIENCE
 * times options.promote_after allocations at most, since a small heap may never run out of room.
 *
 * Threads take objects from an arena and give them back in batches, by way of their caches
 * (cache/cache.h). Any thread may lock any arena; a signal handler that interrupted its thread
 * inside loam locks none.
 *
 * Locking: the caller holds `lock`, except in arena_init() and arena_forget(); `counts` may be read
 * without it.
 */
#pragma once

#include "arena/runs.h"
#include "arena/slabs.h"
#include "base/compiler.h"
#include "base/options.h"
#include "heap/heap.h"
#include "os/lock.h"
#include "os/steps.h"

/* Statistics of an arena; written by who holds it, read by any thread. */
struct arena_counts {
	size_t promotions, demotions;
	size_t refills; /* of magazines */
	size_t objects; /* taken from slabs */
};

struct arena {
	struct lock lock;
	uint32_t number;     /* from 1 on; constant */
	uint8_t node;	     /* whose threads use it (pages/nodes.h); constant */
	bool retired;	     /* locked by another thread at a fork: not used in the child */
	struct arena *next;  /* in the ring; constant once there */
	struct slabs *slabs; /* NULL until a class is promoted; release-published, then constant */
	struct chunk_heap chunks;
	struct runs runs;
	struct arena_counts counts;
	uint32_t uses[CLASSES]; /* allocations by class while it is not hot */
};

/* Sets up an arena of which all bytes are zero; brk: its top may grow by brk. */
void arena_init(struct arena *a, bool brk, uint32_t number);

/* Whether slabs serve the class. */
static inline bool arena_is_hot(const struct arena *a, unsigned sc)
{
	return a->slabs && slabs_serve(a->slabs, sc);
}

/* The slow part of arena_use(), for a class that is hot or may be due by this use. */
bool arena_use_again(struct arena *a, unsigned sc);

/* Counts an allocation of a class that is not hot. True when slabs are to serve it: it is hot,
   or due for promotion. */
ALWAYS_INLINE bool arena_use(struct arena *a, unsigned sc)
{
	if (UNLIKELY(a->uses[sc] + 1 >= options.promote_after))
		return arena_use_again(a, sc);
	a->uses[sc]++;
	return false;
}

/* An object of a class that is hot or due: from a slab, or from the chunk heap while the class
   waits. All objects of the class are at multiples of alignment. *ret_zero says that all of it
   reads as zero. NULL without memory. */
void *arena_alloc_hot(struct arena *a, unsigned sc, size_t alignment, size_t req, bool *ret_zero);

/* Gives back what the arena does not need: classes without an object out go back to the bins, kept
   runs, a step of empty slabs, and a top that is no brk, to the zone. */
COLD void arena_tend(struct arena *a);

/* Gives memory back in a bounded step while more is retained than the rule of pages/retain.h
   allows: of slabs, of the chunk heap, of the zone. */
COLD void arena_obey_rule(struct arena *a);

/* As arena_tend(), and gives back all empty slabs and all free pages of the chunk heap, except pad
   bytes of top; purge: free pages of slabs in use too. */
COLD void arena_trim(struct arena *a, size_t pad, bool purge);

/* In the child of a fork at which another thread held the lock: what is retained here is so no
   more, since it cannot be given back. Else the child would purge all else that it frees. */
COLD void arena_forget(struct arena *a);

COLD bool arena_check(struct arena *a);

/* What a step may have changed of an arena, called before its lock is released: kept runs, and the
   rest now and then (os/steps.h). How many objects there are is estimated: one a cache line. */
static inline bool arena_check_step(struct arena *a)
{
	static uint32_t left;
	size_t objects = a->slabs ? a->slabs->nbytes / CACHE_LINE : 0;

	return step_is_due(&left, heap_chunks(&a->chunks) + objects) ? arena_check(a)
								     : runs_check(&a->runs);
}
