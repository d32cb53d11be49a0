/*
 * A robust mutex: the kernel marks it when the thread that holds it is gone, after its last
 * destructor, so that nobody needs to be told.  By libc's own functions, which keep the list that
 * the kernel reads; a program's or a preload's pthread_mutex_lock() may allocate.
 *
 * The kernel does not mark all: it may not know libc's list (emulators and filters refuse
 * set_robust_list, and a program may set a list of its own), and it reads 2,048 entries of it at
 * most. But it always clears the word in which libc keeps the number of the thread, or else
 * pthread_join() would wait for ever. So robust_ask() looks at that word, which may be unmapped by
 * then: by a futex operation (os_word_is), since futexes are what every filter must allow.
 *
 * Where the word is in libc's description of a thread is not public. It is where two threads in a row
 * have been seen to have their numbers. The first thread's is not enough: in a container its number
 * is 1, as other words are.
 *
 * Locking: the caller holds a lock in robust_try() and robust_ask(). Else one that asks could read
 * the number of a thread that is gone in a mutex which another has just taken over.
 */
#pragma once

#include "base/compiler.h"

#include <pthread.h>

enum robust_state {
	ROBUST_BUSY,  /* somebody holds it */
	ROBUST_HELD,  /* the caller does now */
	ROBUST_GONE   /* the caller does now, and the thread before is gone without release */
};

struct robust {
	pthread_mutex_t mutex;
	const char *thread; /* the last holder's pthread_self(); NULL: its number is not found there */
	uint32_t number;    /* the last holder's */
};

/* Finds libc's functions.  Called once, at start. */
AT_START void robust_start(void);

/* Makes the calling thread the holder, whatever the mutex was before; false where libc has none. */
AT_START bool robust_hold_anew(struct robust *r);

/* Takes it if nobody holds it, as far as the kernel has marked it; never waits. */
enum robust_state robust_try(struct robust *r);

/* Takes one that is busy, if its holder is gone without a mark. Costs a system call. */
COLD enum robust_state robust_ask(struct robust *r);

/* The holder lets go. */
void robust_release(struct robust *r);
