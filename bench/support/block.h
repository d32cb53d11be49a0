/*
 * Blocks as workloads hold them.
 *
 * A block stands in a table with its size beside it, as objects of a known type do: freeing it
 * reads nothing of its memory.  A parcel says its size itself, in its first word, so that it can
 * go by one pointer from thread to thread; the table it goes through is written by exchange alone.
 */
#pragma once

#include "workload.h"

struct block {
	unsigned char *mem; /* NULL: none */
	size_t nbytes;
};

/* What there is to read of a block; differs if another wrote into it. */
static inline uint64_t block_read(const struct block *block)
{
	return block->nbytes + block->mem[0] + block->mem[block->nbytes - 1];
}

static inline void block_alloc(struct workload_thread *self, struct block *block, size_t nbytes)
{
	*block = (struct block){workload_alloc(self, nbytes), nbytes};
}

/* The same, every byte of it written. */
static inline void block_fill(struct workload_thread *self, struct block *block, size_t nbytes)
{
	block_alloc(self, block, nbytes);
	memset(block->mem, block->mem[0], nbytes);
	workload_use(block->mem);
}

/* Frees the block if there is one. */
static inline void block_free(struct workload_thread *self, struct block *block)
{
	if (block->mem)
		workload_free(self, block->mem, block->nbytes);
	block->mem = NULL;
}

static inline void block_swap(struct block *a, struct block *b)
{
	struct block block = *a;

	*a = *b;
	*b = block;
}

/* Frees all blocks of a table; returns the sum of what was read of them. */
static inline uint64_t block_free_all(struct workload_thread *self, struct block *table, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (table[i].mem)
			sum += block_read(&table[i]);
		block_free(self, &table[i]);
	}
	return sum;
}

enum { PARCEL_MIN = sizeof(uint64_t) };

/* A parcel of nbytes, at least PARCEL_MIN. */
static inline void *parcel_alloc(struct workload_thread *self, size_t nbytes)
{
	void *parcel = workload_alloc(self, nbytes);

	*(uint64_t *)parcel = nbytes;
	return parcel;
}

/* A parcel of nbytes, every byte of it written. */
static inline void *parcel_filled(struct workload_thread *self, size_t nbytes)
{
	uint64_t *parcel = parcel_alloc(self, nbytes);

	memset(parcel + 1, (int)nbytes, nbytes - PARCEL_MIN);
	workload_use(parcel);
	return parcel;
}

/* Frees a parcel, from any thread; returns what was read of it, 0 if it is NULL. */
static inline uint64_t parcel_free(struct workload_thread *self, void *parcel)
{
	uint64_t nbytes, last;

	if (!parcel)
		return 0;
	nbytes = *(uint64_t *)parcel;
	last = nbytes > PARCEL_MIN ? ((unsigned char *)parcel)[nbytes - 1] : 0;
	workload_free(self, parcel, nbytes);
	return nbytes + last;
}

/* Puts a parcel into a slot that threads share, and takes what was there. */
static inline void *parcel_exchange(void **slot, void *parcel)
{
	return __atomic_exchange_n(slot, parcel, __ATOMIC_ACQ_REL);
}
