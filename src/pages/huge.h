/*
 * Huge objects: those with a mapping of their own, over 4 MiB.
 *
 * Only the first page is tagged, since a tag a page would cost 2 MiB a GiB; an
 * address further in is found by the table, which nothing but a wrong pointer
 * asks for.  Freed mappings are kept under the rule of retain.h.  A request takes
 * the smallest of them that holds it, whose rest is kept on, or else the largest,
 * which is moved to where it can grow: what is in RAM is used again.  Objects over
 * HUGE_KEPT_MOST are given back at once: what a program does with so much costs
 * more than its page faults, and it may have touched little of it.
 *
 * Invariants, proved by huge_check():
 *	G1  the tag of an object's first page is its descriptor;
 *	G2  the sums are those of the objects in use.
 *
 * Locking: the huge lock, held around the table, not around system calls.
 */
#pragma once

#include "base/compiler.h"
#include "base/list.h"
#include "pages/pagemap.h"

#define HUGE_KEPT_MOST (32 * MIB)

struct huge {
	struct descriptor tag;
	struct link link; /* in use or kept; huge lock */
	char *mem;        /* huge lock */
	size_t nbytes;    /* of the mapping, all usable; written by whoever holds the object */
};

/*
 * NULL without memory.  *zero says before that zeros are wanted, and after that all reads as zero.
 * Zeros come from a new mapping: clearing a kept one would touch what may never be used.
 */
void *huge_alloc(size_t nbytes, size_t alignment, bool *zero);
void huge_free(struct huge *h);

/* The object, moved if need be, with room for nbytes; NULL, and all as before, without memory. */
void *huge_resize(struct huge *h, size_t nbytes);

/* The huge object that an address lies in, or NULL. */
struct huge *huge_around(const void *mem);

/* Unmaps kept ones, oldest first, until at least nbytes are; the bytes unmapped. */
size_t huge_purge(size_t nbytes);

struct huge_sizes {
	size_t count, nbytes;           /* in use */
	size_t most_count, most_nbytes; /* the highest these were */
	size_t kept;                    /* bytes of freed mappings that are kept */
	size_t made;                    /* objects so far */
};
void huge_sizes(struct huge_sizes *ret_sizes);

COLD bool huge_check(void);

bool huge_locked(void); /* by the calling thread */
void huge_prefork(void);
void huge_postfork(void);
void huge_recover(void);
