/*
 * Whether the process has one thread. Then nothing needs an atomic instruction, which takes as long
 * as twenty others, and waits for all stores before it.
 *
 * libc clears its word before it makes a second thread; its own malloc and C++'s shared_ptr go by
 * it, too. A thread that libc did not make cannot call libc, nor malloc.
 */
#pragma once

#include "base/compiler.h"

#include <sys/single_threaded.h>

ALWAYS_INLINE bool is_alone(void)
{
	return LIKELY(load_hot(&__libc_single_threaded));
}

/* add_relaxed() of a sum that no signal handler changes while its thread is inside loam. */
size_t add_inside(size_t *sum, size_t n);
