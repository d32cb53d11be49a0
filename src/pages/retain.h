/*
 * The one rule for giving memory back: free bytes that are kept in RAM for
 * reuse never exceed
 *
 *	max(retain_floor, live / retain_share)
 *
 * over free blocks, freed huge objects, big free chunks and top together.
 * Whoever frees reports here, and purges its own when told that the line is
 * crossed, down to half of it, so that the cost of purging is spread over as
 * many bytes freed.
 */
#pragma once

#include "base/compiler.h"
#include "base/options.h"

/* All in bytes; atomic, relaxed: each change is somebody's own. */
extern HIDDEN size_t retain_live;     /* in blocks, runs and huge objects handed out, brk included */
extern HIDDEN size_t retain_most;     /* the highest that retain_live was */
extern HIDDEN size_t retain_retained; /* free and resident */

static inline void retain_add_live(intptr_t nbytes)
{
	size_t live = add_relaxed(&retain_live, (size_t)nbytes) + (size_t)nbytes;

	if (live > load_relaxed(&retain_most))
		store_relaxed(&retain_most, live);
}

static inline void retain_add(intptr_t nbytes)
{
	add_relaxed(&retain_retained, (size_t)nbytes);
}

static inline size_t retain_limit(void)
{
	size_t share = load_relaxed(&retain_live) / options.retain_share;

	return share > options.retain_floor ? share : options.retain_floor;
}

/* How many bytes are to be purged now: 0 below the line, else what leads to half of it. */
static inline size_t retain_excess(void)
{
	size_t limit = retain_limit(), retained = load_relaxed(&retain_retained);

	return retained <= limit ? 0 : retained - limit / 2;
}
