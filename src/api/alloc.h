/* malloc and free with the hot path inlined: what preload/ and loam.h's functions are made of. */
#pragma once

#include "cache/fast.h"
#include "harden/fence.h"

/* malloc where the hot path gave up; NULL and ENOMEM without memory. */
void *malloc_slow(size_t req);

/* The same where it is to count first. */
void *malloc_counted(size_t req, size_t granule);

/* free of an object whose magazine is full. */
void free_full(void *mem);

/* free where the hot path gave up, all kinds of pointers; errno stays as it is. */
void free_slow(void *mem);

ALWAYS_INLINE void *malloc_inline(size_t req)
{
	return fast_malloc(&mine.libc, req, malloc_counted, malloc_slow);
}

/* Frees an object with a fence, if it has that size; reports in the name of call what has not.
   Elsewhere the size says nothing that the page map does not. */
COLD void free_fenced(void *mem, size_t size, const char *call);

ALWAYS_INLINE void free_inline(void *mem)
{
	fast_free(&mine.libc, mem, free_full, free_slow);
}
