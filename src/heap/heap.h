/*
 * The chunk heap: all chunks of one arena, where every size starts and what is rare stays.
 *
 * A request becomes a chunk in ptmalloc's order: its small bin; unsorted, each chunk once, taken if
 * it fits exactly, else sorted; the last remainder for small requests in a row; the smallest larger
 * chunk; top; a longer or a new top.  A freed chunk is merged with its free neighbours and goes
 * into top, its small bin, or unsorted.  Where the memory comes from is heap_memory.h, and how it
 * goes back heap_retain.h.
 *
 * Locking: the caller holds the arena's lock; what heap_sizes() reads may be read by any thread.
 */
#pragma once

#include "base/compiler.h"
#include "heap/bins.h"
#include "heap/chunk_heap.h"
#include "heap/heap_retain.h"

/* What is larger gets pages of its own. */
#define HEAP_MAX_REQ MIB

/* Sets the secret of all headers.  Called once, before anything else. */
void heap_start(uint64_t secret);

/* At least req bytes, aligned to 16; NULL when req is over HEAP_MAX_REQ or the system refuses.
   *ret_zero, unless NULL, says that they read as zero. */
void *heap_malloc(struct chunk_heap *ch, size_t req, bool *ret_zero);

/* The same at a multiple of alignment, a power of two of at most HEAP_MAX_REQ. */
COLD void *heap_memalign(struct chunk_heap *ch, size_t alignment, size_t req);

/* The same of any size, from what the heap has: nothing is asked of the system. It does not find
   all that was freed since heap_sort(). */
COLD void *heap_memalign_held(struct chunk_heap *ch, size_t alignment, size_t req);

/* Sorts all free chunks into their bins. */
LATER void heap_sort(struct chunk_heap *ch);

/* The chunk that an address in a heap lies in: its memory; NULL for none, or when headers are
   broken. */
COLD const void *heap_chunk_around(const struct heap *heap, const void *mem, size_t *ret_usable,
				   bool *ret_in_use);

/* Takes back mem, which lies in a heap of ch.  What is not a chunk in use is reported. */
void heap_free(struct chunk_heap *ch, void *mem);

/* Makes mem hold at least req bytes where it is; false, and nothing changed, when it cannot. */
bool heap_resize(struct chunk_heap *ch, void *mem, size_t req);

struct heap_sizes {
	size_t system; /* bytes from the system; = in_use + free */
	size_t in_use;
	size_t free;
	size_t free_chunks; /* top included */
	size_t top;
};

/* Of any thread's heap; the fields fit each other when the owner rests. */
COLD void heap_sizes(const struct chunk_heap *ch, struct heap_sizes *ret_sizes);

/* Calls visit for each chunk in use, as far as headers are sound. */
COLD void heap_visit(const struct chunk_heap *ch,
		     void (*visit)(const void *mem, size_t usable, void *arg), void *arg);

/* Proves H1 to H11. */
bool heap_check(const struct chunk_heap *ch);

/* About how many chunks that is. */
static inline size_t heap_chunks(const struct chunk_heap *ch)
{
	return ch->bins.count + ch->in_use / 64;
}
