/*
 * What becomes of a fault at an address of loam's; only where an option asks for it.
 *
 * To the program it must be as if the handler were not there. A signal that was sent (raise, kill)
 * is no fault: it does what it would have done. After a fault the previous handler is called with the
 * same arguments, under its own mask; where there was none, the fault happens again under the default
 * action, so that exit status and core file are the same. A handler of the program's that replaced
 * loam's and calls it, as the previous one, stays in place.
 */
#pragma once

#include "base/compiler.h"

/* From now on SIGSEGV and SIGBUS ask `explain`, which says whether it knew the address; then they
   do what they did before. Once; where libc has no sigaction nothing happens. */
COLD void signals_catch(bool (*explain)(const void *address));
