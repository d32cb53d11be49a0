/*
 * The zones: regions of page frames under one lock, each a buddy allocator.
 *
 * Each NUMA node has a zone of its own (nodes.h): blocks are taken from regions of the node that
 * the calling thread runs on, and go back to their region whoever frees them. Only where the system
 * refuses memory a block of another node is taken. The table of regions, the sums and the lock are
 * of all zones together.
 *
 * Blocks have 2^order pages, order 0 (one page) to 10 (1,024 pages, a region).  Dirty free blocks
 * are taken before clean ones, since they cost nothing more, and older regions before newer ones,
 * so that the newest empty.  What may stay dirty is the rule of retain.h; the largest blocks of the
 * newest regions are purged first, from their ends. A block that is given back has four times its
 * size purged at most, so that no call takes long.
 *
 * Two pages and more are taken from a stretch of free pages, whether these make a block or not, if
 * they need no alignment, or one of at least their size and at most 64 pages. Else pages in RAM
 * would stay unused while clean blocks are faulted in: 40 pages cut from a block of 64 leave 24,
 * which serve no other 40; and a first slab of 16 pages, aligned like one of 64, could not lie
 * before 48 pages in use. zone_find() looks in the first 16 regions with dirty blocks that may do,
 * for a stretch that is dirty throughout, else for the lowest of any pages. A block is cut where
 * there is none, or only clean ones while there are dirty blocks.
 *
 * Memory is mapped when a block is wanted and none is free, in steps of a quarter to a half of what
 * is mapped, 1 to 64 MiB; where the system refuses that, in smaller ones down to the block itself.
 * Steps below a region fill its window piece by piece, since the system hands out addresses in a
 * row.
 *
 * Invariants, proved by zone_check(), beside those of its regions:
 *	Z1  slot i of the table holds the region whose number is i, or NULL;
 *	Z2  the page map notes each region at its address;
 *	Z3  a region is in the set of a state and order exactly when it has such a block;
 *	Z4  the sums are those of the regions;
 *	Z5  free pages have no tag;
 *	Z6  a region is of the node of its part of the table.
 *
 * Locking: one lock, taken here in every function, for a block, never for an object.  For
 * zone_recover(), regions are whole, up to what region_rebuild() does, after each single store; the
 * page map notes no region that is not in the table; and a block is not owned any more before it is
 * unmapped.
 */
#pragma once

#include "base/compiler.h"
#include "os/lock.h"
#include "pages/region.h"

/* A block of 2^order pages, aligned to its size, its pages ready to be tagged; NULL when the system
   refuses. *ret_clean says that all of it reads as zero. */
void *zone_alloc(unsigned order, bool *ret_clean);

/* Whether a block of that order can be had without a call of the system; another thread may take it
   first. */
bool zone_is_ready(unsigned order);

/* Whether each page that is mapped counts, though nothing was written to it: the address space is
   limited, memory is locked, or the system gave none when it was asked last. Then what is left of a
   block that was cut may be a loss. For any thread, and perhaps a moment old. */
bool zone_is_scarce(void);

/* Maps the first step if nothing is mapped, so that zone_is_ready() for what is wanted first. */
void zone_start(void);

/* Gives a block back, of which the first `touched` bytes may have been written since
   it was allocated.  Its tags must be cleared. */
void zone_free(void *block, unsigned order, size_t touched);

/* npages pages, at most 1,024, aligned to 2^align_order pages. */
void *zone_alloc_pages(size_t npages, unsigned align_order, bool *ret_clean);

/* The same of npages that are going to be extended: cut from a block of up to 2^room_order pages,
   as large as can be had.  More is mapped for that only where half of what is mapped is in use. */
COLD void *zone_alloc_with_room(size_t npages, unsigned room_order, bool *ret_clean);

void zone_free_pages(void *mem, size_t npages);

/* From now on blocks are split off where nobody can foretell; the number is not 0, and secret. */
COLD void zone_scatter(uint64_t secret);

/* Takes the pages that follow [mem, mem + npages) too, up to new_npages; false if they are not
   free. */
COLD bool zone_extend_pages(void *mem, size_t npages, size_t new_npages);

/* Purges dirty free blocks, or the end of one, until nbytes are purged, or 4 MiB, or none is left;
   the bytes. SIZE_MAX: all that is dirty at the call, parts of huge pages included (pages/thp.h);
   threads that sleep for the zone have it after each 4 MiB. */
size_t zone_purge(size_t nbytes);

/* Unmaps regions that are wholly free, and if wanted free blocks in others, the largest first,
   while loam has fewer mappings than it may take (os/mappings.h); the bytes unmapped. */
COLD size_t zone_unmap_free(bool blocks);

/* Whether the page at an address, of any bit pattern, is mapped and a region's. For any thread, and
   perhaps a moment old. */
bool zone_owns(const void *mem);

/* Whether an address, of any bit pattern, lies in a free block. */
COLD bool zone_is_free(const void *mem);

/* All in bytes but the counts. */
struct zone_sizes {
	size_t mapped, free_clean, free_dirty;
	size_t regions, takes, splits, merges, purged;
	size_t stretches; /* of addresses that the zone has */
	size_t steps;	  /* in which they were mapped: each may be a mapping of the system's */
};
void zone_sizes(struct zone_sizes *ret_sizes);

/* Calls visit for each stretch of pages with the same tag, the zone locked. */
LATER void zone_visit(void (*visit)(struct descriptor *tag, char *mem, size_t nbytes, void *arg),
		      void *arg);

COLD bool zone_check(void);

extern HIDDEN struct lock zone_lock;

/* In the child of a fork at which another thread held the lock.  Blocks that threads had taken and
   not yet used, or not yet given back, stay taken: at most one each. */
COLD void zone_recover(void);
