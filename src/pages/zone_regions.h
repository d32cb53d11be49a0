/*
 * The regions of a zone: a table by number, and for each state and order the set of regions that have
 * such a block free, so that the lowest or highest is found in a few steps.  The figures of the zone
 * follow every change of a region here (zone_change_begin, zone_change_end).
 *
 * Locking: the zone's lock is held around every call, but in the child of a fork.
 */
#pragma once

#include "base/bitset.h"
#include "base/compiler.h"
#include "pages/region.h"
#include "pages/zone_sizes.h"

struct zone {
	size_t slots;                      /* numbers in use are below this */
	uint16_t orders[STATES];           /* bit o: with[][o] is not empty; written atomically, for zone_is_ready() */
	struct bitset with[STATES][ORDERS]; /* Z3: parts with such a region */
	unsigned purge_pause;              /* frees until a purge that was refused is tried again */
	uint64_t scatter;                  /* what chance is drawn from; 0: blocks lie low */
	struct zone_sizes sizes;           /* Z4 */
};

extern HIDDEN struct zone zone;

static inline unsigned page_index(const struct region *r, const void *mem)
{
	return (unsigned)(((const char *)mem - r->base) >> PAGE_SHIFT);
}

static inline void *page_address(const struct region *r, unsigned page)
{
	return r->base + ((size_t)page << PAGE_SHIFT);
}

/* The region of that number, or NULL. */
struct region *zone_region(size_t slot);

/* Whether the region of that number is in the set of a state and order. */
COLD bool zone_has(size_t slot, enum state state, unsigned order);

/* Of the regions with a block of that state and order, of which there must be one, that of the lowest
   number, or of the highest. */
struct region *zone_lowest(enum state state, unsigned order);
struct region *zone_highest(enum state state, unsigned order);

/* Gives a new region a number; false without memory. */
bool zone_note_region(struct region *r);

/* Takes a region of which nothing is mapped any more out of the table and the page map. */
COLD void zone_forget_region(struct region *r);

/* What a region was before it is changed, so that the zone's sets and sums can follow. */
struct zone_change {
	struct region *region;
	uint16_t orders[STATES];
	unsigned free_pages, dirty_pages;
};
struct zone_change zone_change_begin(struct region *r);
void zone_change_end(const struct zone_change *before);

/* For recovery: what changed since `before` in one state's orders, brought into the zone's sets; all
   sets made empty; numbers that were given while the lock was held are found. */
void zone_update(struct region *r, enum state state, uint16_t before);
COLD void zone_empty_sets(void);
COLD void zone_find_slots(void);
