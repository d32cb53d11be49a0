/*
 * Which threads there were, so that the stack of one that is gone is known: libc keeps it for the
 * next thread, with all that is on it. For option leak.
 *
 * A thread is noted by the address of libc's description of it, which lies at the end of the stack
 * that libc made for it; the word there that has its number is 0 when it is gone, and below 0 when
 * it was joined.
 */
#pragma once

#include "base/compiler.h"

/* From now on threads are noted; without memory none is. */
COLD void threads_start(void);

/* Notes the calling thread, if threads are noted and there is room. */
COLD void threads_note(void);

/* Calls visit with the description of each noted thread that is gone, as far as it is mapped and
   known to be gone. read_word reads a word of memory, false where it cannot. */
COLD void threads_visit_gone(bool (*read_word)(uintptr_t address, uint32_t *ret_word),
			     void (*visit)(uintptr_t thread, void *arg), void *arg);
