/* Threads that come and go: many one after the other, many at once, and what they leave behind. */
#include "test.h"

#include "process.h"

#include <pthread.h>
#include <stddef.h>

enum {
	LIVES = 10000,
	AT_ONCE = 16,
	CROWD = 2000,
	HELD = 60,
	GENERATIONS = 1000,
	GENERATION_BYTES = 1 << 20,
	LEFT = 16,
};

static pthread_attr_t small_stack;

static pthread_t start(void *(*body)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_attr_init(&small_stack) == 0)
		pthread_attr_setstacksize(&small_stack, STACK_BYTES);
	MUST(pthread_create(&thread, &small_stack, body, arg) == 0);
	return thread;
}

static void *live_shortly(void *arg)
{
	uint64_t state = (uintptr_t)arg * 2654435761u | 1;
	struct block held[8];

	for (int i = 0; i < 8; i++)
		held[i] = block_new(1 + test_random(&state) % 3000);
	for (int i = 0; i < 8; i++)
		block_free(held[i]);
	return NULL;
}

TEST(ten_thousand_lives_in_sequence)
{
	size_t early = 0;

	for (uintptr_t i = 0; i < LIVES; i++) {
		MUST(pthread_join(start(live_shortly, (void *)i), NULL) == 0);
		if (i == LIVES / 10)
			early = resident_kib();
	}
	EXPECT(resident_kib() < early + 4096);
}

TEST(ten_thousand_lives_sixteen_at_a_time)
{
	pthread_t threads[AT_ONCE];
	size_t early = 0;

	for (uintptr_t i = 0; i < LIVES; i += AT_ONCE) {
		for (int t = 0; t < AT_ONCE; t++)
			threads[t] = start(live_shortly, (void *)(i + t));
		for (int t = 0; t < AT_ONCE; t++)
			MUST(pthread_join(threads[t], NULL) == 0);
		if (i == LIVES / 10 / AT_ONCE * AT_ONCE)
			early = resident_kib();
	}
	EXPECT(resident_kib() < early + 8192);
}

/* Of a thread, after its test has called test_seed(); not zero, as that is odd. */
static uint64_t seed_of(ptrdiff_t thread)
{
	return test_seed() + 2 * (uint64_t)thread;
}

static pthread_barrier_t all_hold;
static struct block crowd_blocks[CROWD][HELD];

static void *hold(void *arg)
{
	struct block *held = arg;
	uint64_t state = seed_of((held - crowd_blocks[0]) / HELD);

	for (int i = 0; i < HELD; i++)
		held[i] = block_new(16 + test_random(&state) % 885);
	pthread_barrier_wait(&all_hold);
	for (int i = 0; i < HELD; i += 2)
		block_free(held[i]);
	return NULL;
}

/* Each frees half of what it holds; the other half outlives its thread. */
TEST(two_thousand_at_once)
{
	static pthread_t threads[CROWD];

	if (!pids_allow(CROWD + CROWD / 4))
		test_skip("pids.max of a cgroup is too low");
	test_seed();
	pthread_barrier_init(&all_hold, NULL, CROWD);
	for (int t = 0; t < CROWD; t++)
		threads[t] = start(hold, crowd_blocks[t]);
	for (int t = 0; t < CROWD; t++)
		MUST(pthread_join(threads[t], NULL) == 0);
	for (int t = 0; t < CROWD; t++)
		for (int i = 1; i < HELD; i += 2)
			block_free(crowd_blocks[t][i]);
}

static struct block inherited[AT_ONCE][HELD];

static void *leave_blocks(void *arg)
{
	struct block *left = arg;
	uint64_t state = seed_of((left - inherited[0]) / HELD);

	for (int i = 0; i < HELD; i++)
		left[i] = block_new(1 + test_random(&state) % (i % 10 ? 2000 : 500000));
	return NULL;
}

static void *free_blocks(void *arg)
{
	struct block *left = arg;

	for (int i = 0; i < HELD; i++)
		block_free(i % 3 ? left[i] : block_grow(left[i]));
	return NULL;
}

TEST(memory_of_the_dead_is_freed_by_others)
{
	pthread_t threads[AT_ONCE];

	test_seed();
	for (int round = 0; round < 50; round++) {
		for (int t = 0; t < AT_ONCE; t++)
			threads[t] = start(leave_blocks, inherited[t]);
		for (int t = 0; t < AT_ONCE; t++)
			pthread_join(threads[t], NULL);
		for (int t = 0; t < AT_ONCE; t++)
			threads[t] = start(free_blocks, inherited[(t + 5) % AT_ONCE]);
		for (int t = 0; t < AT_ONCE; t++)
			pthread_join(threads[t], NULL);
	}
}

static void *generation(void *arg)
{
	static struct block held[GENERATION_BYTES / 16];
	struct block *left = arg;
	uint64_t state = 88172645463325252u;
	size_t total = 0, n = 0;

	while (total < GENERATION_BYTES) {
		held[n] = block_new(16 + test_random(&state) % 497);
		total += held[n++].nbytes;
	}
	for (size_t i = 0; i < n; i++)
		if (i % (n / LEFT) == 0 && i / (n / LEFT) < LEFT)
			left[i / (n / LEFT)] = held[i];
		else
			block_free(held[i]);
	return NULL;
}

/* What each generation leaves is freed ten generations later. */
TEST(memory_of_the_dead_is_reused)
{
	static struct block left[10][LEFT];
	size_t early = 0;

	for (int g = 0; g < GENERATIONS + 10; g++) {
		struct block *mine = left[g % 10];

		for (int i = 0; g >= 10 && i < LEFT; i++)
			block_free(mine[i]);
		if (g < GENERATIONS)
			MUST(pthread_join(start(generation, mine), NULL) == 0);
		if (g == GENERATIONS / 20)
			early = resident_kib();
	}
	if (!EXPECT(resident_kib() < early + 8192))
		printf("    %zu KiB after %d generations, %zu KiB after all\n", early,
		       GENERATIONS / 20, resident_kib());
}
