/*
 * Locks, as they are seen from outside: a word that a thread changes by an atomic instruction, and
 * to which the same thread gives its old value back, by whatever instruction, before the call of
 * the allocator ends.
 *
 * So a counter that only grows is none, nor is the head of a list that others change too. A count
 * of users that goes up and down again within a call looks like a lock, and is one to the line that
 * it is in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_CHANGED = 8, MAX_LOCKS = 1 << 14 };

/* Words that a thread has changed in this call, and may give back. */
struct changed {
	uint64_t address;
	uint64_t old;	/* its value if nobody holds it */
	uint64_t since; /* the time when it was changed */
	bool holds;	/* false: it was only tried */
	bool tried;	/* in vain before */
};

struct holder {
	struct changed changed[MAX_CHANGED];
	unsigned n;
};

struct lock_word {
	uint64_t address; /* 0: no lock here */
	uint64_t acquisitions, waits, held;
};

struct locks {
	struct lock_word word[MAX_LOCKS]; /* a hash table of open addressing */
	unsigned n;
	uint64_t started; /* the time at which counting began */
};

/* An atomic instruction changed a word from before to after, or left it as it was. */
void locks_atomic(struct locks *l, struct holder *h, uint64_t address, uint64_t before,
		  uint64_t after, uint64_t now);

/* The thread's own plain store left the value in the word. */
void locks_store(struct locks *l, struct holder *h, uint64_t address, uint64_t value, uint64_t now);

/* Whether a store to the address may release a lock. */
bool locks_watches(const struct holder *h, uint64_t address);

/* The call of the allocator ends. */
void locks_leave(struct holder *h);

/* Begins to count anew. */
void locks_reset(struct locks *l, uint64_t now);
