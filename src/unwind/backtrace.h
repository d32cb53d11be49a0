/*
 * The return addresses on the calling thread's stack: by unwind/unwind.h, or, where that finds none
 * (glibc 2.34, programs linked with -static), by libc's backtrace(). backtrace.c ships; tests link
 * os_sim_process.c in its place, where stacks are at the test's command.
 */
#pragma once

#include "base/compiler.h"

/* Makes libc's backtrace() ready too, which loads a library at its first call. */
COLD void backtrace_start(void);

/* Makes loam's own unwinder ready, and leaves libc's alone: where no library may be opened. */
COLD void backtrace_start_inside(void);

/* Not 0: the thread is in libc's backtrace(), or holds a lock that malloc waits for, as libc's does
   for its own: then that is left alone. */
extern HIDDEN __thread unsigned backtrace_shut __attribute__((tls_model("initial-exec")));

/* The return addresses, the innermost first; how many, 0 before either of these. */
COLD int backtrace_find(void **ret_frames, int most);
