/*
 * A region: 1,024 page frames at a multiple of 4 MiB, and their buddy.  Which blocks are free is
 * told by bitmaps beside it, one bit a block of each order, so that free pages stay untouched:
 *
 *	bits   0 ............ 1023 | 1024 ..... 1535 | 1536 .. 1791 | ... | 2046
 *	order  0                   | 1               | 2            | ... | 10
 *
 * A block is split by taking one half and freeing the other; a freed block finds its one possible
 * partner by flipping the lowest bit of its index.  8 pages, page 5 allocated:
 *
 *	order 2   [     free      ]
 *	order 1                    [       ][ free ]
 *	order 0                    [fr][##]
 *	page       0   1   2   3   4   5   6   7
 *
 * There are two such bitmaps: clean blocks hold no memory and read as zero; of dirty ones some page
 * does not.
 *
 * Invariants, proved by region_check():
 *	B1  a block and its buddy are never both free (below order 10);
 *	B2  free blocks do not overlap: no page lies in two;
 *	B3  a clean block has no dirty page, a dirty block has one at least;
 *	B4  orders[] has the bit of an order exactly when a block of it is free;
 *	B5  free_pages and dirty_pages are the sums over the free blocks;
 *	B6  every free page is owned;
 *	B7  `vacant` has the pages that lie in free blocks;
 *	B8  no stretch of free pages is longer than longest[]. It is an upper bound: a search
 *	    without alignment that finds none lowers it, a free raises it.
 *
 * Free pages beside each other need not make a block: pages 6 to 9 are a stretch of four, and no
 * block of four.  `vacant` shows such stretches, and `dirty` which are in RAM throughout.
 *
 * After each single store a page that was free and stays it is vacant; and a page that has memory
 * is noted as dirty before it is vacant.  So region_rebuild() finds all that is free.
 *
 * Locking: the zone's lock is held around every call.
 */
#pragma once

#include "base/bits.h"
#include "base/compiler.h"
#include "pages/pagemap.h"

#define ORDERS		   11
#define ORDER_MAX	   (ORDERS - 1)
#define ORDER_BYTES(order) (PAGE_SIZE << (order))

#define REGION_PAGES (REGION_SIZE / PAGE_SIZE)

/* The largest alignment that region_find() takes: a stretch then lies in one word. */
#define REGION_ALIGN_MOST 64u

static_assert(ORDER_BYTES(ORDER_MAX) == REGION_SIZE, "the largest block is a region");
static_assert(ORDERS <= 16, "orders[] has a bit each");
static_assert(REGION_PAGES % 64 == 0, "bitmaps of pages are whole words");

enum state { DIRTY, CLEAN, STATES };

/* A stretch of pages of a region. */
struct pages {
	unsigned first, count;
};

struct region {
	char *base;				      /* constant */
	unsigned slot;				      /* its number in the zone; constant */
	unsigned node;				      /* whose threads take blocks; constant */
	uint16_t orders[STATES];		      /* B4: bit o */
	unsigned owned_pages;			      /* of the window, mapped by us */
	unsigned steps;				      /* of zone.sizes.steps: begun here */
	unsigned free_pages;			      /* B5 */
	unsigned dirty_pages;			      /* B5: of the free ones */
	unsigned longest[STATES];		      /* B8: of dirty pages, of any */
	uint64_t free[STATES][2 * REGION_PAGES / 64]; /* one bit a block, see above */
	uint64_t vacant[REGION_PAGES / 64];	      /* B7: free pages */
	/* pages that may hold memory; of a block in use: held it before */
	uint64_t dirty[REGION_PAGES / 64];
	uint64_t owned[REGION_PAGES / 64]; /* where only part of the window could be mapped */
};

/* The first page of a block, the lowest of the smallest in that state that serves; orders[state]
   must have a bit of that order or above.  Of a block of order n + 1 that is split the half is
   taken that bit n of `upper` says. */
unsigned region_take(struct region *r, enum state state, unsigned order, uint64_t upper);

/* Frees pages that are owned and not free, as the blocks that they make; how many merges. */
unsigned region_give(struct region *r, struct pages pages);

/* The first page of the lowest stretch of so many free pages, each of which holds memory (DIRTY) or
   not (CLEAN: any will do); REGION_PAGES when there is none. It is a multiple of `align`: 1, or a
   power of two from count to REGION_ALIGN_MOST. */
unsigned region_find(struct region *r, unsigned count, unsigned align, enum state worst);

/* Takes exactly these pages; false, and nothing taken, unless all are free. */
bool region_take_exactly(struct region *r, struct pages pages);

/* Makes pages owned, and free and clean. */
void region_own(struct region *r, struct pages pages);

/* A block that is free, and all of it owned, is no longer owned: it was unmapped. */
COLD void region_disown(struct region *r, enum state state, unsigned first, unsigned order);

/* Notes that pages hold memory (in use), or that a part of a dirty free block no longer does. */
void region_touch(struct region *r, struct pages pages);
void region_clean(struct region *r, unsigned first, unsigned order, struct pages part);

/* The number of the page that an address in the region lies in, and where a page is. */
static inline unsigned region_page_of(const struct region *r, const void *mem)
{
	return (unsigned)(((const char *)mem - r->base) >> PAGE_SHIFT);
}

static inline void *region_page_at(const struct region *r, unsigned page)
{
	return r->base + ((size_t)page << PAGE_SHIFT);
}

static inline bool region_page_free(const struct region *r, unsigned page)
{
	return bit_test(r->vacant, page);
}

/* How many of the pages hold memory. */
unsigned region_dirty(const struct region *r, struct pages pages);

/* How many of the pages are owned and not free. */
COLD unsigned region_in_use(const struct region *r, struct pages pages);

/* The largest dirty free block within pages, which are a possible block, and of those the highest;
   smaller than these, and of at least that order. False: none. */
COLD bool region_largest_dirty(const struct region *r, struct pages within, unsigned least,
			       unsigned *ret_page, unsigned *ret_order);

/* The first page of the highest free block of that order and state, which must exist. */
unsigned region_highest(const struct region *r, enum state state, unsigned order);

/* In the child of a fork: makes the blocks anew of all pages that lie in a free one. */
COLD void region_rebuild(struct region *r);

COLD bool region_check(const struct region *r);
