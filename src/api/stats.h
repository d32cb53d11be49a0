/*
 * Statistics by arena, for malloc_info() and malloc_stats(), and the lines of stats=exit. Those of
 * the whole process are observe/counters.h.
 */
#pragma once

#include "arena/arena.h"
#include "observe/counters.h"

/* In use by the program, huge objects aside; and what is free but held. */
static inline uint64_t stats_in_use(const struct counters *cs)
{
	return counter(cs, live_bytes) - counter(cs, huge_bytes);
}

static inline uint64_t stats_free(const struct counters *cs)
{
	return counter(cs, free_bytes) + counter(cs, cached_bytes) - counter(cs, kept_huge_bytes);
}

/*
 * What is of one arena: its chunk heap, its slabs, and the runs that it keeps.  Of the main arena
 * it is also what belongs to no arena: runs in use, and free blocks of the zone.  So the sums over
 * all arenas are those of the process.
 */
struct arena_stats {
	struct heap_sizes heap;
	size_t slab_bytes;
	size_t objects, object_bytes; /* with the program */
	size_t free_objects[CLASSES];
	size_t run_bytes;
	size_t kept_runs, kept_run_bytes;
	size_t free_blocks;
};

/* How many arenas are asked about at once where there is no other room: what fits on a small
   stack. */
#define STATS_BATCH 8

/* Room for the statistics of all arenas, a mapping of its own: so one walk over the cached objects
   does for all. Without memory, and of few arenas, `few`: a walk for each STATS_BATCH of them. */
struct stats_room {
	struct arena_stats *of;
	size_t most;
	struct arena_stats few[STATS_BATCH];
};

COLD void stats_room_init(struct stats_room *room);
COLD void stats_room_deinit(struct stats_room *room);

/* Of the arenas whose numbers begin with first, of `most` at most; how many these are. all is what
   counters_collect() found. */
COLD size_t stats_by_arena(struct arena_stats *ret_stats, size_t first, size_t most,
			   const struct counters *all);

static inline size_t stats_arena_system(const struct arena_stats *s)
{
	return s->heap.system + s->slab_bytes + s->run_bytes + s->kept_run_bytes + s->free_blocks;
}

static inline size_t stats_arena_in_use(const struct arena_stats *s)
{
	return s->heap.in_use + s->object_bytes + s->run_bytes;
}

/* A line for people, and one a floor, on standard error. */
void stats_print(void);
