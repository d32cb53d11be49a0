/*
 * What the programs of bench/memory measure: how much of a process is resident, beside what its
 * live objects need.
 *
 * Resident is what is anonymous, as the kernel counts it: the program's and the libraries' files
 * are left out.  So are the program's own tables, which are shared memory for that reason
 * (resident_table()).  Stacks are in it, as they are in the RSS that a user sees.
 *
 * The pages bound is the number of distinct pages that live objects overlap: where the allocator
 * has put them, no less can be resident, since objects do not move.  It counts what was asked for,
 * not headers or padding, and is taken over the objects of a table that says where each lies.
 */
#pragma once

#include "block.h"

/* Finds what resident_release() calls.  First thing after workload_start(). */
void resident_start(void);

/* Zeroed memory that does not count as resident; ends the program if there is none. */
void *resident_table(size_t nbytes);

/* Anonymous bytes, exact; it takes milliseconds for a large process. */
uint64_t resident_bytes(void);

/* The same at once, without what processors or threads have not yet added to the kernel's sum: some
   64 pages each. */
uint64_t resident_roughly(void);

/* Of them, bytes that are in transparent huge pages. */
uint64_t resident_huge_bytes(void);

/*
 * Asks the allocator for all that it can give back: malloc_trim(0), and where the allocator has a
 * call of its own for that (jemalloc, mimalloc, tcmalloc, TBB) that one.
 */
void resident_release(void);

/*
 * What a process does that is all but idle: 250 times in a second 40 blocks of up to 8 KiB are
 * allocated and freed, in the calling thread.  A tenth of a second at a scale of 0.01.
 */
void resident_light_activity(struct workload_thread *self);

/* Figures "idle", "activity" and "trim": resident now, after light activity, after a release. */
void resident_report(struct workload_thread *self);

/* ---- Blocks whose every byte is written: what is not written need not be resident. */

static inline void filled_alloc(struct workload_thread *self, struct block *block, size_t nbytes)
{
	block_alloc(self, block, nbytes);
	memset(block->mem, (int)(nbytes & 0xff) | 1, nbytes);
}

/*
 * A size from least to least * 2^doublings - 1: each doubling as likely as another, or with equal
 * bytes in each, so that each is half as likely as the one below.
 */
static inline size_t random_doubling(struct random *r, size_t least, unsigned doublings, bool even)
{
	uint64_t bits = random_next(r) | 1ULL << 63;
	unsigned n = even ? (unsigned)__builtin_ctzll(bits) % doublings
			  : (unsigned)random_below(r, doublings);

	return random_between(r, least << n, (least << (n + 1)) - 1);
}

/* ---- The pages bound. */

/* Begins a count; blocks lie in no more than most_bytes, their pages included. */
void bound_start(uint64_t most_bytes);

/* Adds the n blocks of a table; those whose mem is NULL count for nothing. */
void bound_add(const struct block *table, size_t n);

/* Bytes of the pages that were added; also a point of the report's curve. */
uint64_t bound_end(void);

/* Of the pages added, the number of whole aligned 2 MiB that are all live. */
size_t bound_whole_huge(void);

/* ---- RSS over live bytes, averaged over the work that is done, not over time. */

struct resident_mean {
	double resident, live, bound;
	unsigned n, nbounds;
};

/* Adds what is resident and live now. */
void resident_mean_add(struct resident_mean *mean);

void resident_mean_add_bound(struct resident_mean *mean, uint64_t nbytes);

/* Figures "mean_resident", "mean_live", "mean_bound", in bytes. */
void resident_mean_report(const struct resident_mean *mean);
