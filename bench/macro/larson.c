/*
 * Threads that replace random blocks of a table at random, and after a while hand their table to a
 * successor and end.
 *
 * There are as many tables as --threads says, of 5,000 blocks of 8 to 1,000 bytes each.  The main
 * thread fills them, from one shuffled heap, and ages them by four replacements a block.  Then each
 * has twenty generations of threads, one after the other: a thread frees what its predecessors
 * allocated, most of whom have ended.
 *
 * Stands for: a long-running server, where a request allocates, its answer is freed by another
 * thread ("bleeding"), and threads come and go.
 * Cares: servers with worker threads: does memory that one thread freed serve the others, and is
 * what dead threads left still used?
 * Source: Per-Ake Larson and Murali Krishnan, "Memory allocation for long-running server
 * applications" (ISMM 1998); sizes as in mimalloc-bench.
 */
#include "block.h"

#include <semaphore.h>

enum { BLOCKS = 5000, GENERATIONS = 20, AGEING = 4, REPLACEMENTS = 80000000 };

/* A table and the thread that has it now. */
struct lane {
	struct workload_thread *self;
	struct block *block;
	unsigned generations; /* still to come */
};

static uint64_t min_size = 8, max_size = 1000;
static uint64_t replacements; /* of one thread */
static pthread_attr_t detached;
static sem_t ended; /* posted by the last thread of each lane */

static size_t some_size(struct workload_thread *self)
{
	return random_between(&self->random, min_size, max_size);
}

static void replace(struct workload_thread *self, struct block *block)
{
	block_free(self, block);
	block_alloc(self, block, some_size(self));
}

static void *live(void *arg);

static void start_thread(struct lane *lane)
{
	pthread_t thread;

	workload_thread_create(&thread, &detached, live, lane);
}

static void *live(void *arg)
{
	struct lane *lane = arg;
	struct workload_thread *self = lane->self;

	for (uint64_t i = 0; i < replacements; i++)
		replace(self, &lane->block[random_below(&self->random, BLOCKS)]);
	if (--lane->generations)
		start_thread(lane);
	else
		sem_post(&ended);
	return NULL;
}

static void fill(struct workload_thread *self, struct block *block, size_t n)
{
	for (size_t i = 0; i < n; i++)
		block_alloc(self, &block[i], some_size(self));
	for (size_t i = n; i > 1; i--) {
		struct block *other = &block[random_below(&self->random, i)];
		struct block swapped = *other;

		*other = block[i - 1];
		block[i - 1] = swapped;
	}
	for (size_t i = 0; i < AGEING * n; i++)
		replace(self, &block[random_below(&self->random, n)]);
}

static void run(unsigned nlanes, struct block *block)
{
	struct lane *lane = workload_table(nlanes * sizeof *lane);

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	sem_init(&ended, 0, 0);
	for (unsigned i = 0; i < nlanes; i++)
		lane[i] = (struct lane){workload_thread_at(i), &block[i * BLOCKS], GENERATIONS};
	for (unsigned i = 0; i < nlanes; i++)
		start_thread(&lane[i]);
	for (unsigned i = 0; i < nlanes; i++)
		sem_wait(&ended);
}

int main(int argc, char **argv)
{
	static const struct workload_option own[] = {{"--min-size", &min_size, "smallest block"},
						     {"--max-size", &max_size, "largest block"},
						     {NULL, NULL, NULL}};
	struct block *block;
	unsigned nlanes;

	workload_start(argc, argv, "larson", own);
	if (min_size < 1 || min_size > max_size || max_size > UINT32_MAX)
		workload_refuse("--min-size is from 1 to --max-size, and that below 4 GiB");
	nlanes = workload_threads(4);
	replacements = workload_scaled(REPLACEMENTS / GENERATIONS) / nlanes + 1;
	block = workload_table(nlanes * BLOCKS * sizeof *block);
	fill(workload_main_thread(), block, nlanes * BLOCKS);
	run(nlanes, block);
	return workload_end(block_free_all(workload_main_thread(), block, nlanes * BLOCKS));
}
