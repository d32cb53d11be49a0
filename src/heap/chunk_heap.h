/*
 * A chunk heap: what belongs to all chunks of one arena; what is done with it is heap/heap.h.
 *
 *	+------ heap, closed -------------+   +------ heap with top --------------+
 *	| chunk | free | chunk | free |end|   | chunk | chunk | top ........|     |
 *	+---------------------------------+   +-----------------------------------+
 *	base                              end base                    CHUNK_END  end
 *
 * A chunk heap that is zero is empty and ready; a new one touches what it uses.
 *
 * Invariants, proved by heap_check() (H1 to H5 by bins_check()):
 *	H6  chunks lie one after the other from a heap's base to its end;
 *	H7  PREV_IN_USE says whether the chunk before is in use; what is before the
 *	    first, and before top, counts as in use;
 *	H8  no two free neighbours; the size of a free chunk is repeated behind it;
 *	H9  each free chunk but top is in the bins, and nothing else is;
 *	H10 system and in_use are the sums over heaps and chunks;
 *	H11 every page of a heap is tagged with it.
 */
#pragma once

#include "base/compiler.h"
#include "heap/bins.h"
#include "heap/chunk.h"
#include "pages/pagemap.h"

struct arena;

/* A piece of memory that chunks are cut from; the tag of its pages. */
struct heap {
	struct descriptor tag;
	struct chunk_heap *owner;
	char *base, *end; /* whole pages; end is read by any thread */
	struct heap *next, *prev;
	bool brk;
};

/* How often what happened, for statistics. */
#define HEAP_COUNTERS(COUNTER)                                                                     \
	COUNTER(small_hits)                                                                        \
	COUNTER(unsorted_hits)                                                                     \
	COUNTER(large_hits)                                                                        \
	COUNTER(remainder_hits)                                                                    \
	COUNTER(top_hits)                                                                          \
	COUNTER(splits)                                                                            \
	COUNTER(merges)                                                                            \
	COUNTER(top_grown_brk)                                                                     \
	COUNTER(top_grown_block)                                                                   \
	COUNTER(purged_bytes)                                                                      \
	COUNTER(trims)

/* All written by the owner alone; other threads may read what is counted by add_hot(). */
struct chunk_heap {
	struct chunk *top; /* the free end of top_heap; NULL: no heap has a top */
	struct heap *top_heap;
	char *top_clean;   /* from here to the end of top_heap all is zero and untouched */
	size_t top_purged; /* bytes of that which were purged because of the rule */
	struct chunk *last_remainder; /* a hint: it may be no chunk any more */
	size_t system;		      /* bytes of all heaps */
	size_t in_use;	      /* bytes of chunks in use, and of ends, that of top's heap too */
	size_t retained;      /* as counted in pages/retain.h */
	size_t counted_clean; /* bytes of bins.clean that do not count as live there */
	struct heap *heaps;   /* the newest first */
	struct arena *arena;  /* not looked at here */
	bool brk;	      /* may use the data segment; set once, by who makes it */
	uint32_t number;      /* of its arena, for reports; from 1 on, 0: of none */
	uint32_t purge_from;  /* the bin in which the next purge begins; 0: the last */
	uint32_t purge_vain;  /* chunks found purged already since the last bin */
	uint32_t purge_pause; /* calls of the rule that are to skip chunks */
#define COUNTER(name) size_t name;
	HEAP_COUNTERS(COUNTER)
#undef COUNTER
	struct bins bins;
};
