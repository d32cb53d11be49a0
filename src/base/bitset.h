/*
 * A set of numbers below BITSET_MOST that finds its lowest and highest member
 * in a few steps: a bit a number, a bit a word of those that is not zero.
 */
#pragma once

#include "base/bits.h"

#define BITSET_WORDS ((size_t)4096)
#define BITSET_MOST  (64 * BITSET_WORDS)

struct bitset {
	uint64_t summary[BITSET_WORDS / 64]; /* bit w: words[w] != 0 */
	uint64_t words[BITSET_WORDS];
};

static inline void bitset_add(struct bitset *s, size_t n)
{
	bit_set(s->words, n);
	bit_set(s->summary, n / 64);
}

static inline void bitset_remove(struct bitset *s, size_t n)
{
	bit_clear(s->words, n);
	if (!s->words[n / 64])
		bit_clear(s->summary, n / 64);
}

/* The lowest member at or above n, or BITSET_MOST. */
static inline size_t bitset_from(const struct bitset *s, size_t n)
{
	size_t w = n / 64, i;
	uint64_t word;

	if (n >= BITSET_MOST)
		return BITSET_MOST;
	word = s->words[w] >> (n % 64) << (n % 64);
	if (word)
		return w * 64 + lowest_bit(word);
	i = ++w / 64;
	if (w == BITSET_WORDS)
		return BITSET_MOST;
	word = s->summary[i] >> (w % 64) << (w % 64);
	while (!word && ++i < BITSET_WORDS / 64)
		word = s->summary[i];
	if (!word)
		return BITSET_MOST;
	w = i * 64 + lowest_bit(word);
	return w * 64 + lowest_bit(s->words[w]);
}

/* The highest member, or BITSET_MOST of an empty set. */
static inline size_t bitset_highest(const struct bitset *s)
{
	for (size_t i = BITSET_WORDS / 64; i-- > 0;)
		if (s->summary[i]) {
			size_t w = i * 64 + highest_bit(s->summary[i]);

			return w * 64 + highest_bit(s->words[w]);
		}
	return BITSET_MOST;
}
