/*
 * The chunk heap: all chunks of one arena, where every size starts and what is
 * rare stays.
 *
 * A request becomes a chunk in ptmalloc's order: its small bin; unsorted, each
 * chunk once, taken if it fits exactly, else sorted; the last remainder for
 * small requests in a row; the smallest larger chunk; top; a longer or a new
 * top.  A freed chunk is merged with its free neighbours and goes into top, its
 * small bin, or unsorted.
 *
 *	+------ heap, closed -------------+   +------ heap with top --------------+
 *	| chunk | free | chunk | free |end|   | chunk | chunk | top ........|     |
 *	+---------------------------------+   +-----------------------------------+
 *	base                              end base                    CHUNK_END  end
 *
 * Memory comes in heaps: of the main arena the data segment, moved up by brk as
 * long as nobody else moves it; of all others, and where brk fails, blocks from
 * the zone, 32 KiB first, then each as large as all before, to 4 MiB.  A block that is all free
 * goes back whole.  Whole pages in big free chunks, and those of top beyond the pad, count as
 * retained and are purged under the rule of pages/retain.h.
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
 *
 * Locking: none.  One thread at a time, the arena's owner, makes all calls;
 * what heap_sizes() reads may be read by any thread.
 */
#pragma once

#include "base/compiler.h"
#include "heap/bins.h"
#include "heap/chunk.h"
#include "pages/pagemap.h"

/* What is larger gets pages of its own. */
#define HEAP_MAX_REQ MIB

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

/* All written by the owner alone. */
struct chunk_heap {
	struct chunk *top; /* the free end of top_heap; NULL: no heap has a top */
	struct heap *top_heap;
	char *top_clean; /* from here to the end of top_heap all is zero and untouched */
	size_t top_purged; /* bytes of that which were purged because of the rule */
	struct chunk *last_remainder; /* a hint: it may be no chunk any more */
	size_t system;		      /* bytes of all heaps */
	size_t in_use;	     /* bytes of chunks in use, and of ends, that of top's heap too */
	size_t retained;     /* as far as pages/retain.h has been told */
	struct heap *heaps;  /* the newest first */
	struct arena *arena; /* not looked at here */
	bool brk;	     /* may use the data segment; set once, by who makes it */
	uint32_t number;     /* of its arena, for reports; from 1 on, 0: of none */
#define COUNTER(name) size_t name;
	HEAP_COUNTERS(COUNTER)
#undef COUNTER
	struct bins bins;
};

/* Counts up a field of the owner's that other threads may read. */
ALWAYS_INLINE void heap_count(size_t *counter, size_t n)
{
	store_relaxed(counter, *counter + n);
}

/* Sets the secret of all headers.  Called once, before anything else. */
void heap_start(uint64_t secret);

/*
 * At least req bytes, aligned to 16; NULL when req is over HEAP_MAX_REQ or the
 * system refuses.  *ret_zero, unless NULL, says that they read as zero.
 */
void *heap_malloc(struct chunk_heap *ch, size_t req, bool *ret_zero);

/* The same at a multiple of alignment, a power of two of at most HEAP_MAX_REQ. */
COLD void *heap_memalign(struct chunk_heap *ch, size_t alignment, size_t req);

/* The same two, of any size, from what the heap has: nothing is asked of the system. */
void *heap_malloc_held(struct chunk_heap *ch, size_t req, bool *ret_zero);
COLD void *heap_memalign_held(struct chunk_heap *ch, size_t alignment, size_t req);

/* The chunk that an address in a heap lies in: its memory; NULL for none, or when headers are broken. */
COLD const void *heap_chunk_around(const struct heap *heap, const void *mem, size_t *ret_usable,
				   bool *ret_in_use);

/* Takes back mem, which lies in a heap of ch.  What is not a chunk in use is reported. */
void heap_free(struct chunk_heap *ch, void *mem);

/* Makes mem hold at least req bytes where it is; false, and nothing changed, when it cannot. */
bool heap_resize(struct chunk_heap *ch, void *mem, size_t req);

/* Gives a top that fills a block to the zone, for other threads to take it. */
COLD void heap_share(struct chunk_heap *ch);

/* Gives memory back while more is retained than the rule of retain.h allows: top's, chunks', the
   zone's. */
COLD void heap_obey_rule(struct chunk_heap *ch);

/* Gives back all free memory in whole pages, but pad bytes of top; the number of bytes. */
COLD size_t heap_trim(struct chunk_heap *ch, size_t pad);

struct heap_sizes {
	size_t system; /* bytes from the system; = in_use + free */
	size_t in_use;
	size_t free;
	size_t free_chunks; /* top included */
	size_t top;
};

/* Of any thread's heap; the fields fit each other when the owner rests. */
COLD void heap_sizes(const struct chunk_heap *ch, struct heap_sizes *ret_sizes);

/* Calls visit for each free chunk in the bins until it returns false. */
COLD void heap_visit_free(struct chunk_heap *ch, bins_visitor *visit, void *arg);

/* Proves H1 to H11. */
bool heap_check(const struct chunk_heap *ch);

/*
 * For top.c: takes a free piece that lies between chunks in use, or its heap's
 * ends, into the bins; a block that it fills goes back to the zone.  recut is
 * CHUNK_RECUT, or 0 for an object of just that size that the program freed.
 */
void heap_settle(struct chunk_heap *ch, struct chunk *c, size_t csize, size_t dirty, uint64_t recut);

/* Unlists the heap and gives its memory back, a block or the end of the data segment; its first
   `touched` bytes may have been written.  False, and nothing done, when the system refuses. */
bool heap_release(struct chunk_heap *ch, struct heap *heap, size_t touched);
