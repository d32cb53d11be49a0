/*
 * background=1: a thread of loam's own does what is due while the program's threads sleep.  What is
 * given back unasked is otherwise given back by whoever allocates or frees next; a program that
 * does neither keeps what it learned to keep.
 *
 * The thread does this each decay_ms, takes no signal, and is called "loam".  It wakes each second,
 * if decay_ms is longer, to see whether it is the last.  Nothing waits for it: the process may end
 * while it runs.  When all other threads have called pthread_exit(), it ends within a second, and
 * so does the process, which only SIGKILL could end otherwise.
 */
#pragma once

#include "base/options.h"

/* Begins the thread; says so in a line where there can be none. */
COLD void background_start(void);

/* Does that where background=1 asks for it: at the start of a process, and in the child of a fork,
   which has lost the thread. */
ALWAYS_INLINE void background_start_if_asked(void)
{
	if (UNLIKELY(options.background))
		background_start();
}
