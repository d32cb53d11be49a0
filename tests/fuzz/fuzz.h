/*
 * What every fuzz target is made of: bytes become choices.  A target is LLVMFuzzerTestOneInput(),
 * for libFuzzer and AFL++; with replay.c it is a program that runs the files it is given, as a
 * test.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct choices {
	const uint8_t *at, *end;
};

static inline bool any_left(const struct choices *c)
{
	return c->at < c->end;
}

/* A number below n, which is at most 2^24; 0 when there are no bytes left. */
static inline uint32_t choose(struct choices *c, uint32_t n)
{
	uint32_t number = 0;

	for (uint32_t most = n - 1; most && any_left(c); most >>= 8)
		number = number << 8 | *c->at++;
	return number % n;
}

/* A size: mostly small, now and then of any power of two up to 2^log2_most, and one more or less.
 */
static inline size_t choose_size(struct choices *c, unsigned log2_most)
{
	uint32_t kind = choose(c, 8);

	if (kind < 4)
		return choose(c, 256);
	if (kind < 6)
		return choose(c, 65536);
	return ((size_t)1 << choose(c, log2_most + 1)) - 1 + choose(c, 3);
}

/* A finding. */
#define MUST(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)
