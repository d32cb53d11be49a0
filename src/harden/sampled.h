/*
 * Sampled objects: now and then an allocation has pages of its own, at the end of which nothing can
 * be read (option guard).  What is written or read behind it, or after it was freed, stops the
 * program there and then, and the report has the stacks of allocation and free.
 *
 *	guard  slot                                  guard  slot
 *	+----+ +---------+---------------------+---+ +-----+------------
 *	|    | | known bytes     object        |   | |     |
 *	+----+ +---------+---------------------+---+ +-----+------------
 *	                 mem                   mem + size, up to a granule more
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

#include "base/list.h"
#include "cache/cache.h"
#include "os/lock.h"
#include "report/stack.h"

/* What a slot holds; for observe/figures.c, and harden/sampled.c. */
struct slot {
	struct descriptor tag;
	struct link link; /* in the list while free */
	char *start;	  /* constant */
	char *mem;	  /* NULL: never used */
	size_t size;
	bool in_use;
	struct stack allocated, freed;
};

/* Whether objects are sampled. */
COLD bool sampled_is_on(void);

/* From now on they are. From the first sampled object on a handler of SIGSEGV and SIGBUS reports
   what touches a slot that it must not. */
COLD void sampled_start(void);

/* Counts an allocation of the calling thread's; true: sampled_alloc() is to be asked for it. */
ALWAYS_INLINE bool sampled_count(void)
{
	return UNLIKELY(--mine.until_sampled == 0);
}

/* A sampled object, all zero; NULL when there is no slot for it, or the thread had yet to begin
   counting. */
COLD void *sampled_alloc(size_t alignment, size_t req);

/* The size that was asked for; tag is that of its page.  Reports what is no object; SIZE_MAX then.
 */
COLD size_t sampled_size(const void *mem, struct descriptor *tag, const char *call);

/* Frees one.  Reports the same, and what was written around it. */
COLD void sampled_free(void *mem, struct descriptor *tag, const char *call);

/* The object that the slot of a page's tag has or had last, NULL: none yet; for reports. */
COLD const void *sampled_around(const struct descriptor *tag, size_t *ret_size, bool *ret_in_use);

/* Calls visit for each that is in use. */
COLD void sampled_visit(void (*visit)(const void *mem, size_t nbytes, void *arg), void *arg);

extern HIDDEN struct lock sampled_lock;

/* In the child of a fork at which another thread held the lock: the list is mended.  A slot that
   was on its way is lost. */
COLD void sampled_recover(void);
