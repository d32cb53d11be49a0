/*
 * Kept runs: those that were freed to an arena last. The next request of about the size of one
 * takes it without the zone's lock and without new tags.
 *
 * A kept run stays tagged, and its descriptor says that it is kept, so that a double free is seen.
 * One with fences has its mark, which is looked at when the run is taken or goes back to the zone;
 * one that has grown too large to serve another such request loses its fences when it is kept.
 *
 * Its bytes are retained memory: when the rule of pages/retain.h allows no more, all kept runs of
 * the arena go back to the zone.
 *
 * The counters of pages/retain.h are updated lazily: raised when more is kept than was reported,
 * lowered when it is more than RUNS_SLACK below that, and corrected at each 256th slow path. So a
 * program that takes and frees the same run writes to no counter that other threads write to; for
 * the rule such a run counts as retained all the time.
 *
 *	run[]	 oldest ... newest | NULL ...
 *		 0                  count
 *
 * Invariants, proved by runs_check():
 *	R1  run[] below count are runs whose descriptor says that they are kept, the others NULL;
 *	R2  kept is the sum of their pages; retained is kept, or up to RUNS_SLACK more;
 *	R3  one with fences has its mark, and RUN_MARKED_PAGES at most.
 *
 * Locking: the caller holds the arena.
 */
#pragma once

#include "pages/run.h"

#define RUNS_SLOTS 16

/* In pages: what all kept runs have at most, unless there is only one; and how much less that may
   be than what retain.h counts for them. */
#define RUNS_KEPT  (MIB >> PAGE_SHIFT)
#define RUNS_SLACK (MIB >> PAGE_SHIFT)

/* Runs that a thread takes at once from the arena that had too many: one to use, and the others for
   its own. */
#define RUNS_MOVED 8

struct runs {
	struct run *run[RUNS_SLOTS]; /* R1 */
	size_t kept, retained;	     /* R2; in pages */
	uint32_t count;
};

/* Whether a kept run serves a request: it has npages, and at most an eighth too much. For one
   that is too small the difference wraps. */
static inline bool runs_fits(const struct run *run, size_t npages)
{
	return 8 * (run->npages - npages) <= npages;
}

/* How many runs of npages may be kept before any must go for that. */
static inline uint32_t runs_room(const struct runs *rs, size_t npages)
{
	return (uint32_t)smaller(RUNS_SLOTS - rs->count, minus(RUNS_KEPT, rs->kept) / npages);
}

/* Takes out the newest kept run that fits npages and lies at a multiple of alignment, or NULL. */
struct run *runs_take(struct runs *rs, size_t npages, size_t alignment);

/* The fast path of runs_take(): takes the newest run, if it fits and no counter must be
   corrected for that. NULL otherwise, with nothing done. One with fences still has its mark; none
   has that fits more than RUN_MARKED_PAGES. */
ALWAYS_INLINE struct run *runs_take_newest(struct runs *rs, size_t npages)
{
	uint32_t count = rs->count;
	struct run *run;
	size_t kept;

	if (!count--)
		return NULL;
	run = rs->run[count];
	if (UNLIKELY(!runs_fits(run, npages)))
		return NULL;
	ASSERT(run->kept && rs->kept >= run->npages); /* R1, R2 */
	kept = rs->kept - run->npages;
	IN_REGISTER(kept);
	if (UNLIKELY(rs->retained - kept > RUNS_SLACK))
		return NULL;
	rs->count = count;
	rs->run[count] = NULL;
	rs->kept = kept;
	store_relaxed(&run->kept, false);
	return run;
}

/* Takes out a kept run of at least npages and cuts it to that, as run_resize() does, so that it can
   grow in place again; NULL when there is none. It has no fences. */
struct run *runs_take_larger(struct runs *rs, size_t npages);

/* Whether a run that grows should be copied to a kept one instead of growing in place: it is small,
   and there is one of four times its size, whose memory is in RAM. */
bool runs_have_room(const struct runs *rs, const struct run *run);

/* Keeps a run. Returns whether there were too many: then the oldest went back to the zone. */
bool runs_keep(struct runs *rs, struct run *run);

/* The fast path of runs_keep(): keeps the run, if no other must go and no counter must be corrected
   for that. False otherwise, with nothing done. One with fences has at most RUN_MARKED_PAGES, and
   its mark. */
ALWAYS_INLINE bool runs_push(struct runs *rs, struct run *run)
{
	size_t kept = rs->kept + run->npages;

	ASSERT(!run->kept && run->tag.kind == KIND_RUN);
	ASSERT(!run->usable || (run->npages <= RUN_MARKED_PAGES && run_is_marked(run)));
	if (UNLIKELY(rs->count == RUNS_SLOTS || kept > RUNS_KEPT || kept > rs->retained))
		return false;
	rs->run[rs->count++] = run;
	rs->kept = kept;
	store_relaxed(&run->kept, true);
	return true;
}

/* Corrects what retain.h counts. Gives all kept runs back if that is more than the rule allows. */
void runs_settle(struct runs *rs);

/* Gives all kept runs back to the zone. */
void runs_flush(struct runs *rs);

COLD bool runs_check(const struct runs *rs);
