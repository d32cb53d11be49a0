/*
 * Upkeep: periodic work, and giving memory back, wherever it is: in caches, depot, arenas, zone and
 * mappings of huge objects. The caller is between cache_enter() and cache_leave().
 */
#pragma once

#include "cache/cache.h"
#include "pages/retain.h"

/* The work of each 256th slow path, and of fewer when an eighth of decay_ms has passed: what other
   processes ask for, the flush that was asked for, and giving home what was not needed since; and
   purging. The thread's own magazines are left to its next call for a small object (cache_owe). */
COLD void cache_tick_slowly(struct cache *c);

/* Called in each TICKS_A_LOOK-th slow path: does that if it is time, and goes on with what
   retain_due asks for. A thread that is here seldom flushes its cache while there is memory to give
   back: it would soon have all that it needs in its cache, take no slow path, and look no more. And
   while more is due, one that looks fewer than some thousand times a second looks again in its next
   slow path. The mean of its pauses decides, so that a busy thread which waited once keeps its
   cache. */
COLD void cache_look(struct cache *c);

#define TICKS_A_LOOK 32

/* The same, and all that the rule asks for, however long it takes: for a thread that nobody waits
   for. */
LATER void cache_do_all_due(struct cache *c);

/* Called in the work above with the time (os_clock), unless NULL, by a thread that may write
   files; set at start. */
extern HIDDEN void (*upkeep_look)(uint64_t now);

/* Called in every slow path. Whether it did that: then something may be owed. */
ALWAYS_INLINE bool cache_tick(struct cache *c)
{
	add_hot(&c->ticks, 1);
	if (LIKELY(load_hot(&c->ticks) % TICKS_A_LOOK))
		return false;
	cache_look(c);
	return true;
}

/* Called when retain_due is set. Gives back a bounded step's worth of what is retained beyond the
   rule, in the thread's arena and in another one each time; more is due while there is more. */
COLD NOINLINE void cache_obey_rule(struct cache *c);

COLD NOINLINE void cache_make_way_slowly(struct cache *c, size_t nbytes);

/* Called where memory was allocated that may not be in RAM. */
ALWAYS_INLINE void cache_obey_if_due(struct cache *c)
{
	if (UNLIKELY(load_hot(&retain_due)))
		cache_obey_rule(c);
}

/* Called where an object of nbytes was mapped, or as much added to one: as many bytes go of what is
   retained beyond the rule. A program may fill them all without another call, and must not grow
   beside what it retains. */
ALWAYS_INLINE void cache_make_way(struct cache *c, size_t nbytes)
{
	if (UNLIKELY(load_hot(&retain_due)))
		cache_make_way_slowly(c, nbytes);
}

/* Empties the caches and the depot, then trims every arena to pad bytes of its top: the part of
   trim_all() (cache/trim.h) without the zone and huge objects. */
LATER void cache_trim_arenas(struct cache *c, size_t pad);

/*
 * Called when the system refused memory, before the caller tries again: gives addresses back,
 * since these are what a limit counts. Step 0 costs little: kept runs of the thread's arena, kept
 * mappings and rooms of huge objects, free blocks. Step 1 is all: caches, the depot, slabs, heaps
 * and their tops. Pages whose addresses stay are purged where `limit` counts them. With limit=auto
 * step 0 does nothing where the system leaves more than it did when it was asked last. Nothing is
 * done for a request of many times what loam has in all, unless there is a limit.
 */
LATER void cache_reclaim(struct cache *c, size_t req, unsigned step);

#define RECLAIM_STEPS 2
