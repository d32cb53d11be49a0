/*
 * Two sequences made to waste memory, by sizes that grow while every second older block is freed.
 *
 * Each phase frees every second of the blocks that remain of each earlier phase, so that what is
 * left stands ever sparser, and fills up to the same number of live bytes with blocks of a larger
 * size, which fit no hole between them.  In the first sequence the size doubles from phase to
 * phase, from 16 bytes to 1 MiB; in the second it grows by 16 bytes, so that each hole is too small
 * by little.  Robson's own program looks at addresses to choose what it frees; this one does not,
 * so that it does the same under every allocator, and takes it that blocks asked for in a row lie
 * in a row.
 *
 * Stands for: the worst case. No allocator that never moves a block can hold memory below about
 * half the logarithm of the largest size times the live bytes for all programs; how near does
 * each come?
 * Cares: programs that may not run out of memory: embedded and real-time systems, servers with a
 * limit on theirs.
 * Source: J. M. Robson, "An estimate of the store size necessary for dynamic storage allocation"
 * (1971), and "Worst case fragmentation of first fit and best fit storage allocation strategies"
 * (1977).
 */
#include "workload.h"

enum {
	LIVE_BYTES = 48 << 20,
	UNIT = 16,
	DOUBLINGS = 17, /* phases of each sequence */
	CREEPS = 64
};

struct block {
	struct block *next;
	unsigned char rest[];
};

/* The blocks that remain of a phase, all of one size, in the order they were asked for. */
struct generation {
	struct block *first;
	size_t nbytes;
};

struct sequence {
	struct workload_thread *self;
	uint64_t most, live; /* bytes of all blocks */
	unsigned nphases;
	struct generation generation[CREEPS];
};

/* Adds blocks of nbytes as long as they fit what may be live. */
static void fill(struct sequence *s, size_t nbytes)
{
	struct generation *g = &s->generation[s->nphases++];
	struct block **end = &g->first;

	g->nbytes = nbytes;
	for (; s->live + nbytes <= s->most; s->live += nbytes) {
		*end = workload_alloc(s->self, nbytes);
		memset(*end, (int)s->nphases, nbytes);
		end = &(*end)->next;
	}
	*end = NULL;
}

/* Takes out and frees the block at *link; what was read of it. */
static uint64_t drop(struct sequence *s, struct block **link, size_t nbytes)
{
	struct block *block = *link;
	uint64_t read = block->rest[0] + block->rest[nbytes - sizeof *block - 1];

	*link = block->next;
	workload_free(s->self, block, nbytes);
	s->live -= nbytes;
	return read;
}

/* Frees every second block of each generation; the sum of what was read of them. */
static uint64_t thin(struct sequence *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->nphases; i++) {
		struct generation *g = &s->generation[i];

		for (struct block *kept = g->first; kept && kept->next; kept = kept->next)
			sum += drop(s, &kept->next, g->nbytes);
	}
	return sum;
}

static uint64_t clear(struct sequence *s)
{
	uint64_t sum = 0;

	for (; s->nphases; s->nphases--)
		for (struct generation *g = &s->generation[s->nphases - 1]; g->first;)
			sum += drop(s, &g->first, g->nbytes);
	return sum;
}

/* Each phase's size is `factor` times the last one's, and `more` bytes. */
static uint64_t run(struct sequence *s, unsigned nphases, size_t factor, size_t more)
{
	size_t nbytes = UNIT;
	uint64_t checksum = 0;

	for (unsigned i = 0; i < nphases; i++, nbytes = nbytes * factor + more) {
		checksum = checksum * 31 + thin(s);
		fill(s, nbytes);
	}
	return checksum * 31 + clear(s);
}

int main(int argc, char **argv)
{
	static struct sequence s;
	uint64_t checksum;

	workload_start(argc, argv, "robson", NULL);
	s.self = workload_main_thread();
	s.most = workload_scaled(LIVE_BYTES);
	checksum = run(&s, DOUBLINGS, 2, 0);
	return workload_end(checksum * 31 + run(&s, CREEPS, 1, UNIT));
}
