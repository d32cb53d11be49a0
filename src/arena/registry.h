/*
 * All arenas of the process, and how threads come by them.
 *
 * The list only grows; an arena whose thread is gone waits in it until a new
 * thread adopts it whole, or one that frees to it tends it.  Nothing waits for
 * a thread that never comes.
 *
 * Locking: the registry lock for adding to the list; readers need none.
 */
#pragma once

#include "arena/arena.h"
#include "os/lock.h"

/* The initial thread's arena, the one whose top grows by brk. */
extern HIDDEN struct arena arena_main;

/* Makes arena_main the calling thread's. */
void registry_start(void);

/* An arena for a thread without one, for good or for now; NULL as arena_enter(). */
COLD struct arena *registry_bind(void);

/* arena_leave() of the common arena. */
COLD void registry_leave_common(void);

/*
 * The arena that the calling thread may change now, until arena_leave(): its own
 * (bound at its first call), or the common one, locked, for threads over
 * options.arena_max and such as could get none.  NULL when we are in a signal
 * handler that interrupted the thread between these two calls: then nothing
 * may be touched and no lock taken.
 */
ALWAYS_INLINE struct arena *arena_enter(void)
{
	struct arena *a = arena_mine;

	if (UNLIKELY(a == &arena_none))
		a = registry_bind();
	return LIKELY(a && arena_begin(a)) ? a : NULL;
}

ALWAYS_INLINE void arena_leave(struct arena *a)
{
	arena_end(a);
	if (UNLIKELY(a->shared))
		registry_leave_common();
}

/* Tends another arena if nobody holds it: drains its inbox and gives back what it does not need. */
void registry_tend(struct arena *a);

/* Tends one arena that nobody holds, each call another, if there is one. */
void registry_tend_next(void);

/* Every arena, newest first: a = registry_next(NULL), then registry_next(a), until NULL. */
struct arena *registry_next(const struct arena *a);

/* The arena of that number, below registry_count(). */
COLD struct arena *registry_at(size_t number);

/* Takes hold of an arena for a moment, if it is the caller's own, or nobody's, or the common
   one; false when another thread runs on it. */
bool registry_hold(struct arena *a);
void registry_let_go(struct arena *a);

size_t registry_count(void);

extern HIDDEN struct lock common_lock, registry_lock;

/* In the child of a fork at which another thread held one of the locks: the list of arenas is whole, and counted anew;
   the common arena may not be, so another will be made. */
COLD void registry_recover_list(void);
COLD void registry_recover_common(void);

/* In every child: the calling thread keeps its arena, idle arenas stay, all others are retired. */
COLD void registry_retire_others(void);
