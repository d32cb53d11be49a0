/*
 * Sampled objects: now and then an allocation has pages of its own, at the end of which nothing can
 * be read (option guard).  What is written or read behind it, or after it was freed, stops the
 * program there and then, and the report has the stacks of allocation and free.
 *
 *	slot                                  guard  slot
 *	+---------+---------------------+---+ +-----+------------
 *	| known bytes     object        |   | |     |
 *	+---------+---------------------+---+ +-----+------------
 *	          mem                   mem + size, up to a granule more
 *
 * One in options.guard allocations is sampled, as long as there is a slot: a fixed number of them,
 * the one that was freed longest ago first, so that freed ones stay unreadable for long.  All other
 * objects are served as ever; only the counting makes malloc a little longer.
 *
 * After Google's GWP-ASan.
 *
 * Locking: the lock of the slots, around their list.
 */
#pragma once

#include "pages/pagemap.h"

/* Whether allocations are counted; written once, at start. */
extern HIDDEN bool sampling;

/* From now on they are; a handler of SIGSEGV and SIGBUS reports what touches a slot that it must
 * not. */
COLD void sampled_start(void);

/* Whether the calling thread's next allocation is one to sample. */
bool sampled_is_due(void);

/* A sampled object, all zero; NULL when there is no slot for it. */
COLD void *sampled_alloc(size_t alignment, size_t req);

/* The size that was asked for; tag is that of its page.  Reports what is no object; SIZE_MAX then.
 */
COLD size_t sampled_size(const void *mem, struct descriptor *tag, const char *call);

/* Frees one.  Reports the same, and what was written around it. */
COLD void sampled_free(void *mem, struct descriptor *tag, const char *call);

bool sampled_locked(void); /* by the calling thread */
void sampled_prefork(void);
void sampled_postfork(void);
void sampled_recover(void);
