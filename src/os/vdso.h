/* The time, and where a thread runs, by the kernel's vdso: not by libc's functions, which faketime
   and simulators replace, and without a system call. */
#pragma once

#include "base/compiler.h"

#include <time.h>

/* vdso: the address of its header; 0: there is none. */
AT_START void vdso_start(uintptr_t vdso);

/* Nanoseconds by a clock of the system, which is called where the vdso does not say. */
uint64_t vdso_clock(clockid_t clock);

/* The numbers of the processor that the calling thread runs on, and of its NUMA node; both 0 where
   the vdso does not say, as on AArch64. The thread may run elsewhere a moment later. */
void vdso_where(unsigned *ret_cpu, unsigned *ret_node);
