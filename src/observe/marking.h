/*
 * Which blocks can be reached from roots, by conservative marking: every word at a multiple of its
 * size that is the address of a byte in a block, or of one of no bytes, counts as a pointer to it.
 *
 *	state      is pointed at by
 *	LOST       nothing, or of a cycle of lost blocks it is the one of the lowest address
 *	INDIRECT   lost blocks alone
 *	REACHED    a root or a reached block
 *
 * These are memcheck's rules, but that it keeps apart, as "possibly lost", what is reached by a
 * pointer to its middle alone.
 *
 * Blocks are an array, sorted by address, in a mapping of their own: 24 bytes each. Those whose
 * words have not been read yet are linked through it. So marking needs no other memory and no
 * recursion, and takes time in proportion to the words and to the logarithm of the blocks.
 */
#pragma once

#include "base/compiler.h"

enum marking_state { LOST, INDIRECT, REACHED };

struct marking_block {
	uintptr_t start;
	size_t nbytes;
	uint32_t next; /* number + 1 of the next block to be read; 0: it is the last */
	uint32_t state;
};

struct marking {
	struct marking_block *blocks;
	size_t count, mapped; /* mapped: bytes */
	/* Shows `see` the words of [start, end), in pieces, as far as they can be read. */
	void (*contents)(uintptr_t start, uintptr_t end,
			 void (*see)(void *arg, const uintptr_t *words, size_t n), void *arg);
	uint32_t work; /* number + 1 of the first block to be read; 0: there is none */
	struct marking_block *leader; /* whose lost blocks are looked for; NULL: roots are */
};

#define MARKING_MOST ((size_t)UINT32_MAX - 1) /* blocks */

/* Adds a block; false without memory. */
COLD bool marking_add(struct marking *m, const void *mem, size_t nbytes);

/* Called when all are added, before what follows. */
COLD void marking_sort(struct marking *m);

/* Takes words as roots. */
COLD void marking_root(void *marking, const uintptr_t *words, size_t n);

/* Called when all roots were shown: reads what they lead to, and tells what is lost. */
COLD void marking_finish(struct marking *m);

/* The block that an address points to; NULL: none. */
COLD struct marking_block *marking_find(const struct marking *m, uintptr_t address);

/* Sorts blocks by their start. */
COLD void marking_sort_blocks(struct marking_block *blocks, size_t count);

/* Gives the memory back. */
COLD void marking_end(struct marking *m);
