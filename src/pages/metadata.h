/*
 * loam's own memory: pools of equal objects (descriptors, regions, arenas) in mappings of their
 * own, between unreadable pages.  They never go back, and an object that is freed stays of its type
 * for ever, so a reader that comes late still finds a descriptor, if an empty one.
 */
#pragma once

#include "base/compiler.h"
#include "os/lock.h"

struct pool {
	size_t size;	  /* of an object; a multiple of CACHE_LINE; constant */
	void *free;	  /* freed objects, linked through their last word; metadata lock */
	bool dirty;	  /* objects that were used before are not zeroed; constant */
	uint32_t refused; /* by pool_alloc_patiently(), in a row; a race costs nothing */
};

/* How often in a row a system call that loam can do without is put off before it is made: a program
   that forbids itself all (seccomp's strict mode) would be killed for it. */
#define PATIENCE 8

#define POOL_INIT(type)                                                                            \
	{                                                                                          \
		.size = (sizeof(type) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1)                \
	}

/* A zeroed object on lines of cache of its own, or NULL when the system refuses. Of a `dirty` pool
   what was used before is as it was left. */
void *pool_alloc(struct pool *pool);
void pool_free(struct pool *pool, void *object);

/* The same for what can be done without: also NULL where the system would have to be asked, see
   PATIENCE. */
void *pool_alloc_patiently(struct pool *pool);

/* Whether an object can be had without a call of the system; another thread may take it first. */
bool pool_is_ready(const struct pool *pool);

/* Zeroed memory that is never given back, for tables; NULL when refused. */
void *metadata_alloc(size_t nbytes);

/* Bytes mapped for metadata so far; read relaxed. */
extern HIDDEN size_t metadata_bytes;

/* Held around every change of a pool, and while options become writable (api/seal.c).  What it
   protects is whole after each single store: the child of a fork has nothing to mend, but an object
   that was on its way is lost. */
extern HIDDEN struct lock metadata_lock;
