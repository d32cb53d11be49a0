/* The counters: what each is of, by classes, arenas and caches. */
#include "observe/counters.h"

#include "arena/ring.h"
#include "base/options.h"
#include "cache/cache.h"
#include "observe/figures.h"
#include "pages/zone_regions.h"
#include "test.h"

#include <loam/loam.h>
#include <pthread.h>
#include <string.h>

enum { SIZE = 64, COUNT = 500 };

static struct counters collect(void)
{
	struct counters cs;

	counters_collect(&cs);
	return cs;
}

TEST(all_is_zero_before_loam_has_started)
{
	struct counters cs = collect();

	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		EXPECT_EQ(cs.of[i], 0);
}

TEST(each_has_a_line_and_bytes_are_named_so)
{
	const char *line = counter_lines();

	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		const char *blank = strchr(line, ' '), *end = strchr(line, '\n');

		REQUIRE(blank && end);
		EXPECT_EQ(strncmp(blank - 6, "_bytes", 6) == 0, counter_units[i] != NUMBER);
		EXPECT_EQ(end[-1], '.');
		line = end + 1;
	}
	EXPECT_EQ(*line, '\0');
}

TEST(cached_objects_are_free_and_not_live)
{
	static void *mem[COUNT];
	struct counters with, without;

	for (int i = 0; i < COUNT; i++)
		mem[i] = loam_malloc(SIZE);
	with = collect();
	for (int i = 0; i < COUNT; i++)
		loam_free(mem[i]);
	without = collect();
	EXPECT(counter(&without, cached_objects) > counter(&with, cached_objects));
	EXPECT(counter(&without, live_bytes) < counter(&with, live_bytes));
	EXPECT_EQ(counter(&with, live_bytes) + counter(&with, cached_bytes) +
			  counter(&with, free_bytes),
		  counter(&without, live_bytes) + counter(&without, cached_bytes) +
			  counter(&without, free_bytes));
	loam_malloc_trim(0);
	EXPECT_EQ(collect().of[COUNTER_cached_objects], 0);
}

TEST(objects_that_leave_a_magazine_are_cached)
{
	struct counters before, cs;
	struct magazine *m;
	void *mem = NULL;

	for (int i = 0; i < COUNT; i++)
		REQUIRE(mem = loam_malloc(SIZE)); /* until slabs serve */
	REQUIRE(m = cache_magazine(mine.cache, class_of(SIZE)));
	magazine_set_packing(m, true);
	before = collect();
	loam_free(mem);
	EXPECT_EQ(magazine_leaving(m), 1);
	cs = collect();
	EXPECT_EQ(counter(&cs, cached_objects), counter(&before, cached_objects) + 1);
	EXPECT_EQ(counter(&cs, slab_objects), counter(&before, slab_objects) - 1);
	magazine_set_packing(m, false);
}

TEST(a_field_is_read_from_its_place_with_its_size)
{
	struct counters before = collect(), after;

	arena_main.counts.promotions += 3;
	arena_main.chunks.splits += ((size_t)5 << 32) + 7;
	zone.sizes.takes += 11;
	lock_waits += 13;
	after = collect();
	EXPECT_EQ(counter(&after, promotions), counter(&before, promotions) + 3);
	EXPECT_EQ(counter(&after, chunk_splits),
		  counter(&before, chunk_splits) + ((uint64_t)5 << 32) + 7);
	EXPECT_EQ(counter(&after, blocks_taken), counter(&before, blocks_taken) + 11);
	EXPECT_EQ(counter(&after, lock_waits), counter(&before, lock_waits) + 13);
	arena_main.counts.promotions -= 3;
	arena_main.chunks.splits -= ((size_t)5 << 32) + 7;
	zone.sizes.takes -= 11;
	lock_waits -= 13;
}

static void *allocate(void *arg)
{
	for (int i = 0; i < 4 * COUNT; i++)
		((void **)arg)[i] = loam_malloc(SIZE);
	return NULL;
}

TEST(arenas_and_caches_are_summed_up)
{
	static void *mem[4 * COUNT];
	struct arena *held = &arena_main;
	struct counters before = collect(), after;
	pthread_t thread;

	REQUIRE(ring_lock_this(held));
	pthread_create(&thread, NULL, allocate, mem);
	pthread_join(thread, NULL);
	ring_unlock(held);
	after = collect();
	EXPECT_EQ(counter(&after, arenas), ring_count());
	EXPECT(counter(&after, arenas) > counter(&before, arenas));
	EXPECT_EQ(counter(&after, caches), counter(&before, caches) + 1);
	EXPECT(counter(&after, live_bytes) >= counter(&before, live_bytes) + sizeof mem / 8 * SIZE);
	for (int i = 0; i < 4 * COUNT; i++)
		loam_free(mem[i]);
}
