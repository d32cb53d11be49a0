/* malloc and free with the fast path inlined: what preload/ and loam.h's functions are made of. */
#pragma once

#include "cache/fast.h"

#include <errno.h>

/* malloc where the fast path gave up; NULL and ENOMEM without memory. */
void *malloc_slow(size_t req);

/* free of an object whose magazine is full. */
void free_full(void *mem);

/* free where the magazine is closed to the fast path, or mem is no object of its class. */
void free_closed(void *mem, struct magazine *m, void (*slow)(void *mem));

/* free where the fast path gave up, all kinds of pointers; errno stays as it is. */
void free_slow(void *mem);

ALWAYS_INLINE void *malloc_inline(size_t req)
{
	return fast_malloc(&mine.libc, req, NULL, malloc_slow);
}

ALWAYS_INLINE void free_inline(void *mem)
{
	fast_free(&mine.libc, mem, free_closed, free_full, free_slow);
}

/* What a call returns that gets no memory. */
static inline void *out_of_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

/* What a call returns that was given a wrong argument. */
static inline void *invalid_argument(void)
{
	errno = EINVAL;
	return NULL;
}
