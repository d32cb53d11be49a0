/*
 * A lock: one word that names its owner.
 *
 *	word   0: free; else thread_self() of the owner, | 1 when somebody waits
 *
 * That taking it and naming the owner are one step serves fork: a signal
 * handler that interrupted us at any instruction finds out whether the thread
 * it runs on holds the lock, and then does not wait for itself.  Between
 * lock_prefork() and lock_postfork() the forking thread may take the lock
 * again, because atfork handlers of the program may allocate.
 *
 * Waiters sleep on the half of the word that has the lowest bit.
 *
 * Locks have a rank and are taken in rising order; assert_level 1 proves it.
 */
#pragma once

#include "base/compiler.h"

enum lock_rank {
	LOCK_START,    /* the first call */
	LOCK_RECORD,   /* the trace, while it is written */
	LOCK_QUARANTINE, /* freed objects that are not used again yet */
	LOCK_SAMPLED,  /* slots of sampled objects */
	LOCK_COMMON,   /* the arena that several threads share */
	LOCK_REGISTRY, /* the list of arenas */
	LOCK_DEPOT,    /* crates from full magazines */
	LOCK_HUGE,     /* the table of huge objects */
	LOCK_ZONE,     /* the buddy of a zone */
	LOCK_METADATA, /* pools of descriptors, leaves of the page map */
	LOCK_RANKS
};

struct lock {
	uintptr_t word;  /* see above; atomic */
	uint8_t rank;    /* enum lock_rank; constant */
	bool forking;    /* held by lock_prefork(); the owner's */
	uint16_t nested; /* times taken again while forking; the owner's */
};

#define LOCK_INIT(r) {.rank = (r)}

void lock_acquire(struct lock *lock);
bool lock_try(struct lock *lock);
void lock_release(struct lock *lock);
bool lock_held(const struct lock *lock);

/*
 * Around fork().  lock_prefork waits for the lock.  In the parent and in a child
 * that ran fork handlers lock_postfork frees it again; without lock_prefork
 * before, it does nothing.
 */
void lock_prefork(struct lock *lock);
void lock_postfork(struct lock *lock);

/* In a child: true when a thread that does not exist here held the lock at the fork, so that
   what it protects may be half changed; the lock is then free. */
bool lock_recover(struct lock *lock);
