/* What becomes of a fault at an address of loam's; only where an option asks for it. */
#pragma once

#include "base/compiler.h"

/* From now on SIGSEGV and SIGBUS ask `explain`, which says whether it knew the address; then they
   do what they did before. */
COLD void signals_catch(bool (*explain)(const void *address));
