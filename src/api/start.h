/* How loam starts: at the first call, once, as soon as it is relocated. */
#pragma once

#include "api/fork.h"
#include "base/compiler.h"
#include "cache/cache.h"

extern HIDDEN bool start_done; /* start lock; release-published */

COLD bool start_first(void);

/* Whether the process's malloc is loam's (preload/front.c). NULL where nobody put loam's there. */
extern HIDDEN bool front_is_malloc(void) __attribute__((weak));

/* The constructors of preload/ have run: what is constant can be sealed (api/seal.h), now or when
   loam starts. */
COLD void start_constructed(void);

/* Where a slow path begins after load_hot(&fast_limit) was not 0: what start_once() did is seen
   from here on. */
ALWAYS_INLINE void start_seen(void)
{
	acquire_hot(&fast_limit);
	fork_notice();
}

/*
 * True when loam has started; starts it if that is possible yet.  False in the
 * time before relocation, and to the thread that is starting it; arena/early.h
 * serves both.  Every slow path of the interface begins with this, so it also
 * notices a forked child that ran no fork handlers.
 */
ALWAYS_INLINE bool start(void)
{
	if (UNLIKELY(!load_acquire(&start_done)))
		return start_first();
	fork_notice();
	return true;
}
