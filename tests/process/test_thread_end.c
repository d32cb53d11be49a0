/* The end of a thread: memory used by key destructors, cancellation, and no key taken away. */
#include "test.h"

#include "process.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>

enum { THREADS = 100, KEYS = 24 };

static pthread_key_t keys[KEYS];
static int rounds_seen[KEYS];
static void *survivors[THREADS * KEYS];
static int survivor_count;

/* The value of a key is a block whose first int is the round and whose second is the key. */
static void *round_block(int round, int key)
{
	int *mem = malloc(16 + (size_t)(key * 331 + round * 97) % 5000);

	MUST(mem);
	mem[0] = round;
	mem[1] = key;
	return mem;
}

/* Frees its value and sets another, until pthread's last round, whose block is left to main. */
static void destroy(void *value)
{
	int round = ((int *)value)[0], key = ((int *)value)[1];

	MUST(key >= 0 && key < KEYS);
	free(value);
	__atomic_fetch_add(&rounds_seen[key], 1, __ATOMIC_RELAXED);
	value = round_block(round + 1, key);
	if (round + 1 < PTHREAD_DESTRUCTOR_ITERATIONS)
		pthread_setspecific(keys[key], value);
	else
		survivors[__atomic_fetch_add(&survivor_count, 1, __ATOMIC_RELAXED)] = value;
	if (key == 0)
		allocate_every_size();
}

static void *set_keys(void *unused)
{
	for (int k = 0; k < KEYS; k++)
		MUST(pthread_setspecific(keys[k], round_block(0, k)) == 0);
	return unused;
}

TEST(key_destructors_use_memory_in_every_round)
{
	pthread_t threads[THREADS];

	for (int k = 0; k < KEYS; k++)
		REQUIRE(pthread_key_create(&keys[k], destroy) == 0);
	for (int t = 0; t < THREADS; t += 4) {
		for (int i = t; i < t + 4; i++)
			REQUIRE(pthread_create(&threads[i], NULL, set_keys, NULL) == 0);
		for (int i = t; i < t + 4; i++)
			pthread_join(threads[i], NULL);
	}
	for (int k = 0; k < KEYS; k++) {
		EXPECT_EQ(rounds_seen[k], THREADS * PTHREAD_DESTRUCTOR_ITERATIONS);
		pthread_key_delete(keys[k]);
	}
	EXPECT_EQ(survivor_count, THREADS * KEYS);
	for (int i = 0; i < survivor_count; i++)
		free(survivors[i]);
}

static void free_cell(void *cell)
{
	free(*(void **)cell);
	allocate_every_size();
}

static void *allocate_until_cancelled(void *unused)
{
	void *volatile held = NULL;

	pthread_cleanup_push(free_cell, (void *)&held);
	for (size_t n = 1;; n = n * 3 % 300007) {
		free(held);
		held = NULL;
		held = malloc(n);
		pthread_testcancel();
	}
	pthread_cleanup_pop(0);
	return unused;
}

TEST(allocating_threads_are_cancelled)
{
	pthread_t threads[8];
	void *end;

	for (int round = 0; round < 40; round++) {
		for (int t = 0; t < 8; t++)
			REQUIRE(pthread_create(&threads[t], NULL, allocate_until_cancelled, NULL) ==
				0);
		usleep((useconds_t)round * 50);
		for (int t = 0; t < 8; t++)
			pthread_cancel(threads[t]);
		for (int t = 0; t < 8; t++) {
			pthread_join(threads[t], &end);
			EXPECT(end == PTHREAD_CANCELED);
		}
	}
}

static bool allocated_to_the_end;

static void *allocate_with_cancel_pending(void *unused)
{
	pthread_cancel(pthread_self());
	allocate_every_size();
	allocated_to_the_end = true;
	pthread_testcancel();
	return unused;
}

TEST(nothing_that_allocates_is_a_cancellation_point)
{
	pthread_t thread;
	void *end;

	REQUIRE(pthread_create(&thread, NULL, allocate_with_cancel_pending, NULL) == 0);
	pthread_join(thread, &end);
	EXPECT(allocated_to_the_end);
	EXPECT(end == PTHREAD_CANCELED);
}

static volatile bool stop;

static void *allocate_until_stopped(void *unused)
{
	while (!stop)
		allocate_every_size();
	return unused;
}

static pthread_key_t all_keys[PTHREAD_KEYS_MAX + 1];

static void *set_taken_keys(void *unused)
{
	for (int k = 0; k < PTHREAD_KEYS_MAX; k++)
		pthread_setspecific(all_keys[k], malloc((size_t)k));
	return unused;
}

/* POSIX promises PTHREAD_KEYS_MAX keys to the program; a library that takes one breaks that. */
TEST(every_key_is_the_programs)
{
	pthread_t threads[4], late;
	int n = 0;

	for (int t = 0; t < 4; t++)
		REQUIRE(pthread_create(&threads[t], NULL, allocate_until_stopped, NULL) == 0);
	while (n <= PTHREAD_KEYS_MAX && pthread_key_create(&all_keys[n], free) == 0)
		n++;
	EXPECT_EQ(n, PTHREAD_KEYS_MAX);
	REQUIRE(pthread_create(&late, NULL, set_taken_keys, NULL) == 0);
	pthread_join(late, NULL);
	stop = true;
	for (int t = 0; t < 4; t++)
		pthread_join(threads[t], NULL);
	for (int i = 0; i < n; i++)
		EXPECT_EQ(pthread_key_delete(all_keys[i]), 0);
}
