/*
 * A program with a heap that maps are drawn of, and which says where its objects lie.
 *
 *	fragmented MIB       allocates so many MiB of objects of several sizes; it keeps the
 *	                     first fifth of each size, and less and less of the others
 *	fragmented busy      32 threads allocate objects of all sizes, and free each other's
 *
 * Lines: `huge ADDRESS BYTES`; ADDRESS SIZE STRETCH HELD of some objects of each size, HELD
 * being 0 if it was freed; `sum SIZE COUNT`, how many of a size it holds; then `ready`. For
 * each line of input it frees a third of its objects, and says `ready` again. It ends with its
 * input.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

/* The last two are runs, the two before them are chunks, the others are of slabs. */
static const size_t sizes[] = {32,   64,   96,	  160,	 256,	 512,	1024,
			       2048, 8192, 40000, 60000, 110000, 300000};
enum { PAGES_FROM = 100000 };
enum { SIZES = sizeof sizes / sizeof *sizes, SHOWN = 200, STRETCHES = 5 };
enum { THREADS = 32, SLOTS = 4096 };

struct kind {
	size_t nbytes, count;
	char **all;
};

static struct kind kinds[SIZES];

static void fill(struct kind *k, size_t nbytes, size_t total)
{
	k->nbytes = nbytes;
	k->count = total / SIZES / nbytes + 1;
	k->all = calloc(k->count, sizeof *k->all);
	if (!k->all)
		exit(3);
	for (size_t i = 0; i < k->count; i++) {
		k->all[i] = malloc(nbytes);
		if (!k->all[i])
			exit(3);
		memset(k->all[i], 'x', nbytes);
	}
}

/* Keeps all of the first stretch, of the second three of four, down to a sixteenth. */
static void let_go(struct kind *k)
{
	static const unsigned of_16[STRETCHES] = {16, 12, 8, 3, 1};
	uint64_t chance = k->nbytes;

	for (size_t i = 0; i < k->count; i++) {
		chance = chance * 6364136223846793005u + 1442695040888963407u;
		if (chance >> 60 < of_16[i * STRETCHES / k->count])
			continue;
		free(k->all[i]);
		k->all[i] = (char *)((uintptr_t)k->all[i] | 1); /* freed */
	}
}

static void show(const struct kind *k)
{
	size_t held = 0, every = k->count / SHOWN + 1;

	for (size_t i = 0; i < k->count; i++) {
		uintptr_t address = (uintptr_t)k->all[i];

		held += !(address & 1);
		if (i % every == 0)
			printf("%lx %zu %zu %d\n", (unsigned long)(address & ~(uintptr_t)1),
			       k->nbytes, i * STRETCHES / k->count, !(address & 1));
	}
	printf("sum %zu %zu\n", k->nbytes, held);
}

static void let_go_of_a_third(size_t step)
{
	for (int i = 0; i < SIZES; i++)
		for (size_t k = step % 3; k < kinds[i].count; k += 3)
			if (!((uintptr_t)kinds[i].all[k] & 1)) {
				free(kinds[i].all[k]);
				kinds[i].all[k] = (char *)((uintptr_t)kinds[i].all[k] | 1);
			}
}

static char *given[SLOTS];

/* Allocates at random sizes of all kinds, and frees what another thread allocated. */
static void *churn(void *arg)
{
	uint64_t chance = (uintptr_t)arg * 0x9e3779b97f4a7c15u;

	for (;;) {
		size_t nbytes;
		char *mem;

		chance = chance * 6364136223846793005u + 1442695040888963407u;
		nbytes = (size_t)(chance >> 40) % ((size_t)64 << (chance >> 33) % 13) + 1;
		mem = malloc(nbytes);
		if (mem)
			memset(mem, 'x', nbytes);
		free(__atomic_exchange_n(&given[(chance >> 20) % SLOTS], mem, __ATOMIC_ACQ_REL));
	}
	return NULL;
}

static void be_busy(void)
{
	pthread_t thread;

	for (uintptr_t i = 1; i <= THREADS; i++)
		if (pthread_create(&thread, NULL, churn, (void *)i) != 0)
			exit(3);
}

static void fragment(size_t total)
{
	size_t nbytes = total / 8 > 5 * MIB ? total / 8 : 5 * MIB;
	char *huge = malloc(nbytes);

	mallopt(M_MMAP_THRESHOLD, PAGES_FROM);
	if (!huge)
		exit(3);
	memset(huge, 'h', nbytes / 2);
	printf("huge %lx %zu\n", (unsigned long)(uintptr_t)huge, malloc_usable_size(huge));
	for (int i = 0; i < SIZES; i++)
		fill(&kinds[i], sizes[i], total);
	for (int i = 0; i < SIZES; i++)
		let_go(&kinds[i]);
	for (int i = 0; i < SIZES; i++)
		show(&kinds[i]);
}

int main(int argc, char **argv)
{
	char line[64];

	if (argc > 1 && strcmp(argv[1], "busy") == 0)
		be_busy();
	else
		fragment((size_t)(argc > 1 ? atoi(argv[1]) : 16) * MIB);
	printf("ready\n");
	fflush(stdout);
	for (size_t step = 0; fgets(line, sizeof line, stdin); step++) {
		let_go_of_a_third(step);
		printf("ready\n");
		fflush(stdout);
	}
	return 0;
}
