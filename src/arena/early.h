/*
 * Memory for allocations during which nothing else of loam may be touched:
 *
 *  - before the dynamic linker has relocated loam, when an IFUNC resolver of
 *    another library calls malloc: then nothing of libc may be called, and no
 *    thread variable read;
 *  - in a signal handler that interrupted its thread inside loam, or in other
 *    code that a slow path has called, such as a tracer's munmap.
 *
 * Objects are cut one after the other and never reused; programs that allocate
 * so take a few hundred bytes.
 *
 * Locking: none; a compare-exchange moves the end.
 */
#pragma once

#include "base/compiler.h"

/* Whether loam is relocated and thread variables can be read. */
bool early_is_over(void);

/* Zeroed memory, at a multiple of alignment; NULL without memory. */
COLD void *early_alloc(size_t alignment, size_t nbytes);

/* How many bytes were asked for the object; the program may use them. */
COLD size_t early_usable(const void *mem);
