/*
 * The list of all thread caches, and who holds each.
 *
 * A new thread adopts the cache of one that is gone, with all that is in it, else makes one and
 * puts it first in the list, which a cache never leaves. Where a thread is gone and no new one
 * comes, another thread flushes its cache ("reaps" it) now and then. cache_bind() is declared in
 * cache.h, which calls it.
 *
 * Locking: readers of the list need none, since it is whole after each single store. The caches
 * lock is held to add to it, to try or release the mutex of another thread's cache, and to count
 * threads.
 */
#pragma once

#include "cache/cache.h"

/* Every cache, newest first: c = cache_next(NULL), then cache_next(c), until NULL. */
struct cache *cache_next(const struct cache *c);

/* For observe/figures.c alone; others call cache_next(). */
extern HIDDEN struct cache *cache_all;

extern HIDDEN struct lock caches_lock;

/* Asks every thread to flush its cache; each does so at its next slow path, or, where it was
   counting that just then, 256 later. */
COLD void cache_ask_all_to_flush(void);

/* Counts the thread of a cache as awake for the next AWAKE_TIME to twice that. Called when it
   begins and at each of its ticks, with os_clock(). Magazines become smaller the more threads are
   awake, not the more there are. */
void cache_note_awake(struct cache *c, uint64_t now);

#define AWAKE_TIME (2000 * OS_MS)

/* Looks at a few caches, each call at the next ones, until one of a thread that is gone is found,
   and flushes that. */
void cache_reap_next(void);

/* Flushes every cache whose thread is gone. */
COLD void cache_reap_all(void);

/* In every forked child: the calling thread keeps its cache. Those of other threads can be adopted,
   except where the thread was inside, and all of them where the caller is not the forker: they are
   lost. */
LATER void cache_recover(bool forker);
