/* What fork means for the heap; see fork.c.  preload/fork.c has libc call the last three. */
#pragma once

#include "base/compiler.h"

/* Its target reads as 0 in a child, until that was noticed. */
extern HIDDEN uint32_t *fork_generation;

/* Puts things right in a child: locks that threads which do not exist here held are free, what they
   protect is whole, and the arenas of such threads are retired. */
COLD void fork_recover(void);

/* Finds the page that a child sees wiped.  Called once, at start. */
void fork_start(void);

/* The same as fork_recover() where that was not done yet; else costs two loads. */
ALWAYS_INLINE void fork_notice(void)
{
	if (UNLIKELY(!load_acquire(fork_generation))) /* another thread may have mended */
		fork_recover();
}

/* The same, in the child of a fork, whether or not that was noticed. */
COLD void fork_child(void);

/* In the parent, before a fork and after it: what pages they share is seen to
   (cache/shared_pages.h). */
COLD void fork_prepare(void);
COLD void fork_parent(void);
