/*
 * What replay writes into its blocks, and finds there again.
 *
 * A block is filled with the eight bytes of its slot's pattern, over and over.  A small block is
 * filled whole, as programs mostly do; of a larger one its two ends, and a word in each 4 KiB, so
 * that its pages are touched, but the time is the allocator's.  fill_small says what is small.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	FILL_SMALL = 4096, /* the usual fill_small */
	FILL_EDGE = 16,	   /* bytes at each end, at least; a multiple of 8 */
	FILL_PAGE = 4096,
};

extern size_t fill_small; /* at least 2 * FILL_EDGE + 8 */

static inline uint64_t fill_pattern(uint32_t slot)
{
	return (slot + 1) * 0x9e3779b97f4a7c15;
}

/* Bytes from to end of a block; from is a multiple of 8. */
static inline void fill_range(unsigned char *mem, size_t from, size_t end, uint64_t pattern)
{
	for (; from + 8 <= end; from += 8)
		memcpy(mem + from, &pattern, 8);
	if (from < end)
		memcpy(mem + from, &pattern, end - from);
}

/* True if they hold the pattern. */
static inline bool fill_holds_range(const unsigned char *mem, size_t from, size_t end,
				    uint64_t pattern)
{
	uint64_t word, differ = 0;

	for (; from + 8 <= end; from += 8) {
		memcpy(&word, mem + from, 8);
		differ |= word ^ pattern;
	}
	word = pattern;
	if (from < end)
		memcpy(&word, mem + from, end - from);
	return !(differ | (word ^ pattern));
}

/* Where the last edge of a block of nbytes begins. */
static inline size_t fill_last_edge(size_t nbytes)
{
	return (nbytes - FILL_EDGE) & ~(size_t)7;
}

/* Fills a block of nbytes. */
static inline void fill_block(void *block, size_t nbytes, uint64_t pattern)
{
	unsigned char *mem = block;

	if (nbytes <= fill_small) {
		fill_range(mem, 0, nbytes, pattern);
		return;
	}
	fill_range(mem, 0, FILL_EDGE, pattern);
	for (size_t at = FILL_PAGE; at + 8 <= nbytes; at += FILL_PAGE)
		fill_range(mem, at, at + 8, pattern);
	fill_range(mem, fill_last_edge(nbytes), nbytes, pattern);
}

/*
 * True if a block that was filled as one of nbytes still holds that in its first kept bytes; with
 * a pattern of 0, if it is zero there.
 */
static inline bool fill_holds(const void *block, size_t nbytes, size_t kept, uint64_t pattern)
{
	const unsigned char *mem = block;
	bool holds = true;

	if (nbytes <= fill_small)
		return fill_holds_range(mem, 0, kept, pattern);
	holds = fill_holds_range(mem, 0, kept < FILL_EDGE ? kept : FILL_EDGE, pattern);
	for (size_t at = FILL_PAGE; at + 8 <= kept; at += FILL_PAGE)
		holds &= fill_holds_range(mem, at, at + 8, pattern);
	return holds & fill_holds_range(mem, fill_last_edge(nbytes), kept, pattern);
}
