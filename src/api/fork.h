/* What fork means for the heap; see fork.c.  preload/fork.c hands the three handlers to libc. */
#pragma once

#include "base/compiler.h"

/* Its target reads as 0 in a child, until that was noticed. */
extern HIDDEN uint32_t *fork_generation;

/* Puts things right in a child that ran no handlers (_Fork, clone). */
COLD void fork_recover(void);

/* Finds the page that a child sees wiped.  Called once, at start. */
void fork_start(void);

/* The same where that was not done yet; else costs two loads. */
ALWAYS_INLINE void fork_notice(void)
{
	if (UNLIKELY(!load_relaxed(fork_generation)))
		fork_recover();
}

/* Takes every lock, in rank order.  Handlers of the program that run later may still allocate. */
void loam_prefork(void);

/* Frees them again. */
void loam_postfork_parent(void);

/* The same, and retires the arenas of threads that do not exist here. */
void loam_postfork_child(void);
