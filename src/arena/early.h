/*
 * Memory for calls at which nothing else can be touched:
 *
 *  - before the dynamic linker has relocated loam, when an IFUNC resolver of
 *    another library calls malloc: nothing of libc can be called then, and no
 *    thread variable read;
 *  - in a signal handler that interrupted this thread's own slow path, or in code
 *    of others that it came to there: a tracer's, in the place of libc's munmap, say.
 *
 * Objects are cut one after the other and never reused; that is a few hundred
 * bytes in the programs that do this at all.  No lock: a compare-exchange moves
 * the end.
 */
#pragma once

#include "base/compiler.h"

/* Whether loam is relocated and thread variables can be read. */
bool early_is_over(void);

/* Zeroed memory, at a multiple of alignment; NULL without memory. */
COLD void *early_alloc(size_t alignment, size_t nbytes);

/* Bytes that the object has room for. */
COLD size_t early_usable(const void *mem);
