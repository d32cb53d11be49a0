/*
 * A robust mutex: the kernel marks it when the thread that holds it is gone, after its last
 * destructor, so that nobody needs to be told.  By libc's own functions, which keep the list that
 * the kernel reads; a program's or a preload's pthread_mutex_lock() may allocate.
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
};

/* Finds libc's functions.  Called once, at start. */
AT_START void robust_start(void);

/* Makes the calling thread the holder, whatever the mutex was before; false where libc has none. */
AT_START bool robust_hold_anew(struct robust *r);

/* Takes it if nobody holds it; never waits. */
enum robust_state robust_try(struct robust *r);

/* The holder lets go. */
void robust_release(struct robust *r);
