/* Blocks that were allocated before main, by the program and its libraries, and what becomes of
 * them. */
#pragma once

#include "process.h"

enum { EARLY_MAX = 64 };

/* Blocks of one early moment.  It has no initialiser, so that it can be used before relocation. */
struct early {
	struct block blocks[EARLY_MAX];
	int count;
};

/* For code that runs unrelocated: nothing but calls of malloc, calloc, realloc and free. */
static inline void early_allocate(struct early *early)
{
	for (size_t n = 1; n < 1000000; n = n * 3 + 5) {
		struct block *b = &early->blocks[early->count++];

		b->mem = (unsigned char *)malloc(n);
		b->nbytes = n;
		MUST(b->mem && (uintptr_t)b->mem % 16 == 0);
		for (size_t i = 0; i < n; i++)
			b->mem[i] = (unsigned char)n;
	}
	for (size_t n = 10; n < 100000; n *= 10) {
		struct block *b = &early->blocks[early->count++];
		unsigned char *mem = (unsigned char *)calloc(n, 1);

		MUST(mem);
		for (size_t i = 0; i < n; i++) {
			MUST(mem[i] == 0);
			mem[i] = 7;
		}
		b->nbytes = n * 2;
		b->mem = (unsigned char *)realloc(mem, b->nbytes);
		MUST(b->mem && b->mem[0] == 7 && b->mem[n - 1] == 7);
		for (size_t i = 0; i < b->nbytes; i++)
			b->mem[i] = (unsigned char)b->nbytes;
		free(malloc(n));
		free(realloc(malloc(n), n * 3));
	}
	free(NULL);
}

/* Every third is grown, and all are freed: they are blocks like any other. */
static inline void early_free(struct early *early)
{
	MUST(early->count > 0);
	for (int i = 0; i < early->count; i++)
		block_free(i % 3 ? early->blocks[i] : block_grow(early->blocks[i]));
	early->count = 0;
}
