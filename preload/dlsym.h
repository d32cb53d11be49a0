/*
 * dlsym and dlvsym.  Foreign-function interfaces (ctypes, P/Invoke) ask a library's handle for
 * free, realloc or malloc_trim, and find libc's behind it: a free of what is loam's, a trim of an
 * empty heap. What is found by a handle and is one of libc's functions that loam stands in the
 * place of, is answered with loam's, or, where another allocator is in front of loam, with that
 * one's.
 *
 * RTLD_DEFAULT and RTLD_NEXT go on to the next dlsym by a jump (dlsym.S of the processor), so that
 * it sees the caller as the caller: it asks where that is.  By a handle it does not.
 */
#pragma once

#include "base/compiler.h"

/* The next functions of these names; 0 until found. */
extern HIDDEN uintptr_t dlsym_next, dlvsym_next;

/* Finds both at the first call, and returns where that call goes on: at one that finds nothing
   where there is no other, or not yet. */
HIDDEN uintptr_t dlsym_find(void);
HIDDEN uintptr_t dlvsym_find(void);

HIDDEN void *dlsym_of_handle(void *handle, const char *name);
HIDDEN void *dlvsym_of_handle(void *handle, const char *name, const char *version);
