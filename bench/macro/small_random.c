/*
 * One thread replaces random ones of its blocks of 1 to 100 bytes: first of 500, then of 8,000,
 * then of 128,000, and back again, four times over.
 *
 * What is over when the number of blocks falls is freed at random.
 *
 * Stands for: interpreters and tools for text, whose heap is small things of no two equal sizes.
 * Cares: programs of one thread that allocate all the time: a cache of the sizes used last is of no
 * help when every size comes.
 * Source: David Detlefs, Al Dosser, Benjamin Zorn, "Memory allocation costs in large C and C++
 * programs" (1994), and Benjamin Zorn and Dirk Grunwald, "Evaluating models of memory allocation"
 * (1994): random sizes and lives, drawn from what programs were seen to do.
 */
#include "block.h"

enum { REPLACEMENTS = 40000000, LARGEST = 100, MOST = 128000, TIMES = 4 };

static const size_t counts[] = {500, 8000, MOST, 8000};
enum { PHASES = TIMES * sizeof counts / sizeof *counts };

static struct block table[MOST];

static void replace(struct workload_thread *self, struct block *block)
{
	block_free(self, block);
	block_fill(self, block, random_between(&self->random, 1, LARGEST));
}

/* Frees random ones of n blocks until as many as left remain; the sum of what was read. */
static uint64_t thin(struct workload_thread *self, size_t n, size_t left)
{
	uint64_t sum = 0;

	for (; n > left; n--) {
		struct block *block = &table[random_below(&self->random, n)];

		block_swap(block, &table[n - 1]);
		sum += block_read(&table[n - 1]);
		block_free(self, &table[n - 1]);
	}
	return sum;
}

int main(int argc, char **argv)
{
	struct workload_thread *self;
	uint64_t replacements, sum = 0;
	size_t have = 0;

	workload_start(argc, argv, "small_random", NULL);
	self = workload_main_thread();
	replacements = workload_scaled(REPLACEMENTS) / PHASES + 1;
	for (unsigned phase = 0; phase < PHASES; phase++) {
		size_t n = counts[phase % (PHASES / TIMES)];

		sum += thin(self, have, n);
		for (; have < n; have++)
			replace(self, &table[have]);
		have = n;
		for (uint64_t i = 0; i < replacements; i++)
			replace(self, &table[random_below(&self->random, n)]);
	}
	return workload_end(sum + thin(self, have, 0));
}
