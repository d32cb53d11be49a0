/* Alignment, powers of two, and sets of small numbers in words. */
#pragma once

#include "base/compiler.h"

static inline bool is_power_of_two(size_t n)
{
	return n && !(n & (n - 1));
}

static inline size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* a - b; 0 where b is larger. */
static inline size_t minus(size_t a, size_t b)
{
	return a > b ? a - b : 0;
}

/* alignment is a power of two; wraps to a small number when n is near SIZE_MAX. */
static inline size_t align_up(size_t n, size_t alignment)
{
	return (n + alignment - 1) & ~(alignment - 1);
}

static inline size_t align_down(size_t n, size_t alignment)
{
	return n & ~(alignment - 1);
}

static inline bool is_aligned(uintptr_t n, size_t alignment)
{
	return (n & (alignment - 1)) == 0;
}

static_assert(sizeof(size_t) == 8, "the bits of a size are counted in a word of 64");

/* n > 0 */
static inline unsigned log2_floor(size_t n)
{
	return 63u - (unsigned)__builtin_clzl(n);
}

/* n > 0 */
static inline unsigned log2_ceil(size_t n)
{
	return n == 1 ? 0 : log2_floor(n - 1) + 1;
}

/* How many bits are set.  The compiler's builtin may call libgcc, which fpc, say, does not link. */
static inline unsigned bits_count(uint64_t word)
{
	word -= word >> 1 & 0x5555555555555555;
	word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return (unsigned)(word * 0x0101010101010101 >> 56);
}

/* word > 0 */
static inline unsigned lowest_bit(uint64_t word)
{
	return (unsigned)__builtin_ctzll(word);
}

static inline unsigned highest_bit(uint64_t word)
{
	return 63u - (unsigned)__builtin_clzll(word);
}

static inline bool bit_test(const uint64_t *words, size_t i)
{
	return words[i / 64] >> (i % 64) & 1;
}

static inline void bit_set(uint64_t *words, size_t i)
{
	words[i / 64] |= (uint64_t)1 << (i % 64);
}

static inline void bit_clear(uint64_t *words, size_t i)
{
	words[i / 64] &= ~((uint64_t)1 << (i % 64));
}

/* Those bits of word w that are among [from, end), as a mask. */
static inline uint64_t bits_mask(size_t w, size_t from, size_t end)
{
	uint64_t mask = from > w * 64 ? ~(uint64_t)0 << from % 64 : ~(uint64_t)0;

	return end < (w + 1) * 64 ? mask & (((uint64_t)1 << end % 64) - 1) : mask;
}

/* The first bit of [from, end) that is set; end when none is. */
static inline size_t bits_first(const uint64_t *words, size_t from, size_t end)
{
	for (size_t w = from / 64; w * 64 < end; w++)
		if (words[w] & bits_mask(w, from, end))
			return w * 64 + lowest_bit(words[w] & bits_mask(w, from, end));
	return end;
}

/* The last bit that is set; end when none is. */
static inline size_t bits_last(const uint64_t *words, size_t from, size_t end)
{
	for (size_t w = (end + 63) / 64; w-- > from / 64;)
		if (words[w] & bits_mask(w, from, end))
			return w * 64 + highest_bit(words[w] & bits_mask(w, from, end));
	return end;
}

#define bits_for_each(i, words, from, end)                                                         \
	for (size_t i = bits_first(words, from, end); i < (end); i = bits_first(words, i + 1, end))

/* 2^64 divided by the golden ratio. Multiplied by it, numbers in a row lie evenly in the upper bits
   (Knuth, volume 3, 6.4). */
#define SPREAD ((uint64_t)0x9e3779b97f4a7c15u)

/* Spreads the bits of x over the whole word; a bijection (the finalizer of splitmix64). */
static inline uint64_t mix64(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}
