/*
 * A run: a whole number of pages, at most a region, given to the program as one object.  It is cut
 * from the smallest block that holds it, and the rest goes back at once.  It grows into the pages
 * behind it while those are free; so one that is known to grow is cut from a larger block, if there
 * is one, whose rest is as free as before.
 */
#pragma once

#include "base/compiler.h"
#include "pages/pagemap.h"

#define RUN_MAX REGION_SIZE

/* How large a run that grows may become where it is, unless others take the pages. */
#define RUN_ROOM MIB

struct run {
	struct descriptor tag;
	char *mem;
	size_t npages; /* written by whoever holds the object */
	bool kept;     /* freed, and kept by an arena (arena/runs.h) */
};

/* nbytes (rounded up to pages, at most RUN_MAX) at a multiple of alignment (at most RUN_MAX);
   NULL without memory.  *ret_zero says that all reads as zero. */
void *run_alloc(size_t nbytes, size_t alignment, bool *ret_zero);

/* The same for one that is going to grow. */
void *run_alloc_with_room(size_t nbytes, bool *ret_zero);

void run_free(struct run *run);

/* Makes room for nbytes in place; false, and all as before, if that cannot be. */
bool run_resize(struct run *run, size_t nbytes);

static inline size_t run_pages(size_t nbytes)
{
	return (nbytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

static inline size_t run_usable(const struct run *run)
{
	return load_relaxed(&run->npages) << PAGE_SHIFT;
}

/* Runs made so far; those that are there now, kept ones too, and their pages. Atomic. */
extern HIDDEN size_t runs_made, runs_now, runs_pages_now;
