/*
 * Bins: where the free chunks of an arena are found by size.
 *
 *	 0          unsorted: chunks as they were freed, oldest first
 *	 2 ..  63   small: one size each, 32, 48 ... 1008; a ring, oldest first
 *	64 .. 126   large: four a doubling, from 1 KiB; a tree by size
 *
 * A bin's head is one pointer, NULL when the bin is empty: zeroes are ready.
 *
 * The tree of a large bin branches on the bits of the size, from the highest that can differ within
 * the bin downwards.  Every node is a chunk; further chunks of its size are in a ring with it.  So
 * the best fit takes at most as many steps as there are such bits (4 to 19, in the last bin 44),
 * and no balance is kept.
 *
 *	bin 64, sizes 1024 .. 1264:       [1040] = [1040]      bit 7
 *	                                 /      \
 *	                            [1024]      [1200]         bit 6
 *
 * Invariants, proved by bins_check():
 *	H1  a ring's links agree, both ways;
 *	H2  a chunk in a bin is free, and of a size that belongs there; in unsorted
 *	    exactly when its header says so;
 *	H3  a tree's node is where the bits of its size lead, and its slot points to it;
 *	H4  a bin's bit in the map is set exactly when the bin is not empty;
 *	H5  count, dirty and clean are the sums over all bins.
 *
 * Locking: the owner's.
 */
#pragma once

#include "base/bits.h"
#include "base/compiler.h"
#include "heap/chunk.h"
#include "os/check.h"

#define BINS	      127
#define BINS_UNSORTED 0
#define BINS_LARGE    64
#define BINS_LAST     (BINS - 1)

static_assert(BINS <= 128, "the map has a bit each");

struct bins {
	size_t count;	 /* H5: free chunks; written by the owner, read by any thread */
	size_t dirty;	 /* H5: bytes of whole pages of big chunks that may hold memory, at most */
	size_t clean;	 /* H5: bytes of the others of these pages */
	uint64_t map[2]; /* H4: a bit a bin */
	struct chunk *first[BINS]; /* the oldest of a ring, the root of a tree */
};

/* The bin of chunks of csize bytes once they are sorted. */
static inline unsigned bins_index(size_t csize)
{
	unsigned doubling, index;

	if (csize < CHUNK_LARGE)
		return (unsigned)(csize / CHUNK_ALIGN);
	doubling = log2_floor(csize);
	index = BINS_LARGE + (doubling - 10) * 4 + (csize >> (doubling - 2) & 3);
	return index < BINS_LAST ? index : BINS_LAST;
}

/* The least size of a large bin, and the highest bit by which sizes in it differ. */
static inline size_t bins_least(unsigned index)
{
	ASSERT(index >= BINS_LARGE && index < BINS);
	return (4 + (size_t)(index - BINS_LARGE) % 4) << (8 + (index - BINS_LARGE) / 4);
}

static inline unsigned bins_top_bit(unsigned index)
{
	ASSERT(index >= BINS_LARGE && index < BINS);
	return index == BINS_LAST ? CHUNK_WORD_BITS - 1 : 7 + (index - BINS_LARGE) / 4;
}

/* Puts c last into the ring of first, with which it is equal. */
ALWAYS_INLINE void bins_ring_push(struct chunk *first, struct chunk *c)
{
	struct chunk *last = chunk_link(first, first->prev);

	ASSERT(c != first && !(chunk_header(c) & CHUNK_IN_USE));
	if (UNLIKELY(last->next != first))
		chunk_report_links(first);
	c->next = first;
	c->prev = last;
	last->next = c;
	first->prev = c;
}

ALWAYS_INLINE void bins_ring_remove(struct chunk *c)
{
	struct chunk *next = c->next, *prev = c->prev;

	if (next == c && prev == c)
		return;
	next = chunk_link(c, next);
	prev = chunk_link(c, prev);
	if (UNLIKELY(next->prev != c || prev->next != c))
		chunk_report_links(c);
	next->prev = prev;
	prev->next = next;
}

/* Into and out of a bin that is a ring: a small one, or unsorted. */
ALWAYS_INLINE void bins_push(struct bins *bins, unsigned index, struct chunk *c)
{
	struct chunk *first = bins->first[index];

	ASSERT(index < BINS_LARGE && bit_test(bins->map, index) == (first != NULL));
	add_hot(&bins->count, 1);
	if (first) {
		bins_ring_push(first, c);
		return;
	}
	bins->first[index] = c->next = c->prev = c;
	bit_set(bins->map, index);
}

ALWAYS_INLINE void bins_unlink(struct bins *bins, unsigned index, struct chunk *c)
{
	struct chunk *next = c->next;

	ASSERT(index < BINS_LARGE && bins->first[index] && bins->count);
	bins_ring_remove(c);
	add_hot(&bins->count, (size_t)-1);
	if (bins->first[index] != c)
		return;
	bins->first[index] = next == c ? NULL : next;
	if (next == c)
		bit_clear(bins->map, index);
}

/* Puts a free chunk into its bin, and takes it out again; word is its header's, and says whether it
   is for unsorted.  Of a big chunk dirty and clean must be set. */
void bins_insert(struct bins *bins, struct chunk *c, uint64_t word);
void bins_remove(struct bins *bins, struct chunk *c, uint64_t word);

/* The smallest sorted chunk of at least csize bytes, or NULL; it stays where it is. */
struct chunk *bins_best(struct bins *bins, size_t csize);

/* Calls visit for each chunk in the bins from `from` down to `least`, then in unsorted, until it
   returns false.  It must not change the bins. */
typedef bool bins_visitor(struct chunk *c, size_t csize, void *arg);
COLD void bins_visit(struct bins *bins, unsigned from, unsigned least, bins_visitor *visit,
		     void *arg);

COLD bool bins_check(const struct bins *bins);
