/*
 * mallinfo2 adds up: arena is uordblks and fordblks, hblkhd stands beside them;
 * it grows by what any thread allocates and shrinks by what is freed.
 */
#include "names.h"

#include <pthread.h>

#define SMALL  ((size_t)100)
#define BLOCKS ((size_t)100000)
#define LARGE  ((size_t)40 << 20) /* a mapping of its own at any threshold of glibc's */

#ifdef API_GLIBC
#define BEFORE 8192 /* blocks in its thread cache count as in use: taking them adds nothing */
#else
#define BEFORE 64 /* each heap has an end of 16 bytes that counts as in use, and goes with it */
#endif

static size_t in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	EXPECT_EQ(info.arena, info.uordblks + info.fordblks);
	EXPECT(info.keepcost <= info.fordblks);
	return info.uordblks + info.hblkhd;
}

/* Grown by n, and by not much more than one part in share beyond. */
static void expect_grown(size_t before, size_t n, size_t share)
{
	size_t grown = in_use() - before;

	if (!EXPECT(grown + BEFORE >= n && grown <= n + n / share + 65536))
		printf("    in use grew by %zu for %zu\n", grown, n);
}

TEST(small_blocks_count)
{
	static void *blocks[BLOCKS];
	size_t before = in_use();

	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i] = malloc(SMALL);
	expect_grown(before, BLOCKS * SMALL, 3);
	for (size_t i = 0; i < BLOCKS; i += 2)
		free(blocks[i]);
	expect_grown(before, BLOCKS / 2 * SMALL, 3);
	for (size_t i = 1; i < BLOCKS; i += 2)
		free(blocks[i]);
	EXPECT(in_use() < before + 65536);
}

TEST(blocks_of_every_size_count)
{
	for (size_t i = 0; i < SIZES; i++) {
		enum { TIMES = 20 };
		void *blocks[TIMES];
		size_t n = sizes[i], before = in_use();

		for (int j = 0; j < TIMES; j++) {
			blocks[j] = malloc(n);
			REQUIRE(blocks[j] != NULL);
		}
		expect_grown(before, TIMES * n, 2);
		for (int j = 0; j < TIMES; j++)
			free(blocks[j]);
		EXPECT(in_use() < before + n + 65536);
	}
}

TEST(mappings_count_beside)
{
	struct mallinfo2 before = mallinfo2(), with, after;
	void *blocks[3];

	for (int i = 0; i < 3; i++)
		blocks[i] = malloc(LARGE);
	with = mallinfo2();
	EXPECT_EQ(with.hblks, before.hblks + 3);
	EXPECT(with.hblkhd >= before.hblkhd + 3 * LARGE);
	EXPECT(with.hblkhd < before.hblkhd + 3 * LARGE + (1 << 20));
	EXPECT_EQ(with.arena, with.uordblks + with.fordblks);
	EXPECT(with.uordblks < before.uordblks + (1 << 20));
	for (int i = 0; i < 3; i++)
		free(blocks[i]);
	after = mallinfo2();
	EXPECT_EQ(after.hblks, before.hblks);
	EXPECT_EQ(after.hblkhd, before.hblkhd);
	EXPECT_EQ(after.arena, after.uordblks + after.fordblks);
}

enum { THREADS = 8, HELD = 10000 };

static pthread_barrier_t all_hold, may_free;
static void *held[THREADS][HELD];

/* Half of what it holds it frees itself, half is left for another thread. */
static void *hold(void *arg)
{
	void **mine = arg;

	for (int i = 0; i < HELD; i++)
		mine[i] = malloc(SMALL);
	pthread_barrier_wait(&all_hold);
	pthread_barrier_wait(&may_free);
	for (int i = 0; i < HELD; i += 2)
		free(mine[i]);
	return NULL;
}

TEST(what_other_threads_hold_counts)
{
	pthread_t threads[THREADS];
	size_t before = in_use(), per_thread = 16 << 10;

	pthread_barrier_init(&all_hold, NULL, THREADS + 1);
	pthread_barrier_init(&may_free, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, hold, held[i]);
	pthread_barrier_wait(&all_hold);
	expect_grown(before, THREADS * (HELD * SMALL), 2);
	pthread_barrier_wait(&may_free);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	expect_grown(before, THREADS * (HELD / 2 * SMALL), 2);
	for (int i = 0; i < THREADS; i++)
		for (int j = 1; j < HELD; j += 2)
			free(held[i][j]);
	EXPECT(in_use() < before + THREADS * per_thread + 65536);
}

TEST(mallinfo_is_the_same_in_int)
{
	void *p = malloc(LARGE), *small = malloc(SMALL); /* a heap that is empty may be gone */
	struct mallinfo2 wide = mallinfo2();
	struct mallinfo narrow = mallinfo();

	EXPECT_EQ(narrow.arena, (int)wide.arena);
	EXPECT_EQ(narrow.ordblks, (int)wide.ordblks);
	EXPECT_EQ(narrow.smblks, (int)wide.smblks);
	EXPECT_EQ(narrow.hblks, (int)wide.hblks);
	EXPECT_EQ(narrow.hblkhd, (int)wide.hblkhd);
	EXPECT_EQ(narrow.usmblks, (int)wide.usmblks);
	EXPECT_EQ(narrow.fsmblks, (int)wide.fsmblks);
	EXPECT_EQ(narrow.uordblks, (int)wide.uordblks);
	EXPECT_EQ(narrow.fordblks, (int)wide.fordblks);
	EXPECT_EQ(narrow.keepcost, (int)wide.keepcost);
	EXPECT(narrow.uordblks > 0 && narrow.hblkhd >= (int)LARGE);
	free(p);
	free(small);
}
