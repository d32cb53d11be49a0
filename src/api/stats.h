/*
 * What loam holds and what happened in it, collected from all floors: for
 * mallinfo, malloc_info, malloc_stats and the lines that stats=exit prints.
 */
#pragma once

#include "arena/arena.h"
#include "pages/huge.h"
#include "pages/zone.h"

#define STATS_COUNTERS(COUNTER)                                                                    \
	COUNTER(promotions)                                                                        \
	COUNTER(demotions)                                                                         \
	COUNTER(refills)                                                                           \
	COUNTER(objects)

/* Sizes in bytes, of one arena or of all. */
struct stats {
	size_t arenas;
	struct heap_sizes heap;	      /* chunk heaps */
	size_t slabs, slab_bytes;     /* blocks that are slabs */
	size_t objects, object_bytes; /* out of slabs */
	size_t runs, run_bytes;
	size_t kept_run_bytes; /* freed, in arenas */
	size_t top;	       /* of the main arena */
	struct zone_sizes zone;
	struct huge_sizes huge;
	size_t metadata;
	struct arena_counts counts;
	size_t slabs_made, slabs_given_back;
#define COUNTER(name) size_t name;
	HEAP_COUNTERS(COUNTER)
#undef COUNTER
};

void stats_collect(struct stats *ret_stats);

/* In use by the program, huge objects aside; and what is free but held. */
static inline size_t stats_in_use(const struct stats *s)
{
	return s->heap.in_use + s->object_bytes + s->run_bytes;
}

static inline size_t stats_free(const struct stats *s)
{
	return s->heap.free + (s->slab_bytes - s->object_bytes) + s->kept_run_bytes +
	       s->zone.free_dirty;
}

/*
 * What is of one arena: its chunk heap, its slabs, and the runs that it keeps.  Of the main arena
 * it is also what belongs to no arena: runs in use, and free blocks of the zone.  So the sums over
 * all arenas are those of stats_collect().
 */
struct arena_stats {
	struct heap_sizes heap;
	size_t slabs, slab_bytes;
	size_t objects, object_bytes; /* with the program */
	uint32_t free_objects[CLASSES];
	size_t runs, run_bytes;
	size_t kept_runs, kept_run_bytes;
	size_t free_blocks;
};

/* How many arenas are asked about at once: what fits on a small stack. */
#define STATS_BATCH 8

/* Of the arenas whose numbers begin with first, of `most` at most; how many these are. */
COLD size_t stats_by_arena(struct arena_stats *ret_stats, size_t first, size_t most);

static inline size_t stats_arena_system(const struct arena_stats *s)
{
	return s->heap.system + s->slab_bytes + s->run_bytes + s->kept_run_bytes + s->free_blocks;
}

static inline size_t stats_arena_in_use(const struct arena_stats *s)
{
	return s->heap.in_use + s->object_bytes + s->run_bytes;
}

/* Of huge objects; zeroes in a signal handler that interrupted a call. */
COLD void stats_huge(struct huge_sizes *ret_sizes);

/* A line for people, and one a floor, on standard error. */
void stats_print(void);
