/*
 * The runs that an arena freed last, kept whole: the next request of about
 * their size takes one without the zone's lock and without a new tag.
 *
 * They stay tagged, and say that they are kept, so that a second free is seen.
 * Their bytes are retained memory: when there is too much of that by the rule
 * of retain.h, all of the arena's go back to the zone.
 *
 * Locking: none; the arena's holder alone.
 */
#pragma once

#include "arena/arena.h"
#include "pages/run.h"

/* A kept run for npages, at a multiple of alignment, of which less than an eighth is too much;
   or NULL. */
struct run *run_cache_take(struct arena *a, size_t npages, size_t alignment);

/* Keeps a run; the oldest of those that were kept goes. */
void run_cache_keep(struct arena *a, struct run *run);

/* Gives all back to the zone. */
void run_cache_flush(struct arena *a);
