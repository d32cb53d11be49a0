/* The time by the kernel's vdso, not by libc's clock_gettime, which faketime and simulators
   replace. */
#pragma once

#include "base/compiler.h"

#include <time.h>

/* vdso: the address of its header; 0: there is none, and the system is called. */
AT_START void clock_start(uintptr_t vdso);

/* Nanoseconds by a clock of the system. */
uint64_t clock_read(clockid_t clock);
