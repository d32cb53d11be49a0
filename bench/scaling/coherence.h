/*
 * A model of coherent caches: which accesses move a line from one processor's cache to another's.
 *
 * Each processor has one cache without limit, so a line leaves it only because another processor
 * writes to it: misses of capacity do not exist, and what is counted is sharing alone. A line is in
 * one of the states of MESI in each cache:
 *
 *	owner set, dirty        M   one cache has it, memory is stale
 *	owner set, not dirty    E   one cache has it
 *	owner none, sharers     S   those caches have it, for reading
 *	neither                 I   only memory has it
 *
 * Processors 0, 2, 4 ... are one socket, 1, 3, 5 ... the other.
 *
 * Invariant: a line with an owner has that one sharer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINE_BYTES = 64, MAX_PROCESSORS = 1088 }; /* 1,024 threads, and those that start them */

/* Where an access found its line. */
enum source {
	FROM_OWN,    /* its own cache: nothing moves */
	FROM_MEMORY, /* no cache had it */
	FROM_NEAR,   /* a cache of the same socket */
	FROM_FAR,    /* a cache of the other socket */
	SOURCES
};

/* Who accesses: the program, or the allocator that it called. */
enum accessor { PROGRAM, ALLOCATOR, ACCESSORS };

struct line {
	uint64_t number; /* its address / LINE_BYTES */
	uint32_t owner;	 /* its processor + 1, or 0 */
	bool used, dirty;
	bool in_block; /* part of a block that the program had, or accessed by the program itself */
	uint32_t moved[ACCESSORS][2]; /* near and far, since coherence_reset() */
	uint64_t sharers[MAX_PROCESSORS / 64];
};

/* What one access to one line did. */
struct effect {
	struct line *line; /* until the next access */
	enum source source;
	bool upgrade;	      /* a write to a shared line that it had: waits for the others */
	uint32_t invalidated; /* copies in other caches */
	bool far;	      /* one of these was of the other socket */
};

struct coherence {
	struct line *slot; /* a hash table of open addressing */
	size_t nslots, nlines;
};

void coherence_init(struct coherence *c);
void coherence_deinit(struct coherence *c);

/* An access of a processor to the line of an address. */
struct effect coherence_access(struct coherence *c, unsigned processor, uint64_t address,
			       bool write, enum accessor who);

/* The line of an address, with no access to it. */
struct line *coherence_line(struct coherence *c, uint64_t address);

/* Forgets what was counted; what the caches hold stays. */
void coherence_reset(struct coherence *c);

/* Whether the states of all lines are consistent. */
bool coherence_check(const struct coherence *c);
