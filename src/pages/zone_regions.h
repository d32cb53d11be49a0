/*
 * The regions of a zone: a table by number, and for each state and order the set of regions that
 * have such a block free.  The zone's sets and sums follow every change of a region between
 * zone_change_begin() and zone_change_end().
 *
 * Each node (nodes.h) has sets of its own. The regions of a part of the table are of one node, so a
 * part's sets are the node's too.
 *
 * Locking: the zone's lock is held around every call, but in the child of a fork.
 */
#pragma once

#include "base/compiler.h"
#include "os/os.h"
#include "os/steps.h"
#include "pages/region.h"
#include "pages/zone.h"

/* The table has two levels, so that a small one is small: so many parts of so many regions. */
#define ZONE_PART ((size_t)512)

static_assert(ZONE_PART % 64 == 0, "a set is whole words");

/* A bit for each region of a part, or for each part. */
struct zone_set {
	uint64_t words[ZONE_PART / 64];
};

/* The free blocks of a node. */
struct zone_node {
	/* bit o: with[][o] is not empty; written atomically, for zone_is_ready() */
	uint16_t orders[STATES];
	struct zone_set with[STATES][ORDERS]; /* Z3: parts with such a region */
	size_t free_from;		      /* numbers below it are taken, or other nodes' */
};

struct zone {
	size_t slots;		/* numbers in use are below this */
	struct zone_node first; /* of node 0 */
	/* frees until a purge that was refused is tried again */
	unsigned purge_pause;
	/* the same of a look for a block that splits no huge page (thp_keep.h) that found none */
	unsigned look_pause;
	/* mappings are in RAM at once (mlockall), as the last one was: no page is clean */
	bool locked;
	bool refused;		 /* the system gave no memory when it was asked last */
	uint64_t scatter;	 /* what chance is drawn from; 0: blocks lie low */
	struct zone_sizes sizes; /* Z4 */
};

extern HIDDEN struct zone zone;

/* What is free of a node; NULL: no memory was mapped there so far. */
struct zone_node *zone_node(unsigned node);

/* The node that has the largest dirty block, or any where none has one. */
COLD struct zone_node *zone_dirtiest(void);

/* The least order that can be purged or unmapped: a hardware page. */
static inline unsigned zone_order_least(void)
{
	return log2_floor(os_page_size() >> PAGE_SHIFT);
}

/* The region of that number, or NULL. */
struct region *zone_region(size_t slot);

/* Of the node's regions with a block of that state and order, of which there must be one, that of
   the lowest number, or of the highest. */
struct region *zone_lowest(const struct zone_node *n, enum state state, unsigned order);
struct region *zone_highest(const struct zone_node *n, enum state state, unsigned order);

/* Of the node's first 16 regions with dirty blocks that may do, the lowest with a stretch of
   pages->count pages, aligned as for region_find(), that all are dirty, else the lowest with one of
   any free pages; sets pages->first. NULL when none has, and where all of those are clean and there
   is a dirty block instead. */
struct region *zone_find(const struct zone_node *n, unsigned align, struct pages *pages);

/* Gives a new region, of which the node is known, a number; false without memory. */
bool zone_note_region(struct region *r);

/* Takes a region of which nothing is mapped any more out of the table and the page map. */
COLD void zone_forget_region(struct region *r);

/* What a region was before it is changed. */
struct zone_change {
	struct region *region;
	uint16_t orders[STATES];
	unsigned free_pages, dirty_pages;
};
struct zone_change zone_change_begin(struct region *r);
void zone_change_end(const struct zone_change *before);

/* All of the zone, now and then (os/steps.h); its lock was released just now. */
static inline bool zone_check_step(void)
{
	static uint32_t left;

	return !step_is_due(&left, load_relaxed(&zone.slots) * REGION_PAGES) || zone_check();
}
