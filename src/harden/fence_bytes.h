/*
 * The bytes of an object with a fence (harden/fence.h): the trailer at its end, and the fence
 * between the program's bytes and that.
 */
#pragma once

#include "base/bits.h"
#include "base/compiler.h"

#define TRAILER	    sizeof(uint64_t)
#define WORD	    sizeof(uint64_t) /* sizes and offsets but the program's are multiples of it */
#define FENCE_LEAST ((size_t)8)
#define FENCE_MOST  ((size_t)64)

static_assert(FENCE_LEAST % WORD == 0 && FENCE_MOST % WORD == 0, "fences are laid by words");

/* Written once, at start. */
extern HIDDEN uint64_t fence_secret;

/* What an address' trailer is encoded with; its complement is that of a free object. */
ALWAYS_INLINE uint64_t key_of(const void *mem)
{
	return mix64((uintptr_t)mem ^ fence_secret);
}

static inline uint64_t *trailer_of(const void *mem, size_t usable)
{
	return (uint64_t *)((char *)mem + usable - TRAILER);
}

/* Read and written whole: who frees the object behind looks at it too. */
static inline uint64_t trailer(const void *mem, size_t usable)
{
	return load_relaxed(trailer_of(mem, usable));
}

static inline void set_trailer(const void *mem, size_t usable, uint64_t value)
{
	store_relaxed(trailer_of(mem, usable), value);
}

static inline size_t fence_end(size_t size, size_t usable)
{
	size_t least = align_up(size, WORD) + FENCE_MOST;

	return least < usable - TRAILER ? least : usable - TRAILER;
}

static inline uint64_t *word_at(const void *mem, size_t i)
{
	return (uint64_t *)((char *)mem + i);
}

static inline bool is_zero(const void *mem, size_t from, size_t end)
{
	uint64_t any = 0;

	for (size_t i = from; i < end; i += WORD)
		any |= *word_at(mem, i);
	return !any;
}

/* Lays the fence of an object of that size, and its trailer. */
void lay_fence(void *mem, size_t size, size_t usable);

/* The first byte of the fence that is not as it was laid, or its end. */
size_t fence_break(const void *mem, size_t size, size_t usable);

/* The first byte from there on that is not zero, or end. */
COLD size_t first_not_zero(const void *mem, size_t from, size_t end);
