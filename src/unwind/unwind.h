/*
 * The return addresses on a stack, by call frame information: what compilers write into .eh_frame
 * for exceptions and debuggers, and the unwinder of libgcc reads.
 *
 * libc's backtrace() finds the same, but its first call loads a library, which takes
 * the dynamic linker's lock, allocates, and must not be done while the dynamic linker itself
 * allocates. This loads and allocates nothing and takes no lock, so that it can begin in the middle
 * of any malloc. It needs _dl_find_object() of libc (glibc 2.35), which takes no lock either.
 *
 *	_dl_find_object(code) ---> .eh_frame_hdr: code, FDE; code, FDE; ...     sorted
 *	                                               |
 *	                           FDE: CIE, code, instructions                 one a function
 *	                           CIE: instructions, and how to read the FDE
 *
 * The instructions say, for each address of a function, where its frame ends (the CFA) and where it
 * has saved its caller's registers, by rules relative to that.
 *
 * A stack ends where there is no such information (code made at run time, assembler without it, a
 * program linked with -static), or one that no compiler writes.
 */
#pragma once

#include "unwind/cfi.h"

/* Makes unwind_stack() find stacks; false where libc has not what it needs. */
COLD bool unwind_start(void);

/* The return addresses on the calling thread's stack, the innermost first, at most so many; how
   many. *ret_whole is false where the stack goes on from there, or may. */
COLD int unwind_stack(void **ret_frames, int most, bool *ret_whole);

/* Whether a return address is where a signal handler returns to. */
COLD bool unwind_is_sigreturn(const void *frame);

/* The frame that called libc's exit() or quick_exit(); false where neither runs, or it is not found
   from here. */
COLD bool unwind_to_exit(struct frame *ret_frame);
