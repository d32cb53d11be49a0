/*
 * The system calls that change mappings and the break, by the code that libc has for them.  What
 * registers memory with a network card (UCX, Open MPI) writes jumps over the beginning of that code,
 * to see what is unmapped.  Where libc is not found yet, or not there, by the system alone.
 *
 * A result is the kernel's: a value, or the negative of an error number.  errno stays.  Such a jump
 * leads to code of others, which may allocate; the caller's locks are held meanwhile.
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

/* libc's sbrk, so that libc's own idea of the break stays true for the program's calls; there is no
   other way. */
long call_sbrk(intptr_t nbytes);
