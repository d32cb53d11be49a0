/*
 * A lock: one word that names its owner.
 *
 *	word   0: free; else thread_self() of the owner, | 1 when a thread waits
 *
 * Taking it and naming the owner are one step, so that a signal handler knows whether its own
 * thread holds the lock, and the child of a fork which locks are held by threads that it does not
 * have.
 *
 * A process of one thread takes and releases locks without an atomic instruction: a signal handler
 * that comes between has released what it took before its thread goes on.
 *
 * Locks have a rank and are taken in rising order; assert_level 1 proves it.
 */
#pragma once

#include "os/check.h"
#include "base/compiler.h"
#include "os/alone.h"

enum lock_rank {
	LOCK_START,	 /* the first call */
	LOCK_RECORD,	 /* the trace, while it is written */
	LOCK_PROFILE,	 /* the table of a heap profile */
	LOCK_QUARANTINE, /* freed objects that are not used again yet */
	LOCK_SAMPLED,	 /* slots of sampled objects */
	LOCK_RING,	 /* the ring of arenas */
	LOCK_CACHES,	 /* the list of thread caches */
	LOCK_ARENA,	 /* an arena */
	LOCK_DEPOT,	 /* the depot */
	LOCK_HUGE,	 /* the table of huge objects */
	LOCK_ZONE,	 /* the buddy of a zone */
	LOCK_METADATA,	 /* pools of descriptors, leaves of the page map */
	LOCK_LIMITS,	 /* what was read of the system's limits */
	LOCK_RANKS
};

struct lock {
	uintptr_t word; /* see above; atomic */
	uint8_t rank;	/* enum lock_rank; constant; 0 where the order is not proved */
};

/* All zero where nothing reads the rank, so that arrays of locks take no room in the file. */
#define LOCK_INIT(r)                                                                               \
	{                                                                                          \
		.rank = CONFIG_ASSERT >= 1 ? (r) : 0                                               \
	}

#define LOCK_FREE   ((uintptr_t)0)
#define LOCK_WAITED ((uintptr_t)1)

void lock_acquire(struct lock *lock);
void lock_release(struct lock *lock);
bool lock_held(const struct lock *lock);

/* Proofs of the order; at assert_level 1 only. */
void lock_note_taken(const struct lock *lock);
void lock_note_released(const struct lock *lock);

/* Wakes one that waits. */
void lock_wake(struct lock *lock);

/* Takes the lock if it is free, where other threads may; waited: they may sleep on it. */
ALWAYS_INLINE bool lock_take(struct lock *lock, uintptr_t waited)
{
	uintptr_t free = LOCK_FREE;

	if (!__atomic_compare_exchange_n(&lock->word, &free, thread_self() | waited, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	if (CONFIG_ASSERT >= 1)
		lock_note_taken(lock);
	return true;
}

/* Releases without waking a thread. Returns whether one waits: then lock_wake() must follow. */
ALWAYS_INLINE bool lock_leave(struct lock *lock)
{
	if (CONFIG_ASSERT >= 1)
		lock_note_released(lock);
	return __atomic_exchange_n(&lock->word, LOCK_FREE, __ATOMIC_RELEASE) & LOCK_WAITED;
}

/* lock_try() and lock_release() of a process of several threads. */
bool lock_try_shared(struct lock *lock);
void lock_release_shared(struct lock *lock);

ALWAYS_INLINE bool lock_try(struct lock *lock)
{
	if (UNLIKELY(!is_alone()))
		return lock_try_shared(lock);
	if (load_hot(&lock->word) != LOCK_FREE)
		return false;
	store_relaxed(&lock->word, thread_self());
	KEEP_ORDER();
	if (CONFIG_ASSERT >= 1)
		lock_note_taken(lock);
	return true;
}

/* Lets a thread that sleeps have the lock, which the caller holds, first: releases it, sleeps until
   the other has had it, 1 ms at most, and takes it again. What the lock protects may have changed
   then. Does nothing where none sleeps. */
void lock_yield(struct lock *lock);

/* lock_release() where a call would cost as much again. */
ALWAYS_INLINE void lock_release_inline(struct lock *lock)
{
	if (UNLIKELY(!is_alone()))
		return lock_release_shared(lock);
	if (CONFIG_ASSERT >= 1)
		lock_note_released(lock);
	KEEP_ORDER();
	store_relaxed(&lock->word, LOCK_FREE);
}

/* Nobody takes the lock from now on, and lock_try() says that it is held. */
COLD void lock_close(struct lock *lock);

/* In a child: frees a lock that a thread which does not exist here held, and is true: what it
   protects may be half changed. */
COLD bool lock_recover(struct lock *lock);

/* Called before a lock is waited for, unless NULL: its owner may not exist in this process.  Set at
   start. */
extern HIDDEN void (*lock_before_wait)(void);

/* How often a thread found a lock taken and waited for it. */
extern HIDDEN size_t lock_waits;
