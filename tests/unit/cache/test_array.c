/* Arrays of pointers: of any size up to the most, empty at first, reused by size. */
#include "cache/array.h"

#include "cache/shards.h"
#include "os_sim.h"
#include "pages/metadata.h"
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

static bool is_empty(struct object **array, uint32_t words)
{
	for (uint32_t i = 0; i < words; i++)
		if (array[i])
			return false;
	return true;
}

/* What needs a mapping is refused a few times first. */
static struct object **new_array(uint32_t words)
{
	struct object **array = NULL;

	for (int tries = 0; !array && tries <= PATIENCE; tries++)
		array = array_alloc(words);
	REQUIRE(array);
	return array;
}

/* Each is written to its end; the next one must not have been. */
TEST(every_size_has_room_and_is_empty)
{
	struct object **before = NULL;

	for (uint32_t words = 1; words <= ARRAY_MOST; words++) {
		struct object **array = new_array(words);

		EXPECT(is_empty(array, words));
		if (before)
			EXPECT_EQ((uintptr_t)before[words - 2], 1);
		memset(array, 0xff, words * sizeof *array);
		array[words - 1] = (struct object *)1;
		before = array;
	}
}

TEST(an_array_is_used_again)
{
	const uint32_t sizes[] = {1, 8, 9, 16, 17, 513, ARRAY_MOST};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct object **array = new_array(sizes[i]);

		memset(array, 0xff, sizes[i] * sizeof *array);
		array_free(array, sizes[i]);
		EXPECT(array_alloc(sizes[i]) == array);
	}
}

/* 8, 16, 32 ... words. */
TEST(sizes_are_powers_of_two)
{
	struct object **array = new_array(9);

	array_free(array, 9);
	EXPECT(array_alloc(8) != array);
	EXPECT(array_alloc(17) != array);
	EXPECT(array_alloc(16) == array);
}

TEST(without_memory_there_is_none)
{
	int taken = 0;

	os_sim_fail_from(1);
	while (taken < 10000 && array_alloc(ARRAY_MOST))
		taken++;
	EXPECT(taken < 10000);
	os_sim_fail_from(0);
	new_array(ARRAY_MOST);
}

/* --- what is spare --------------------------------------------------------------------------- */

enum { MANY = 40 }; /* more than are kept beside the pool */

/* The last one first; and when the shelves are full, those of the pool. */
TEST(no_array_is_lost_or_given_twice)
{
	struct object **array[MANY], **again[MANY];
	size_t mapped;

	for (int i = 0; i < MANY; i++)
		array[i] = new_array(100);
	for (int round = 0; round < 3; round++) {
		mapped = load_relaxed(&metadata_bytes);
		for (int i = 0; i < MANY; i++)
			array_free(array[i], 100);
		for (int i = 0; i < MANY; i++) {
			again[i] = array_alloc(100);
			REQUIRE(again[i]);
			for (int k = 0; k < i; k++)
				EXPECT(again[k] != again[i]);
		}
		for (int i = 0; i < MANY; i++) {
			int k = 0;

			while (k < MANY && again[k] != array[i])
				k++;
			EXPECT(k < MANY); /* the same, in some order */
		}
		EXPECT_EQ(load_relaxed(&metadata_bytes), mapped);
	}
	for (int i = 0; i < MANY; i++)
		array_free(array[i], 100);
}

static void expect_no_lock(bool held)
{
	struct object **array = new_array(300);

	store_relaxed(&shards_log, 1);
	array_free(array, 300);
	if (held)
		lock_acquire(&metadata_lock);
	EXPECT(array_alloc(300) == array); /* else it would wait for itself, which is reported */
	array_free(array, 300);
	if (held)
		lock_release(&metadata_lock);
	store_relaxed(&shards_log, 0);
}

TEST(a_spare_array_is_had_without_the_lock_of_metadata)
{
	expect_no_lock(false);
	expect_no_lock(true);
}

/* One that was freed while there were fewer is found from any. */
TEST(spare_arrays_of_all_shards_are_used)
{
	struct object **array[MANY], **got;
	size_t found = 0;

	for (int i = 0; i < MANY; i++)
		array[i] = new_array(60);
	store_relaxed(&shards_log, 1);
	for (int i = 0; i < MANY; i++)
		array_free(array[i], 60);
	store_relaxed(&shards_log, 5);
	for (int i = 0; i < MANY; i++) {
		got = array_alloc(60);
		for (int k = 0; k < MANY; k++)
			found += got == array[k];
	}
	store_relaxed(&shards_log, 0);
	EXPECT_EQ(found, MANY);
}

/* So that a process of few threads has no page for them: the pool gives what it was given last. */
TEST(while_there_is_one_shard_none_is_spare)
{
	struct object **array[MANY];

	for (int i = 0; i < MANY; i++)
		array[i] = new_array(30);
	for (int i = 0; i < MANY; i++)
		array_free(array[i], 30);
	store_relaxed(&shards_log, 1);
	for (int i = MANY; i-- > 0;)
		EXPECT(array_alloc(30) == array[i]);
	store_relaxed(&shards_log, 0);
	for (int i = 0; i < MANY; i++)
		array_free(array[i], 30);
}

static void *churn(void *seed)
{
	uintptr_t mark = (uintptr_t)seed;

	for (int i = 0; i < 20000; i++) {
		struct object **array = array_alloc(100);

		if (!array)
			continue;
		array[0] = array[99] = (struct object *)(mark + (uintptr_t)i);
		if (i % 64 == 0)
			sched_yield();
		EXPECT(array[0] == (struct object *)(mark + (uintptr_t)i) && array[99] == array[0]);
		array_free(array, 100);
	}
	return NULL;
}

TEST(threads_never_have_the_same_array)
{
	pthread_t thread[4];

	store_relaxed(&shards_log, 1);
	for (uintptr_t i = 0; i < 4; i++)
		REQUIRE(pthread_create(&thread[i], NULL, churn, (void *)((i + 1) << 32)) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	store_relaxed(&shards_log, 0);
}
