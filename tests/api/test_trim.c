/* malloc_trim: gives free memory back, wherever it lies, and says whether it did. */
#include "names.h"

#include <pthread.h>

#define MIB ((size_t)1 << 20)

enum { BLOCKS = 12000 };

static struct {
	unsigned char *p;
	size_t n;
} blocks[BLOCKS];

static size_t fill(uint64_t *state)
{
	size_t total = 0;

	for (unsigned i = 0; i < BLOCKS; i++) {
		size_t n = 4096 + test_random(state) % 28000;

		if (blocks[i].p)
			continue;
		blocks[i].p = malloc(n);
		REQUIRE(blocks[i].p != NULL);
		blocks[i].n = n;
		pattern_put(blocks[i].p, n, i);
		total += n;
	}
	return total;
}

/* Nine of ten go, by chance; what they held is returned. */
static size_t thin_out(uint64_t *state)
{
	size_t freed = 0;

	for (unsigned i = 0; i < BLOCKS; i++) {
		if (test_random(state) % 10 == 0)
			continue;
		freed += blocks[i].n;
		EXPECT(pattern_holds(blocks[i].p, blocks[i].n, i));
		free(blocks[i].p);
		blocks[i].p = NULL;
	}
	return freed;
}

/* Between live blocks of some KiB there are hardly any pages of 64 KiB. */
static void need_smaller_pages(void)
{
	if (sysconf(_SC_PAGESIZE) > 16384)
		test_skip("pages are larger than what is free between blocks");
}

TEST(free_memory_between_live_blocks_goes_back)
{
	uint64_t state = test_seed();
	size_t before = resident();

	need_smaller_pages();
	for (int again = 0; again < 3; again++) {
		size_t full, live, left;

		fill(&state);
		full = resident() - before;
		EXPECT(full > 200 * MIB);
		live = full - thin_out(&state);
		EXPECT_EQ(malloc_trim(0), 1);
#ifndef API_GLIBC /* does not know what it gave back before, and says 1 for ever */
		EXPECT_EQ(malloc_trim(0), 0);
		EXPECT_EQ(malloc_trim(0), 0);
#endif
		left = resident() - before;
		if (!EXPECT(left < live + live / 2 + 8 * MIB))
			printf("    %zu MiB resident, %zu MiB live\n", left / MIB, live / MIB);
	}
	for (unsigned i = 0; i < BLOCKS; i++) {
		if (blocks[i].p)
			EXPECT(pattern_holds(blocks[i].p, blocks[i].n, i));
		free(blocks[i].p);
		blocks[i].p = NULL;
	}
	malloc_trim(0);
	EXPECT(resident() < before + 8 * MIB);
}

enum { THREADS = 8, HELD = 1000, KEEP_EVERY = 50 };

static struct worker {
	pthread_t thread;
	void *held[HELD];
	bool idles;
} workers[THREADS];

static pthread_barrier_t freed, trimmed;

/* Frees what lies between every 50th block, and then idles or is gone. */
static void *come_and_go(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < HELD; i++) {
		w->held[i] = malloc(20000);
		memset(w->held[i], 1, 20000);
	}
	for (int i = 0; i < HELD; i++)
		if (i % KEEP_EVERY)
			free(w->held[i]);
	if (w->idles) {
		pthread_barrier_wait(&freed);
		pthread_barrier_wait(&trimmed);
	}
	return NULL;
}

static void join_all(void)
{
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
}

/* What a thread that idles retains is its own, and may be what the rule allowed when all was
   live. */
static size_t retained_at_most(bool idles)
{
	return idles ? (size_t)THREADS * HELD * 20000 / 8 : 0;
}

static void expect_trimmed(bool idles)
{
	size_t before, after;

	malloc_trim(0);
	before = resident();
	for (int i = 0; i < THREADS; i++) {
		workers[i].idles = idles;
		pthread_create(&workers[i].thread, NULL, come_and_go, &workers[i]);
	}
	if (idles)
		pthread_barrier_wait(&freed);
	else
		join_all();
	malloc_trim(0);
	after = resident();
	if (!EXPECT(after < before + retained_at_most(idles) + 12 * MIB))
		printf("    %zu MiB more\n", (after - before) / MIB);
	if (idles) {
		pthread_barrier_wait(&trimmed);
		join_all();
	}
	for (int i = 0; i < THREADS; i++)
		for (int j = 0; j < HELD; j += KEEP_EVERY)
			free(workers[i].held[j]);
}

TEST(what_idle_threads_freed_goes_back)
{
	need_smaller_pages();
	pthread_barrier_init(&freed, NULL, THREADS + 1);
	pthread_barrier_init(&trimmed, NULL, THREADS + 1);
	expect_trimmed(true);
}

TEST(what_threads_freed_that_are_gone_goes_back)
{
	need_smaller_pages();
	expect_trimmed(false);
}
