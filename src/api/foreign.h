/*
 * Pointers that are not loam's.  A plugin that was bound to libc's allocator, or a program with
 * a malloc of its own, has memory of another heap that may reach loam's free.  It is handed to
 * the next allocator of the process; where that cannot be its origin, it is reported.
 */
#pragma once

#include "base/compiler.h"

/* The next allocator: the one that the process would have without loam, or, if loam stands behind
   libc, the process's own. A function that it lacks is NULL. */
struct foreign_allocator {
	void (*free)(void *mem);
	void *(*realloc)(void *mem, size_t req);
	size_t (*usable_size)(void *mem);
	bool is_libc; /* free is libc's: the size of each block lies right before it */
};

/* Written by preload/foreign.c before main, then constant.  All NULL where nobody did: in a
   static program, and before constructors have run. */
extern HIDDEN struct foreign_allocator foreign_next;

/* The three calls for a pointer that the page map does not know, never NULL. */
void foreign_free(void *mem);
void *foreign_realloc(void *mem, size_t req);
size_t foreign_usable_size(void *mem);
