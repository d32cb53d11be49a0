/* How much of the zone's dirty blocks goes back at once. */
#include "base/bits.h"
#include "os_sim.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "pages/zone_regions.h"
#include "test.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

static struct zone_sizes sizes(void)
{
	struct zone_sizes s;

	zone_sizes(&s);
	return s;
}

/* From its end, so that no call takes longer than it must. */
TEST(of_a_large_block_no_more_is_purged_than_is_asked_for)
{
	size_t floor = options.retain_floor;
	char *block;
	bool clean;

	zone_purge(SIZE_MAX);
	options.retain_floor = GIB;
	REQUIRE(block = zone_alloc(ORDER_MAX, &clean));
	zone_free(block, ORDER_MAX, ORDER_BYTES(ORDER_MAX));
	os_sim_fail_from(0);
	for (size_t left = REGION_SIZE; left; left -= MIB) {
		EXPECT_EQ(sizes().free_dirty, left);
		EXPECT_EQ(zone_purge(MIB), MIB);
		EXPECT(zone_check());
	}
	EXPECT_EQ(os_sim_calls(), 4);
	EXPECT_EQ(zone_purge(MIB), 0);
	REQUIRE(zone_alloc(ORDER_MAX, &clean) == block);
	EXPECT(clean);
	zone_free(block, ORDER_MAX, 0);
	options.retain_floor = floor;
}

/* However much is over the rule. */
TEST(a_free_purges_four_times_what_it_brings)
{
	enum { BLOCKS = 6 };
	size_t floor = options.retain_floor, before;
	void *blocks[BLOCKS], *small;
	bool clean;

	zone_purge(SIZE_MAX);
	options.retain_floor = GIB;
	REQUIRE(small = zone_alloc(4, &clean));
	for (int i = 0; i < BLOCKS; i++)
		REQUIRE(blocks[i] = zone_alloc(ORDER_MAX, &clean));
	for (int i = 0; i < BLOCKS; i++)
		zone_free(blocks[i], ORDER_MAX, ORDER_BYTES(ORDER_MAX));
	retain_forget();
	options.retain_floor = 0;
	before = sizes().free_dirty;
	zone_free(small, 4, ORDER_BYTES(4));
	EXPECT_EQ(sizes().free_dirty, before - 3 * ORDER_BYTES(4));
	options.retain_floor = floor;
	EXPECT(zone_check());
}

enum { MANY = 8 };

/* What another thread looks at until it is done, and whether it saw that some went, and not all. */
struct look {
	size_t (*left)(void);
	size_t all, least;
	bool done, seen;
};

static void *look(void *arg)
{
	struct look *l = arg;

	while (!load_acquire(&l->done)) {
		size_t left = l->left();

		l->seen |= left > l->least && left < l->all;
	}
	return NULL;
}

static size_t dirty(void)
{
	return sizes().free_dirty;
}

static size_t mapped(void)
{
	return sizes().mapped;
}

static void free_many(void)
{
	void *blocks[MANY];
	bool clean;

	for (int i = 0; i < MANY; i++) {
		REQUIRE(blocks[i] = zone_alloc(ORDER_MAX, &clean));
		memset(blocks[i], 1, REGION_SIZE); /* else purging takes no time */
	}
	for (int i = 0; i < MANY; i++)
		zone_free(blocks[i], ORDER_MAX, ORDER_BYTES(ORDER_MAX));
}

static bool seen_in_between(size_t (*left)(void), size_t (*give)(void))
{
	struct look l = {.left = left, .least = left()};
	pthread_t thread;

	free_many();
	l.all = left();
	REQUIRE(pthread_create(&thread, NULL, look, &l) == 0);
	usleep(100);
	EXPECT_EQ(give(), l.all - l.least);
	store_release(&l.done, true);
	pthread_join(thread, NULL);
	return l.seen;
}

static size_t purge_all(void)
{
	return zone_purge(SIZE_MAX);
}

static size_t unmap_free(void)
{
	return zone_unmap_free(false);
}

/* Not seen in each round, as the other thread has to run meanwhile. */
TEST(other_threads_use_the_zone_while_all_of_it_is_purged_or_unmapped)
{
	size_t floor = options.retain_floor;
	bool purged = false, unmapped = false;

	zone_purge(SIZE_MAX);
	options.retain_floor = GIB;
	for (int round = 0; round < 1000 && !(purged && unmapped); round++) {
		zone_unmap_free(false);
		purged |= seen_in_between(dirty, purge_all);
		zone_unmap_free(false);
		unmapped |= seen_in_between(mapped, unmap_free);
	}
	EXPECT(purged);
	EXPECT(unmapped);
	options.retain_floor = floor;
	EXPECT(zone_check());
}

/* The caller may hold an arena, which others wait for. */
TEST(a_call_of_one_step_does_not_sleep_for_others)
{
	size_t floor = options.retain_floor, before = os_sim_yields();
	struct look looks[2] = {{.left = dirty}, {.left = dirty}};
	pthread_t threads[2];

	options.retain_floor = GIB;
	for (int i = 0; i < 2; i++)
		REQUIRE(pthread_create(&threads[i], NULL, look, &looks[i]) == 0);
	for (int round = 0; round < 5; round++) {
		free_many();
		while (zone_purge(REGION_SIZE))
			;
	}
	for (int i = 0; i < 2; i++) {
		store_release(&looks[i].done, true);
		pthread_join(threads[i], NULL);
	}
	EXPECT_EQ(os_sim_yields(), before);
	options.retain_floor = floor;
}
