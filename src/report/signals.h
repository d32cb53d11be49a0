/* What becomes of a fault at an address of loam's; only where an option asks for it. */
#pragma once

#include "base/compiler.h"

/*
 * From now on SIGSEGV and SIGBUS that a fault raised ask `explain`, which says whether it knew the
 * address; then these and those that were sent do what they did before: a handler that the program
 * has is called, or the process ends by the signal.  A signal that is ignored stays ignored.
 *
 * What the program cannot but see is the handler, when it asks for the one in place.
 */
COLD void signals_catch(bool (*explain)(const void *address));
