/*
 * The system calls that change mappings and the break, by libc's code: what registers memory with a
 * network card (UCX, Open MPI) writes jumps over its beginning, to see what is unmapped.  They may
 * lead to code that allocates, under the caller's locks.  Where there is no libc, or not yet, by
 * the system alone.
 *
 * A result is the kernel's: a value, or the negative of an error number.  errno stays.
 */
#pragma once

#include "base/compiler.h"

/* Finds libc's code.  Called once, at start. */
AT_START void calls_start(void);

/* Anonymous and private memory. */
long call_mmap(void *address, size_t nbytes, int protection, int flags);
long call_munmap(void *mem, size_t nbytes);
long call_mremap(void *mem, size_t old_nbytes, size_t new_nbytes, int flags, void *onto);
long call_madvise(void *mem, size_t nbytes, int advice);

/* By libc alone, whose own idea of the break must stay true. */
long call_sbrk(intptr_t nbytes);
