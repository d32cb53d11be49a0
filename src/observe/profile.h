/*
 * A sampled heap profile (option prof, `loam prof start`), which says what stacks allocated what is
 * in use, what they allocated so far, what they had at the peak, and for how long. It begins as the
 * process starts or at any time later, and what was allocated before it is not in it.
 *
 * An allocation is chosen by its bytes (observe/poisson.h). Each thread counts granules down to the
 * next sample, in steps of at most PROFILE_STEP. At the end of each step it looks whether another
 * profile began, so the fast path need not: a thread that counted for the profile before joins so
 * many bytes later, at most. Guarded objects (harden/sampled.h) are chosen in the same place.
 *
 * A sampled object is where it would be without. That it is freed is noticed in the slow
 * path: of an object of a slab, since its page has no hot word from then on (slab/slab.h); the free
 * of all others takes the slow path anyway. So frees of few objects beside it take the slow path,
 * too, and no other is slower. While there is no profile nothing of this costs an instruction on
 * the fast path: fast_limit (cache/cache.h) switches it.
 *
 * What a signal handler allocates in the middle of a call of loam's is not sampled, and counted as
 * lost; of what it frees there the sample stays, until the address is sampled or freed again.
 */
#pragma once

#include "harden/sampled.h"
#include "observe/samples.h"
#include "os/lock.h"

/* Whether a profile is being made; changed under the lock, else atomic. */
extern HIDDEN bool profiling;

/* How often that changed, by which a thread sees that its count is another profile's; likewise. */
extern HIDDEN uint64_t profile_number;

extern HIDDEN struct lock profile_lock;

#define PROFILE_RATE_MOST (64 * GIB)

/* From now on one of each `rate` bytes is sampled; what an earlier profile had is forgotten. False
   without memory. There is none at the moment, and watch_open() must follow (observe/watch.h). */
COLD bool profile_start(size_t rate);

/* From now on nothing is. What was sampled can be read until the next start, and stays as it is;
   how many samples that are. watch_open() must follow. */
COLD uint64_t profile_stop(void);

/* --- which allocations ----------------------------------------------------------------------- */

enum chosen { CHOSEN_GUARD = 1, CHOSEN_PROFILE = 2 };

/* What a request counts as. */
static inline size_t chosen_granules(size_t req)
{
	return req ? (req - 1) / GRANULE + 1 : 1;
}

#define PROFILE_STEP (64 * KIB)

/* Counts an allocation of the calling thread, for a profile and for guarded objects. True when one
   of the two counts has ended: chosen_for() says which. */
ALWAYS_INLINE bool choose(size_t granules)
{
	return UNLIKELY((mine.until_profiled -= (int64_t)granules) < 0) || sampled_count();
}

/* Who has chosen the allocation, which choose() has counted: a set of enum chosen. With
   CHOSEN_GUARD sampled_alloc() must follow, with CHOSEN_PROFILE profile_allocated(). */
COLD unsigned chosen_for(size_t granules);

/* Both, where allocations are counted at all. */
ALWAYS_INLINE unsigned chosen_now_and_then(size_t req)
{
	size_t granules = chosen_granules(req);

	return UNLIKELY(load_hot(&sampling)) && choose(granules) ? chosen_for(granules) : 0;
}

/* --- what becomes of them -------------------------------------------------------------------- */

/* Notes an allocation that was chosen; mem NULL: it failed. */
COLD void profile_allocated(const void *mem, size_t req);

/* Called before an object is freed, while profiling. */
COLD void profile_freed(const void *mem);

/* Called after an object became one of req bytes that lies at moved, without a copy; it had room
   for `room` bytes. */
COLD void profile_resized(const void *mem, const void *moved, size_t room, size_t req);
