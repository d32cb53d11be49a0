/*
 * Children of fork that still share the memory of this process: those that live, and have not
 * called exec.
 *
 *	a page of shared memory    +----------------+----------------+----- ...
 *	                           | begun | holder | begun | holder |
 *	                           +----------------+----------------+----- ...
 *
 * Each child holds a robust mutex there (os/robust.h), which the kernel marks when the child ends
 * or calls exec; so the parent sees by a load whether one is left. The price: a mapping of a page,
 * in processes that fork.
 *
 * All of it is a hint, and a child can write to all of the page. A child is not seen where the
 * table is full, or where it was made without handlers (_Fork, clone); it counts as gone as soon
 * as its first thread has ended. Emulators mark no mutexes: there it would count as alive for good.
 *
 * Locking: none. Two threads that fork at once may write the number of one to the place of the
 * other.
 */
#pragma once

#include "base/compiler.h"

/* In the parent, before every fork: the child is counted from now on, or is not. */
COLD void children_begin(bool counted);

/* In the child: it is counted in its parent until it ends, and has no children. */
COLD void children_enter(void);

/* Whether one is left. One that has not begun to run within a second is taken for gone. */
COLD bool children_live(void);
