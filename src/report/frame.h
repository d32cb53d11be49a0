/*
 * Whether an address lies on the calling thread's stack, as the maps of the process say; for
 * reports, and where one may follow.
 */
#pragma once

#include "base/compiler.h"

/* Whether an address lies above this call on the stack that the caller runs on.  Certain for the
   stack of a thread.  Nothing says where a stack ends that the program made (a coroutine's, a
   signal handler's): false when in doubt, and when the maps cannot be read. */
COLD bool frame_holds(const void *address);
