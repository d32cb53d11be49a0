/* How objects go home: flushes, sweeps, what is owed, and the depot. */
#include "threads.h"

#include <signal.h>
#include <sys/mman.h>

enum { SIZE = 64 };

TEST(a_flush_gives_all_home)
{
	struct magazine *n = learned(16), *m = filled(SIZE, 20);
	size_t out = objects_out(SIZE);

	cache_flush(mine.cache);
	EXPECT_EQ(magazine_count(m), 0);
	EXPECT_EQ(magazine_count(n), 0);
	EXPECT_EQ(objects_out(SIZE), out - 20);
	/* the doors are open again */
	EXPECT(mine.libc.magazines == mine.cache->magazines->magazine);
	EXPECT(loam_check());
}

static void *unreadable, *got;

static void on_fault(int signal)
{
	mprotect(unreadable, PAGE_SIZE, PROT_READ | PROT_WRITE);
	got = loam_malloc(PAGE_SIZE);
	loam_free(loam_malloc(16));
	(void)signal;
}

/* Calls it so that a signal handler runs in the middle, when it reads the magazine's first
   object. */
static void call_interrupted(void (*call)(struct cache *c))
{
	struct sigaction action = {.sa_handler = on_fault}, before;
	struct cache *c;

	unreadable = filled(PAGE_SIZE, 8)->none[1];
	got = NULL;
	sigaction(SIGSEGV, &action, &before);
	mprotect(unreadable, PAGE_SIZE, PROT_NONE);
	c = cache_enter();
	call(c);
	cache_leave(c);
	sigaction(SIGSEGV, &before, NULL);
}

/* An object that is on its way home must not be taken. */
static void sweep(struct cache *c)
{
	pay(c, OWED_SWEEP | OWED_SHRINK);
}

TEST(a_signal_handler_in_the_middle_of_a_flush_or_sweep_gets_memory_from_elsewhere)
{
	cache_open_operators();
	call_interrupted(cache_flush);
	EXPECT(got && pagemap_get(got)->kind == KIND_EARLY);
	EXPECT(loam_check());
	call_interrupted(sweep);
	EXPECT(got && pagemap_get(got)->kind == KIND_EARLY);
	EXPECT(loam_check());
	EXPECT(mine.operators.magazines == mine.libc.magazines); /* as they were */
}

TEST(what_was_not_filled_between_two_sweeps_goes_home)
{
	struct magazine *m = filled(SIZE, 21);
	uint32_t capacity = magazine_capacity(m);
	size_t out = objects_out(SIZE);

	m->fills = 1;
	pay(mine.cache, OWED_SWEEP);
	EXPECT_EQ(m->fills, 0);
	EXPECT_EQ(magazine_count(m), 21);
	pay(mine.cache, OWED_SWEEP);
	EXPECT_EQ(magazine_count(m), 0);
	EXPECT_EQ(magazine_capacity(m), capacity);
	EXPECT_EQ(objects_out(SIZE), out - 21);
	EXPECT(loam_check());
}

TEST(what_was_given_to_alone_goes_home)
{
	struct magazine *m = filled(SIZE, 20);

	magazine_learn_to_give(m, true);
	m->fills = 0;
	pay(mine.cache, OWED_SWEEP);
	EXPECT_EQ(magazine_count(m), 0);
}

TEST(a_magazine_that_was_not_filled_halves_if_asked_to)
{
	struct magazine *m = filled(SIZE, 21);
	uint32_t capacity = magazine_capacity(m);

	m->fills = 1;
	pay(mine.cache, OWED_SWEEP | OWED_SHRINK);
	EXPECT_EQ(magazine_capacity(m), capacity);
	pay(mine.cache, OWED_SWEEP | OWED_SHRINK);
	EXPECT_EQ(magazine_capacity(m), capacity / 2);
	for (int i = 0; i < 5; i++)
		pay(mine.cache, OWED_SWEEP | OWED_SHRINK);
	EXPECT_EQ(magazine_capacity(m), 7);
}

/* So that those that are used may grow. */
TEST(a_magazine_that_was_not_filled_halves_where_little_is_left_to_grow_by)
{
	struct magazine *m = filled(SIZE, 21);
	uint32_t capacity = magazine_capacity(m);
	size_t total = mine.cache->total, more = MAGAZINES_BYTES * 3 / 4 - total;

	m->fills = 0;
	mine.cache->total += more;
	pay(mine.cache, OWED_SWEEP);
	EXPECT_EQ(magazine_capacity(m), capacity); /* a quarter is left */
	mine.cache->total += 1;
	pay(mine.cache, OWED_SWEEP);
	EXPECT_EQ(magazine_capacity(m), capacity / 2);
	m->fills = 1;
	mine.cache->total += MAGAZINES_BYTES;
	pay(mine.cache, OWED_SWEEP);
	EXPECT_EQ(magazine_capacity(m), capacity / 2);
	mine.cache->total -= MAGAZINES_BYTES + more + 1;
	EXPECT(loam_check());
}

TEST(objects_of_several_arenas_go_home_to_each)
{
	struct object *objects[20];
	struct arena *other;
	size_t out;

	start_anew();
	other = lock_another_arena();
	for (int i = 0; i < 20; i += 2)
		take_objects(other, SIZE, objects + i, 1);
	ring_unlock(other);
	REQUIRE(ring_lock_this(&arena_main));
	for (int i = 1; i < 20; i += 2)
		take_objects(&arena_main, SIZE, objects + i, 1);
	ring_unlock(&arena_main);
	out = objects_out(SIZE);
	cache_give_home(objects, 20);
	EXPECT_EQ(objects_out(SIZE), out - 20);
	EXPECT(loam_check());
}

/* What was half changed at a fork. */
TEST(objects_of_an_arena_that_is_not_used_any_more_stay_out)
{
	struct object *objects[4];
	struct arena *other;
	size_t out;

	start_anew();
	other = lock_another_arena();
	take_objects(other, SIZE, objects, 2);
	ring_unlock(other);
	REQUIRE(ring_lock_this(&arena_main));
	take_objects(&arena_main, SIZE, objects + 2, 2);
	ring_unlock(&arena_main);
	out = objects_out(SIZE);
	ring_retire(other);
	cache_give_home(objects, 4);
	EXPECT_EQ(objects_out(SIZE), out - 2);
	other->retired = false;
	lock_recover(&other->lock);
}

static size_t holds; /* times that a lock was found closed */

static void count_hold(void)
{
	holds++;
}

/* Others wait for the lock. A retired arena's is never had, so each try of it is seen. */
TEST(an_arena_is_held_for_a_part_of_many_objects)
{
	enum { ALL = 1000, AT_ONCE = 256 };
	static struct object *objects[ALL];
	void (*before)(void) = lock_before_wait;
	struct arena *other;

	start_anew();
	other = lock_another_arena();
	take_objects(other, SIZE, objects, ALL / 2);
	take_objects(other, SIZE, objects + ALL / 2, ALL / 2);
	ring_unlock(other);
	ring_retire(other);
	holds = 0;
	store_release(&lock_before_wait, count_hold);
	cache_give_home(objects, ALL);
	store_release(&lock_before_wait, before);
	EXPECT_EQ(holds, (ALL + AT_ONCE - 1) / AT_ONCE);
	other->retired = false;
	lock_recover(&other->lock);
	cache_give_home(objects, ALL);
	EXPECT(loam_check());
}

TEST(the_depot_is_emptied_of_what_is_idle_or_of_all)
{
	struct magazine *m = filled(SIZE, 20);

	EXPECT(depot_put(m->sc, m->none + 1, 20));
	magazine_drop(m, 20);
	cache_settle_depot(mine.cache, false); /* it came just now */
	EXPECT_EQ(depot_objects(m->sc), 20);
	cache_settle_depot(mine.cache, false); /* since the one before */
	EXPECT_EQ(depot_objects(m->sc), 0);
	m = filled(SIZE, 100);
	EXPECT(depot_put(m->sc, m->none + 1, 100));
	magazine_drop(m, 100);
	cache_empty_depot();
	EXPECT_EQ(depot_objects(m->sc), 0);
	EXPECT(loam_check());
}

/* Else it takes long where much lies there. */
TEST(one_settling_of_the_depot_gives_64_objects_home)
{
	struct magazine *m = filled(SIZE, 100);

	EXPECT(depot_put(m->sc, m->none + 1, 100));
	magazine_drop(m, 100);
	cache_settle_depot(mine.cache, false); /* they came just now */
	EXPECT(!mine.cache->settling);
	cache_settle_depot(mine.cache, false);
	EXPECT_EQ(depot_objects(m->sc), 36);
	EXPECT(mine.cache->settling);
	cache_settle_depot(mine.cache, false);
	EXPECT_EQ(depot_objects(m->sc), 0);
	EXPECT(!mine.cache->settling);
	EXPECT(loam_check());
}

static struct magazine *refilled(size_t size, uint32_t n)
{
	struct magazine *m = cache_magazine(mine.cache, class_of(size));
	struct object *objects[100];

	REQUIRE(ring_lock_this(&arena_main));
	take_objects(&arena_main, size, objects, n);
	ring_unlock(&arena_main);
	for (uint32_t i = 0; i < n; i++)
		REQUIRE(magazine_push(m, objects[i], slab_mark(objects[i])));
	return m;
}

/* Puts n objects of a magazine into the depot. */
static void put(struct magazine *m, uint32_t n)
{
	REQUIRE(depot_put(m->sc, m->last - n + 1, n));
	magazine_drop(m, n);
}

/* What was settled before the 64th object has only just begun to be idle. */
TEST(a_settling_goes_on_where_it_ended)
{
	struct magazine *small, *large;

	filled(2 * SIZE, 100);
	small = filled(SIZE, 20);
	large = refilled(2 * SIZE, 100);
	put(large, 100);
	cache_settle_depot(mine.cache, false);
	put(small, 20);
	cache_settle_depot(mine.cache, false);
	EXPECT_EQ(depot_objects(large->sc), 36);
	cache_settle_depot(mine.cache, false);
	EXPECT_EQ(depot_objects(large->sc), 0);
	EXPECT_EQ(depot_objects(small->sc), 20);
}

TEST(a_settling_of_all_shards_goes_on_in_all)
{
	struct magazine *m = filled(SIZE, 100);
	uint32_t before = shards_log;

	put(m, 100);
	store_relaxed(&shards_log, 5); /* as if many threads ran: the thread's is another now */
	cache_settle_depot(mine.cache, true);
	cache_settle_depot(mine.cache, true);
	EXPECT_EQ(depot_objects(m->sc), 36);
	cache_settle_depot(mine.cache, false);
	EXPECT_EQ(depot_objects(m->sc), 0);
	store_relaxed(&shards_log, before);
	start_anew();
}

/* And leaves the doors shut, so that the next one goes on. */
TEST(one_call_of_a_thread_that_is_rare_pays_up_to_the_magazine_with_the_64th_object)
{
	struct magazine *first, *second, *third;

	for (unsigned i = 0; i < 3; i++)
		filled((size_t)SIZE << i, 60);
	first = refilled(SIZE, 60);
	second = refilled(2 * SIZE, 60);
	third = cache_magazine(mine.cache, class_of(4 * SIZE));
	mine.cache->rare = true;
	cache_owe(mine.cache, OWED_FLUSH);
	cache_pay(mine.cache);
	EXPECT_EQ(magazine_count(first), 0);
	EXPECT_EQ(magazine_count(second), 0);
	EXPECT_EQ(magazine_count(third), 60);
	EXPECT(mine.libc.magazines != mine.cache->magazines->magazine);
	second->fills = 1;
	cache_owe(mine.cache, OWED_SWEEP); /* after the flush */
	cache_pay(mine.cache);
	EXPECT_EQ(magazine_count(third), 0);
	EXPECT_EQ(second->fills, 1);
	cache_pay(mine.cache);
	EXPECT_EQ(second->fills, 0);
	EXPECT(mine.libc.magazines == mine.cache->magazines->magazine);
	mine.cache->rare = false;
	for (unsigned i = 0; i < 3; i++)
		refilled((size_t)SIZE << i, 60);
	cache_owe(mine.cache, OWED_FLUSH);
	cache_pay(mine.cache);
	EXPECT_EQ(magazine_count(third), 0);
	EXPECT(loam_check());
}
