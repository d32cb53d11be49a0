/*
 * The runs that an arena freed last, kept whole: the next request of about
 * their size takes one without the zone's lock and without a new tag.
 *
 * They stay tagged, and say that they are kept, so that a second free is seen.
 * Their bytes are retained memory: when there is too much of that by the rule
 * of retain.h, all of the arena's go back to the zone.
 *
 * retain.h is told of more bytes only when more are kept than it was told of,
 * and of fewer when that are fewer by more than RUN_SLACK, or now and then: so a
 * program that takes and frees the same run changes no counter that other
 * threads change.  To the rule such a run is retained all the time.
 *
 *	runs[]	 oldest ... newest | NULL ...
 *		 0                  run_count
 *
 * Invariants, proved by run_cache_check():
 *	A6  runs[] up to run_count are runs that say that they are kept;
 *	A7  run_kept is the sum of their pages; run_told is that, or up to RUN_SLACK more.
 *
 * Locking: none; the arena's holder alone.
 */
#pragma once

#include "arena/arena.h"
#include "pages/run.h"

/* In pages: kept at most, unless by one; kept less than retain.h was told of, at most. */
#define RUN_KEPT  (MIB >> PAGE_SHIFT)
#define RUN_SLACK (MIB >> PAGE_SHIFT)

/* malloc and free where they need no more than a look at the arena's runs, or at huge objects that are
   kept; or else what slow does.  req is over CLASS_SIZE_MAX, mem any address. */
void *run_cache_malloc(size_t req, void *(*slow)(size_t));
void run_cache_free(void *mem, void (*slow)(void *));

/* A kept run for npages, at a multiple of alignment, of which less than an eighth is too much;
   or NULL. */
struct run *run_cache_take(struct arena *a, size_t npages, size_t alignment);

/* A kept run that is large enough for npages, cut to them, so that it can grow where it is; or
   NULL. */
struct run *run_cache_take_larger(struct arena *a, size_t npages);

/* Whether a run that grows had better be copied into a kept one, where it can grow on in memory that
   is there: it is small, and that one much larger. */
bool run_cache_has_room(const struct arena *a, const struct run *run);

/* Keeps a run; the oldest of those that were kept go. */
void run_cache_keep(struct arena *a, struct run *run);

/* Tells retain.h what is kept just now; gives all back if that is too much. */
void run_cache_settle(struct arena *a);

/* Gives all back to the zone. */
void run_cache_flush(struct arena *a);

COLD bool run_cache_check(const struct arena *a);
