/*
 * What is done before NULL is returned.  Where the system refuses, addresses are what is short, by a limit (RLIMIT_AS,
 * RLIMIT_DATA, strict overcommit) or in truth; so addresses are given back, and the request is tried again, after
 * each of RECLAIM_STEPS:
 *
 *	step 0   runs that the arena keeps, huge objects that are kept or have room, free blocks: cheap
 *	step 1   what is free in any arena that nobody else runs on: magazines and the depot, slabs,
 *	         inboxes, heaps and their tops
 *	at last  a free chunk of any of these, whatever the size
 *
 * No page is purged that keeps its address.  What arenas hold that other threads run on is out of reach.
 *
 * Locking: the caller has entered the arena.
 */
#pragma once

#include "arena/arena.h"

#define RECLAIM_STEPS 2

COLD void reclaim(struct arena *self, unsigned step);

/* An object from a free chunk.  A heap may have much that is free, and cannot give it back for what lies behind. */
COLD void *reclaim_chunk(struct arena *self, size_t alignment, size_t req);
