/*
 * Counts words in rounds of two steps: four threads map, and end; then four new ones reduce what
 * those left, and end.
 *
 * Each mapper leaves 60,000 words, as a node of 32 bytes and a text of 3 to 40 bytes, in one list
 * for each reducer.  A reducer frees one list of each mapper, keeps the first node of each word to
 * count in, and frees these at its end.
 *
 * Stands for: data that is worked on in steps, with threads of their own for each.
 * Cares: those who run such jobs: all that is freed was left by threads that have ended.
 * Source: Colby Ranger, Ramanan Raghuraman, Arun Penmetsa, Gary Bradski, Christos Kozyrakis,
 * "Evaluating MapReduce for multi-core and multiprocessor systems" (HPCA 2007): word count.
 */
#include "workload.h"

enum { THREADS = 4, ROUNDS = 42, WORDS = 60000, DISTINCT = 20000, BUCKETS = 1 << 13 };

struct pair {
	struct pair *next;
	uint64_t word; /* its rank: 0 is the most frequent */
	uint64_t count;
	char *text;
};

static unsigned nthreads;
static struct pair **lists; /* of mapper m for reducer r, at m * nthreads + r */

static size_t text_bytes(uint64_t word)
{
	return 3 + word % 38;
}

static uint64_t pair_free(struct workload_thread *self, struct pair *pair)
{
	size_t nbytes = text_bytes(pair->word);
	uint64_t sum = pair->count * (pair->word + (unsigned char)pair->text[nbytes - 1]);

	workload_free(self, pair->text, nbytes);
	workload_free(self, pair, sizeof *pair);
	return sum;
}

static uint64_t map(struct workload_thread *self, void *arg)
{
	for (unsigned i = 0; i < WORDS; i++) {
		struct pair *pair = workload_alloc(self, sizeof *pair), **list;
		uint64_t most = 1 + random_below(&self->random, DISTINCT);

		pair->word = random_below(&self->random, most);
		pair->count = 1;
		pair->text = workload_alloc(self, text_bytes(pair->word));
		memset(pair->text, (int)pair->word, text_bytes(pair->word));
		list = &lists[self->index * nthreads + pair->word % nthreads];
		pair->next = *list;
		*list = pair;
	}
	return 0;
}

/* Counts a pair in its bucket, which keeps it if it is the first of its word. */
static uint64_t count(struct workload_thread *self, struct pair **bucket, struct pair *pair)
{
	struct pair *known = *bucket;

	while (known && known->word != pair->word)
		known = known->next;
	if (known) {
		known->count += pair->count;
		return pair_free(self, pair);
	}
	pair->next = *bucket;
	*bucket = pair;
	return 0;
}

static uint64_t reduce(struct workload_thread *self, void *arg)
{
	struct pair **bucket = workload_calloc(self, BUCKETS * sizeof(struct pair *)), *next;
	uint64_t sum = 0;

	for (unsigned m = 0; m < nthreads; m++) {
		for (struct pair *pair = lists[m * nthreads + self->index]; pair; pair = next) {
			next = pair->next;
			sum += count(self, &bucket[pair->word / nthreads % BUCKETS], pair);
		}
		lists[m * nthreads + self->index] = NULL;
	}
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct pair *pair = bucket[i]; pair; pair = next) {
			next = pair->next;
			sum += pair_free(self, pair);
		}
	workload_free(self, bucket, BUCKETS * sizeof(struct pair *));
	return sum;
}

int main(int argc, char **argv)
{
	uint64_t rounds, sum = 0;

	workload_start(argc, argv, "map_reduce", NULL);
	nthreads = workload_threads(THREADS);
	rounds = workload_scaled(ROUNDS);
	lists = workload_table((size_t)nthreads * nthreads * sizeof *lists);
	for (uint64_t i = 0; i < rounds; i++) {
		workload_run(nthreads, map, NULL);
		workload_sample();
		sum += workload_run(nthreads, reduce, NULL);
	}
	return workload_end(sum);
}
