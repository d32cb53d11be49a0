/*
 * A huge object, one with a mapping of its own; a freed one that is kept is the same.
 *
 *	mem                 nbytes            dirty                      mapped
 *	 | the program's      | may hold memory |  untouched  ..........   |
 */
#pragma once

#include "base/compiler.h"
#include "base/list.h"
#include "os/lock.h"
#include "pages/pagemap.h"

#define HUGE_KEPT_MOST (32 * MIB) /* objects with more are not kept when they are freed */

struct huge {
	struct descriptor tag;
	struct link link; /* in use or kept; huge lock */
	char *mem;        /* huge lock */
	size_t nbytes;    /* usable; written by whoever holds the object, under the huge lock */
	size_t dirty, mapped; /* G3; huge lock */
};

struct huge_sizes {
	size_t count, nbytes;           /* in use */
	size_t most_count, most_nbytes; /* the highest these were */
	size_t kept;                    /* bytes of freed mappings that are kept, and in rooms */
	size_t made;                    /* objects so far */
};

extern HIDDEN struct lock huge_lock;
