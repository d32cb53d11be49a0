/*
 * All arenas of the process, as a ring, and which of them a thread uses.
 *
 * As in ptmalloc, a thread uses the arena that it used last. If that is locked, it takes the next
 * one that is not. If all are locked, it makes a new one while there are fewer than
 * options.arena_max (by default one a processor), else it waits. So threads that do not collide
 * share arenas. A new thread begins with the next arena of the ring, or with one that is made where
 * there are more than RING_THREADS threads for each: what a thread allocates before it collides
 * goes home to that arena for as long as it lives. Only the main arena grows by brk, and not where
 * the process's malloc is another: that one grows by brk as well. Arenas are never freed.
 *
 * Where threads run on several NUMA nodes (pages/nodes.h), each arena is of the node on which it
 * was made, and a thread uses those of its own node, of which there is one at least. A thread that
 * was moved to another node finds out where it looks what is due (cache/upkeep.h), or where its
 * arena is locked.
 *
 * Locking: the ring lock for adding an arena; readers need none.
 */
#pragma once

#include "arena/arena.h"
#include "os/check.h"

/* Threads that begin with one arena: where many begin, they need not collide first. */
#define RING_THREADS 4

extern HIDDEN struct arena arena_main;

/* The arena that kept more runs than it may last; NULL: none did. A hint, release-published. */
extern HIDDEN struct arena *ring_surplus;

/* For observe/figures.c alone; others call ring_next(). */
extern HIDDEN struct arena *ring_all;

/* Puts arena_main into the ring. brk: no other heap of the process grows by brk. */
AT_START void ring_start(bool brk);

/* ring_lock() and ring_lock_this() where the arena is locked already. */
struct arena *ring_lock_another(struct arena **arena);
bool ring_wait(struct arena *a);

/* Locks an arena for the caller: *arena, which the thread used last, or another one, which
   *arena then is. NULL only in a forked child in which all arenas are retired, without memory
   for a new one. */
ALWAYS_INLINE struct arena *ring_lock(struct arena **arena)
{
	/* once: threads without memory for a cache share one */
	struct arena *a = load_acquire(arena);

	ASSERT(a);
	return LIKELY(lock_try(&a->lock)) ? a : ring_lock_another(arena);
}

/* The arena that a new thread, the nthreads-th, uses first: one that is made, if there are
   RING_THREADS threads for each and may be more, else the next in the ring. */
struct arena *ring_join(size_t nthreads);

/* Makes *arena one of the node that the calling thread runs on; it stays where there is no memory
   for one. To be called where there are several nodes, and no lock is held. */
COLD void ring_follow(struct arena **arena);

/* Locks this arena. False when it is retired: what belongs to it is lost. */
ALWAYS_INLINE bool ring_lock_this(struct arena *a)
{
	return LIKELY(lock_try(&a->lock)) || ring_wait(a);
}

/* Locks this arena if that needs no waiting. False when it is locked or retired. */
static inline bool ring_try(struct arena *a)
{
	return lock_try(&a->lock);
}

ALWAYS_INLINE void ring_unlock(struct arena *a)
{
	ASSERT(lock_held(&a->lock) && !a->retired);
	ASSERT_SLOW(arena_check_step(a));
	lock_release_inline(&a->lock);
}

/* Every arena, newest first: a = ring_next(NULL), then ring_next(a), until NULL. */
struct arena *ring_next(const struct arena *a);

#define ring_for_each(a) for (struct arena *a = NULL; (a = ring_next(a));)

/* The arena of that number, from 1 to ring_count(). */
COLD struct arena *ring_at(size_t number);

/* How many arenas there are. It is the newest one's number: they are numbered from 1, and never
   freed. */
size_t ring_count(void);

/* The last attempt before malloc returns NULL: a free chunk or slab object of any arena that holds
   req bytes, of any size; maps no memory. An arena may have much that it cannot give back,
   because of what lies around it, or that other classes have. */
COLD void *ring_alloc_held(size_t alignment, size_t req);

extern HIDDEN struct lock ring_list_lock;

/* In every child: retires the arenas that another thread had locked, since they may be half
   changed. */
COLD void ring_retire_locked(void);

/* It is never used again. */
COLD void ring_retire(struct arena *a);
