/*
 * A set of numbers below BITSET_MOST, a bit each, that finds its lowest and highest member
 * in eight steps at most.
 */
#pragma once

#include "base/bits.h"

#define BITSET_WORDS ((size_t)8)
#define BITSET_MOST  (64 * BITSET_WORDS)

struct bitset {
	uint64_t words[BITSET_WORDS];
};

static inline void bitset_add(struct bitset *s, size_t n)
{
	bit_set(s->words, n);
}

static inline void bitset_remove(struct bitset *s, size_t n)
{
	bit_clear(s->words, n);
}

static inline bool bitset_has(const struct bitset *s, size_t n)
{
	return bit_test(s->words, n);
}

/* The lowest member, or BITSET_MOST of an empty set. */
static inline size_t bitset_lowest(const struct bitset *s)
{
	for (size_t w = 0; w < BITSET_WORDS; w++)
		if (s->words[w])
			return w * 64 + lowest_bit(s->words[w]);
	return BITSET_MOST;
}

/* The highest member, or BITSET_MOST of an empty set. */
static inline size_t bitset_highest(const struct bitset *s)
{
	for (size_t w = BITSET_WORDS; w-- > 0;)
		if (s->words[w])
			return w * 64 + highest_bit(s->words[w]);
	return BITSET_MOST;
}
