/* Memory for calls at which nothing else can be touched. */
#include "arena/early.h"
#include "base/bits.h"
#include "os_sim.h"
#include "pages/pagemap.h"
#include "test.h"

#include <pthread.h>
#include <string.h>

static bool is_zero(const char *mem, size_t nbytes)
{
	for (size_t i = 0; i < nbytes; i++)
		if (mem[i])
			return false;
	return true;
}

TEST(a_program_that_runs_is_relocated)
{
	EXPECT(early_is_over());
}

/* The first area: the mapping, and its leaf of the page map. */
TEST(a_refusal_at_any_call_is_null_and_loses_nothing)
{
	for (size_t n = 1; n <= 2; n++) {
		os_sim_fail_from(n);
		EXPECT(!early_alloc(16, 100));
		EXPECT_EQ(os_sim_mapped(), 0);
	}
	os_sim_fail_from(0);
	EXPECT(early_alloc(16, 100) != NULL);
}

TEST(objects_are_zero_apart_and_know_their_size)
{
	char *last = NULL;

	for (size_t nbytes = 7; nbytes < 3000; nbytes += 7) {
		char *mem = early_alloc(16, nbytes);

		REQUIRE(mem);
		EXPECT(is_aligned((uintptr_t)mem, 16));
		EXPECT_EQ(early_usable(mem), nbytes);
		EXPECT(is_zero(mem, nbytes));
		EXPECT(mem != last);
		EXPECT_EQ(pagemap_get(mem)->kind, KIND_EARLY);
		if (last)
			EXPECT_EQ(early_usable(last), nbytes - 7);
		memset(mem, 0xff, nbytes);
		last = mem;
	}
}

TEST(an_object_of_no_bytes_has_room)
{
	char *mem = early_alloc(16, 0);

	REQUIRE(mem);
	EXPECT(early_usable(mem) > 0); /* 0 says that it is no object */
}

TEST(any_alignment_is_kept)
{
	for (size_t alignment = 1; alignment <= 4 * MIB; alignment *= 2) {
		char *mem = early_alloc(alignment, 33);

		REQUIRE(mem);
		EXPECT(is_aligned((uintptr_t)mem, alignment < 16 ? 16 : alignment));
		EXPECT_EQ(early_usable(mem), 33);
		EXPECT(is_zero(mem, 33));
	}
}

TEST(what_is_larger_than_an_area_has_one_of_its_own)
{
	size_t nbytes = 3 * MIB;
	char *mem = early_alloc(64, nbytes);

	REQUIRE(mem);
	EXPECT(is_zero(mem, nbytes));
	EXPECT(pagemap_get(mem + nbytes - 1) == pagemap_get(mem));
}

TEST(impossible_sizes_are_refused)
{
	size_t mapped = os_sim_mapped();

	EXPECT(!early_alloc(16, SIZE_MAX));
	EXPECT(!early_alloc(16, PTRDIFF_MAX));
	EXPECT(!early_alloc(SIZE_MAX / 2 + 1, 16));
	EXPECT(!early_alloc(SIZE_MAX / 4 + 1, PTRDIFF_MAX));
	EXPECT_EQ(os_sim_mapped(), mapped);
}

TEST(a_full_area_without_another_is_null)
{
	int taken = 0;

	os_sim_fail_from(1);
	while (taken < 10000 && early_alloc(16, 4000))
		taken++;
	EXPECT(taken < 10000);
	os_sim_fail_from(0);
	EXPECT(early_alloc(16, 4000) != NULL);
}

enum { THREADS = 4, OBJECTS = 2000 };

static void *allocate(void *arg)
{
	char **mems = arg;

	for (int i = 0; i < OBJECTS; i++) {
		mems[i] = early_alloc(16, 40);
		if (mems[i] && is_zero(mems[i], 40))
			memset(mems[i], 1 + i % 100, 40);
		else
			mems[i] = NULL;
	}
	return NULL;
}

static void *allocate_much(void *arg)
{
	size_t refused = 0;

	for (int i = 0; i < OBJECTS / 2; i++)
		refused += !early_alloc(16, i % 2 ? 40 * KIB : 200 * KIB);
	*(size_t *)arg = refused;
	return NULL;
}

/* Whoever maps a large area gets its object from there, though another thread maps a small one. */
TEST(threads_that_map_areas_at_once_all_get_their_objects)
{
	size_t refused[THREADS] = {0};
	pthread_t threads[THREADS];

	for (int t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, allocate_much, &refused[t]);
	for (int t = 0; t < THREADS; t++) {
		pthread_join(threads[t], NULL);
		EXPECT_EQ(refused[t], 0);
	}
}

TEST(threads_get_objects_of_their_own)
{
	static char *mems[THREADS][OBJECTS];
	pthread_t threads[THREADS];

	for (int t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, allocate, mems[t]);
	for (int t = 0; t < THREADS; t++) {
		pthread_join(threads[t], NULL);
		for (int i = 0; i < OBJECTS; i++)
			if (!EXPECT(mems[t][i] && mems[t][i][0] == 1 + i % 100 &&
				    mems[t][i][39] == 1 + i % 100))
				return;
	}
}

/* Behind a reservation of 16 TiB the page map may be others'. */
TEST(an_area_that_cannot_be_tagged_lies_elsewhere)
{
	char *near = (char *)((size_t)3 << 40);
	size_t nbytes = 4 * MIB;
	void *mem;

	REQUIRE(pagemap_reserve(near, PAGE_SIZE));
	os_sim_map_at(near + ((size_t)1 << ROOT_BITS));
	mem = early_alloc(16, nbytes);
	REQUIRE(mem);
	memset(mem, 1, nbytes);
	EXPECT_EQ(pagemap_get(mem)->kind, KIND_EARLY);
	EXPECT(!pagemap_is_others((uintptr_t)mem));
}
