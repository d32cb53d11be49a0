/*
 * dlopen and dlmopen, written in the processor's own terms (dlopen.S): they
 * clear a flag and jump to libc's, so that libc sees the caller as the caller.
 * It asks where that is for $ORIGIN, RUNPATH and the namespace.  A call in C
 * could put us between the two, as it does at -O0.
 */
#pragma once

#include "base/compiler.h"

/* The flags that stay, and the addresses of libc's functions; 0 until found. */
extern HIDDEN int dlopen_mask;
extern HIDDEN uintptr_t dlopen_next, dlmopen_next;

/* Finds all three, at the first call. */
HIDDEN void dlopen_find(void);
