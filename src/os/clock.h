/*
 * The time by the vdso, code of the kernel that reads it without a system call.  Found by ourselves:
 * faketime, and simulators, put a clock_gettime of their own in the place of libc's.
 */
#pragma once

#include "base/compiler.h"

#include <time.h>

/* Finds the vdso, whose header is at that address; 0: there is none, and the system is called. */
AT_START void clock_start(uintptr_t vdso);

/* Nanoseconds by a clock of the system. */
uint64_t clock_read(clockid_t clock);
