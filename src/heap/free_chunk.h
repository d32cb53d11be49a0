/* Free chunks into the bins and out of them, as a heap's memory is cut and merged. */
#pragma once

#include "base/compiler.h"
#include "heap/bins.h"
#include "heap/chunk.h"
#include "heap/chunk_heap.h"
#include "heap/heap_memory.h"

/* What the step that made a free chunk touched: its neighbours, its size behind it, its bin. */
static inline bool free_chunk_check(const struct chunk_heap *ch, const struct chunk *c,
				    size_t csize, uint64_t word)
{
	const struct chunk *next = chunk_at(c, csize);
	unsigned bin = word & CHUNK_UNSORTED ? BINS_UNSORTED : bins_index(csize);

	return expect_eq("H8", next->prev_size, csize) &&
	       expect_eq("H8", chunk_word(next) & CHUNK_IN_USE, CHUNK_IN_USE) &&
	       expect_eq("H7", chunk_word(next) & CHUNK_PREV_IN_USE, 0) &&
	       expect_eq("H11", (uintptr_t)pagemap_get(c), (uintptr_t)pagemap_get(next)) &&
	       expect_eq("H4", bit_test(ch->bins.map, bin) && ch->bins.first[bin], true);
}

/* A free piece of memory, between neighbours in use, becomes a chunk in the bins. Of its whole
   pages at most `dirty` bytes may hold memory, and at least `clean` bytes hold none. */
static inline void free_chunk_put(struct chunk_heap *ch, struct chunk *c, size_t csize,
				  size_t dirty, size_t clean, uint64_t flags)
{
	uint64_t word = csize | CHUNK_PREV_IN_USE | flags;
	size_t nbytes;

	ASSERT(csize >= CHUNK_LEAST && is_aligned(csize, CHUNK_ALIGN));
	chunk_at(c, csize)->prev_size = csize;
	chunk_set(c, word);
	if (csize >= CHUNK_BIG) {
		chunk_pages(c, csize, &nbytes);
		c->dirty = smaller(dirty, nbytes - clean);
		c->clean = nbytes - c->dirty;
	}
	bins_insert(&ch->bins, c, word);
	ASSERT_SLOW(free_chunk_check(ch, c, csize, word));
}

/* Takes the free chunk c out of the bins to be merged; the bytes of its whole pages that hold no
   memory. */
static inline size_t free_chunk_absorb(struct chunk_heap *ch, struct chunk *c, uint64_t word)
{
	ASSERT(!(word & CHUNK_IN_USE));
	bins_remove(&ch->bins, c, word);
	add_hot(&ch->merges, 1);
	return chunk_clean(c, chunk_word_size(word));
}

/* Puts a free piece that lies between chunks in use, or its heap's ends, into the bins; a block
   that it fills goes back to the zone.  clean is the bytes of its whole pages that hold no memory,
   recut is CHUNK_RECUT, or 0 for an object of just that size that the program freed.  True when a
   big chunk came to be: the caller looks at the rule (heap_obey). */
static inline bool free_chunk_settle(struct chunk_heap *ch, struct chunk *c, size_t csize,
				     size_t clean, uint64_t recut)
{
	struct chunk *next = chunk_at(c, csize);

	if (csize >= PAGE_SIZE - CHUNK_END && is_aligned((uintptr_t)c, PAGE_SIZE) &&
	    heap_release_filled(ch, c, csize))
		return false;
	chunk_set(next, chunk_word(next) & ~CHUNK_PREV_IN_USE);
	free_chunk_put(ch, c, csize, SIZE_MAX, clean,
		       recut | (csize >= CHUNK_LARGE ? CHUNK_UNSORTED : 0));
	return csize >= CHUNK_BIG;
}
