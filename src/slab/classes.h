/*
 * Size classes: the sizes that a slab can have.
 *
 *	16, 32, ... 128           a class every 16 bytes         classes 0 to 7
 *	144, 160, ... 256         eight classes a doubling       8 to 15
 *	288, ... 512              and so on                      16 to 23
 *	...
 *	18432, ... 32768                                         64 to 71
 *
 * Eight a doubling lose 4.7% of a size on average and 11% at most.  (Four
 * lose twice that; measured, that costs more than the slabs saved.)
 *
 * All are multiples of 16 bytes, so that every object is aligned for any type.  The
 * class of a multiple of a power of two is a multiple of it too: aligned requests rely on that
 * (cache/fast.h, cache/alloc.c).  So between 1,024 and 1,152 there may be 1,040, 1,056 or 1,088,
 * but not 1,104: a request of 1,088, a multiple of 64, would get it.
 */
#pragma once

#include "base/bits.h"
#include "os/check.h"

#define GRANULE	       ((size_t)16)
#define CLASSES	       72
#define CLASS_SIZE_MAX (32 * KIB)

/* The size class for a request of 1 to CLASS_SIZE_MAX bytes. */
static inline unsigned class_of(size_t req)
{
	size_t last = (req - 1) / GRANULE; /* the last granule that it touches */
	unsigned shift;

	ASSERT(req - 1 < CLASS_SIZE_MAX);
	if (last < 8)
		return (unsigned)last;
	shift = log2_floor(last) - 3;
	return 8 * shift + (unsigned)(last >> shift);
}

/* Bytes of an object of that class. */
static inline size_t class_size(unsigned sc)
{
	unsigned shift = sc < 16 ? 0 : sc / 8 - 1;

	ASSERT(sc < CLASSES);
	return (((size_t)(sc < 16 ? sc : sc % 8 + 8) + 1) << shift) * GRANULE;
}

/* The size of the smallest class whose objects are all aligned so and hold req; 0: none. A multiple
   of the alignment is rounded up to one, and so are its objects, since the blocks of its slabs are
   aligned. */
static inline size_t class_size_aligned(size_t alignment, size_t req)
{
	size_t size = align_up(req ? req : 1, alignment);

	return size - 1 < CLASS_SIZE_MAX ? class_size(class_of(size)) : 0; /* 0: it wrapped */
}

/* The order of a slab's block: 64 KiB, and 256 KiB for objects of 4 KiB and more, so that little is
   left over at its end. */
static inline unsigned class_order(unsigned sc)
{
	return class_size(sc) < 4 * KIB ? 4 : 6;
}

/* The order of an arena's first slab of a class: a quarter of that, since many classes never need a
   second one. */
static inline unsigned class_first_order(unsigned sc)
{
	return class_order(sc) - 2;
}
