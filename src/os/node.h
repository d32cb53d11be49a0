/* Where a thread runs, by the kernel's vdso: no system call is made. */
#pragma once

#include "base/compiler.h"

/* vdso: the address of its header; 0: there is none. */
AT_START void node_start(uintptr_t vdso);

/* The numbers of the processor that the calling thread runs on, and of its NUMA node; both 0 where
   the vdso does not say, as on AArch64. The thread may run elsewhere a moment later. */
void node_read(unsigned *ret_cpu, unsigned *ret_node);
