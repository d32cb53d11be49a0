/*
 * What a program does in a memory cgroup, or under another limit, of whose end it is to be told:
 *
 *	grouped fill BYTES LEAST         blocks of that size until NULL, of LEAST MiB at least
 *	grouped untouched BYTES LEAST    the same, and writes to them when there are no more
 *	grouped phases THREADS LIVE      24 phases of LIVE MiB, each of one size; 98% of it freed at
 *	                                 random, half of that by another thread
 */
#include "process.h"

#include <pthread.h>

enum { MOST = 1 << 20, THREADS_MOST = 4, SURVIVORS = 50, MIB = 1 << 20 };

static unsigned char *blocks[MOST];
static size_t nblocks;

static void fill(size_t nbytes, bool untouched)
{
	nblocks = 0;
	errno = 0;
	while (nblocks < MOST && (blocks[nblocks] = malloc(nbytes)) != NULL)
		memset(blocks[nblocks++], 1, untouched ? 1 : nbytes);
	MUST(nblocks < MOST && errno == ENOMEM);
	for (size_t i = 0; i < nblocks; i++)
		memset(blocks[i], 2, nbytes);
}

static void free_all(void)
{
	while (nblocks)
		free(blocks[--nblocks]);
}

/* Fills it three times, and with another size in between. */
static void fill_again(size_t nbytes, size_t least_mib, bool untouched)
{
	for (int i = 0; i < 3; i++) {
		fill(nbytes, untouched);
		printf("%zu blocks of %zu: %zu MiB\n", nblocks, nbytes, nblocks * nbytes >> 20);
		MUST(nblocks * nbytes >= least_mib << 20);
		free_all();
		fill(nbytes == 3000 ? 300 : 3000, untouched);
		free_all();
	}
}

/* --- phases -------------------------------------------------------------------------------- */

static const size_t sizes[] = {102400, 64000, 81920, 40960, 51200, 25600, 32000, 12800,
			       20480,  10240, 16000, 5120,  8000,  4000,  6400,	 2000,
			       3200,   1280,  2560,  1000,  1600,  512,	  800,	 640};
enum { PHASES = sizeof sizes / sizeof sizes[0] };

struct part {
	struct block *block;
	size_t n, live;
	uint64_t random;
};

static struct block table[MOST];
static struct part parts[THREADS_MOST];
static size_t left[THREADS_MOST];
static pthread_barrier_t barrier;
static size_t part_bytes;
static unsigned nthreads, nfillers;

static void fill_part(struct part *p, size_t nbytes)
{
	for (; p->live + nbytes <= part_bytes; p->live += nbytes)
		p->block[p->n++] = block_new(nbytes);
}

/* Moves what is to be freed, chosen at random, behind what stays; returns how many stay. */
static size_t choose(struct part *p)
{
	size_t stay = p->n / SURVIVORS;

	for (size_t i = 0; i < stay; i++) {
		struct block other = p->block[i];
		size_t at;

		p->random = p->random * 6364136223846793005u + 1442695040888963407u;
		at = i + (p->random >> 33) % (p->n - i);
		p->block[i] = p->block[at];
		p->block[at] = other;
	}
	return stay;
}

/* Every second one of those that go, from `first` on. */
static void free_half(const struct part *p, size_t stay, size_t first)
{
	for (size_t i = stay + first; i < p->n; i += 2)
		block_free(p->block[i]);
}

static void *work(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg, next = (self + 1) % nthreads;
	struct part *p = &parts[self];

	for (int phase = 0; phase < PHASES; phase++) {
		if (self < nfillers)
			fill_part(p, sizes[phase]);
		pthread_barrier_wait(&barrier);
		left[self] = choose(p);
		free_half(p, left[self], 0);
		pthread_barrier_wait(&barrier);
		free_half(&parts[next], left[next], 1);
		pthread_barrier_wait(&barrier);
		p->n = left[self];
		p->live = 0;
		for (size_t i = 0; i < p->n; i++)
			p->live += p->block[i].nbytes;
	}
	return NULL;
}

static void phases(unsigned threads, size_t live_mib)
{
	pthread_t ids[THREADS_MOST];

	nfillers = threads;
	nthreads = threads == 1 ? 2 : threads;
	part_bytes = (live_mib << 20) / threads;
	MUST(part_bytes / 512 < MOST / nthreads);
	pthread_barrier_init(&barrier, NULL, nthreads);
	for (unsigned i = 0; i < nthreads; i++) {
		parts[i].block = table + i * (MOST / nthreads);
		parts[i].random = i + 1;
		MUST(pthread_create(&ids[i], NULL, work, (void *)(uintptr_t)i) == 0);
	}
	for (unsigned i = 0; i < nthreads; i++)
		pthread_join(ids[i], NULL);
}

int main(int argc, char **argv)
{
	MUST(argc == 4);
	if (strcmp(argv[1], "phases") == 0)
		phases((unsigned)atoi(argv[2]), strtoul(argv[3], NULL, 0));
	else
		fill_again(strtoul(argv[2], NULL, 0), strtoul(argv[3], NULL, 0),
			   strcmp(argv[1], "untouched") == 0);
	return 0;
}
