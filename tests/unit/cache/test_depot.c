/* The depot: what it takes, gives, keeps and gives home. */
#include "cache/depot.h"

#include "cache/array.h"
#include "os_sim.h"
#include "pages/retain.h"
#include "test.h"

#include <pthread.h>

enum { SIZE = 512, MOST = 512 }; /* DEPOT_BYTES are 512 objects of them */

static struct arena *const owner = (struct arena *)0x1000;
static unsigned sc; /* of SIZE */
static struct object *objects[MOST], *taken[MOST];

/* As many distinct objects, out of slabs and marked. */
static void make(unsigned class, struct object **ret_objects, uint32_t most)
{
	for (uint32_t n = 0; n < most;) {
		struct slab *s = slab_new(owner, class, class_order(class));
		uint32_t more;

		REQUIRE(s);
		while (n < most && (more = slab_take(s, ret_objects + n + 1, 1)))
			n += more;
	}
}

static void start(void)
{
	slab_start(0x5eed);
	sc = class_of(SIZE);
	make(sc, objects, MOST);
}

/* Empties it. */
static void start_anew(void)
{
	if (!sc)
		start();
	while (depot_take(sc, taken, MOST))
		;
	depot_settle(sc, true);
	EXPECT_EQ(depot_objects(sc), 0);
	EXPECT(depot_check());
}

TEST(what_came_last_goes_first_a_crate_at_a_time)
{
	start_anew();
	EXPECT(depot_put(sc, objects, 10));
	EXPECT(depot_put(sc, objects + 10, 20));
	EXPECT_EQ(depot_objects(sc), 30);
	EXPECT(depot_check());
	EXPECT_EQ(depot_take(sc, taken, 8), 8);
	for (int i = 0; i < 8; i++)
		EXPECT(taken[i] == objects[22 + i]); /* its newest, the order kept */
	EXPECT_EQ(depot_take(sc, taken, 50), 12);    /* what is left of the crate */
	EXPECT(taken[0] == objects[10] && taken[11] == objects[21]);
	EXPECT_EQ(depot_take(sc, taken, 50), 10);
	EXPECT(taken[0] == objects[0]);
	EXPECT_EQ(depot_take(sc, taken, 50), 0);
	EXPECT(depot_check());
}

TEST(each_class_has_a_shelf_of_its_own)
{
	start_anew();
	EXPECT(depot_put(sc, objects, 10));
	EXPECT_EQ(depot_take(sc + 1, taken, 10), 0);
	EXPECT_EQ(depot_objects(sc + 1), 0);
	EXPECT_EQ(depot_take(sc, taken, 0), 0);
	EXPECT_EQ(depot_take(sc, taken, 10), 10);
}

TEST(small_objects_are_not_taken)
{
	start_anew();
	for (size_t size = 16; size <= 128; size += 16) {
		make(class_of(size), taken, 1);
		EXPECT_EQ(depot_put(class_of(size), taken, 1), size >= CACHE_LINE);
		depot_take(class_of(size), taken, 1);
	}
}

TEST(of_a_class_there_is_so_much_and_no_more)
{
	start_anew();
	store_relaxed(&retain_live, 0);
	EXPECT(depot_put(sc, objects, 256));
	EXPECT(depot_put(sc, objects + 256, 256));
	EXPECT_EQ(depot_objects(sc) * SIZE, DEPOT_BYTES);
	EXPECT(!depot_put(sc, objects, 1));
	EXPECT_EQ(depot_take(sc, taken, 1), 1);
	EXPECT(depot_put(sc, taken, 1));
}

/* Somebody takes objects of the class. */
static void take_one(unsigned class)
{
	EXPECT(depot_put(class, objects, 1));
	EXPECT_EQ(depot_take(class, taken, 1), 1);
}

/* Objects that nobody takes pin their pages for nothing. */
TEST(of_a_class_that_nobody_takes_there_is_no_more_however_much_is_live)
{
	start_anew();
	depot_settle(sc, true);
	store_relaxed(&retain_live, GIB);
	EXPECT(depot_put(sc, objects, 512));
	EXPECT(!depot_put(sc, objects, 1));
	EXPECT_EQ(depot_take_idle(sc, taken, 1, true), 0); /* to give it home */
	EXPECT(!depot_put(sc, objects, 1));
	EXPECT_EQ(depot_take(sc, taken, 1), 1);
	EXPECT(depot_put(sc, objects, 2));
	depot_settle(sc, true);
	EXPECT(!depot_put(sc, objects, 1));
	store_relaxed(&retain_live, 0);
}

/* All classes together, in proportion to what is live. */
TEST(beside_much_that_is_live_there_may_be_more)
{
	unsigned other = class_of(4096);
	struct object *large[64];
	size_t live = 16 * (DEPOT_BYTES + 64 * 4096);

	start_anew();
	make(other, large, 64);
	take_one(sc);
	store_relaxed(&retain_live, live - 1);
	EXPECT(depot_put(sc, objects, 512));
	EXPECT(depot_put(other, large, 64)); /* as much as there may be of it in any case */
	EXPECT(!depot_put(other, large, 1));
	EXPECT_EQ(depot_take(other, large, 64), 64);
	EXPECT(!depot_put(sc, objects, 513 - 1));
	store_relaxed(&retain_live, 16 * (DEPOT_BYTES + SIZE) - 1);
	EXPECT(!depot_put(sc, objects, 1));
	store_relaxed(&retain_live, 16 * (DEPOT_BYTES + SIZE));
	add_relaxed(&retain_idle, GIB); /* of slabs and heaps */
	EXPECT(depot_put(sc, objects, 1));
	add_relaxed(&retain_idle, -GIB);
	store_relaxed(&retain_live, 0);
}

TEST(what_was_there_since_the_settling_is_idle)
{
	start_anew();
	EXPECT(depot_put(sc, objects, 50));
	EXPECT_EQ(depot_take_idle(sc, taken, MOST, true), 0); /* it was empty at the settling */
	depot_settle(sc, true);
	EXPECT_EQ(depot_take(sc, taken, 20), 20);
	EXPECT(depot_put(sc, taken, 20));
	EXPECT_EQ(depot_take_idle(sc, taken, 12, true), 12);
	EXPECT_EQ(depot_take_idle(sc, taken, MOST, true), 8); /* of the crate that is in front */
	EXPECT_EQ(depot_take_idle(sc, taken, MOST, true), 10);
	EXPECT_EQ(depot_take_idle(sc, taken, MOST, true), 0);
	EXPECT_EQ(depot_objects(sc), 20);
	depot_settle(sc, true);
	EXPECT_EQ(depot_take_idle(sc, taken, MOST, true), 20);
	EXPECT(depot_check());
}

TEST(all_means_what_came_just_now_too)
{
	start_anew();
	EXPECT(depot_put(sc, objects, 50));
	EXPECT_EQ(depot_take(sc, taken, 30), 30);
	EXPECT_EQ(depot_take(sc, taken, 30), 20);
	EXPECT_EQ(depot_objects(sc), 0);
}

TEST(more_than_an_array_holds_is_not_taken)
{
	static struct object *many[ARRAY_MOST];

	start_anew();
	for (uint32_t i = 0; i < ARRAY_MOST; i++)
		many[i] = objects[i % MOST];
	store_relaxed(&retain_live, GIB);
	take_one(sc);
	EXPECT(!depot_put(sc, many, ARRAY_MOST - 1));
	EXPECT(depot_put(sc, many, ARRAY_MOST - 2));
	EXPECT_EQ(depot_take(sc, many, ARRAY_MOST), ARRAY_MOST - 2);
	store_relaxed(&retain_live, 0);
}

TEST(without_memory_nothing_is_taken)
{
	struct object **array;

	start_anew();
	os_sim_fail_from(1);
	for (int i = 0; i < 10000 && array_alloc(502); i++)
		;
	EXPECT(!depot_put(sc, objects, 500));
	EXPECT_EQ(depot_objects(sc), 0);
	os_sim_fail_from(0);
	for (int i = 0; i < 9 && !(array = array_alloc(502)); i++)
		;
	array_free(array, 502);
	EXPECT(depot_put(sc, objects, 500));
}

/* The arrays of empty crates are used again. */
TEST(nothing_is_lost_by_going_round)
{
	struct object **array;

	start_anew();
	array = array_alloc(102);
	array_free(array, 102);
	for (int i = 0; i < 1000; i++) {
		REQUIRE(depot_put(sc, objects, 100));
		REQUIRE(depot_take(sc, taken, 60) == 60);
		REQUIRE(depot_take(sc, taken, 60) == 40);
	}
	EXPECT(array_alloc(102) == array);
	array_free(array, 102);
}

static void add_up(const struct object *o, void *sum)
{
	*(uintptr_t *)sum += (uintptr_t)o;
}

TEST(all_are_visited)
{
	uintptr_t sum = 0, wanted = 0;

	start_anew();
	EXPECT(depot_put(sc, objects, 30));
	EXPECT(depot_put(sc, objects + 30, 10));
	EXPECT_EQ(depot_take(sc, taken, 5), 5);
	for (int i = 0; i < 35; i++)
		wanted += (uintptr_t)objects[i];
	depot_visit(add_up, &sum);
	EXPECT_EQ(sum, wanted);
}

/* Puts n objects into an array that the test knows. */
static uint32_t *crate_of(uint32_t n)
{
	struct object **array = array_alloc(n + 2);

	array_free(array, n + 2);
	REQUIRE(depot_put(sc, objects, n));
	REQUIRE(array[2] == objects[0]);
	return (uint32_t *)(array + 1);
}

TEST(check_sees_what_is_wrong)
{
	struct object *o = objects[3], **in_crate, *twice;
	struct crate *crates;
	uint32_t *count;

	start_anew();
	count = crate_of(10);
	in_crate = (struct object **)(count + 2) + 3;
	EXPECT(*in_crate == o);
	EXPECT(depot_check());
	o->key ^= 1;
	EXPECT(!depot_check()); /* D1: the mark */
	o->key ^= 1;
	*in_crate = (struct object *)((char *)o + 16);
	EXPECT(!depot_check()); /* D1: an object's start */
	*in_crate = (struct object *)objects;
	EXPECT(!depot_check()); /* D1: of a slab */
	*in_crate = o;
	EXPECT_EQ(slab_give((struct slab *)pagemap_get(o), &o, 1, &twice), 1);
	EXPECT(!depot_check()); /* D1: out to its slab */
	EXPECT(slab_take((struct slab *)pagemap_get(o), taken + 1, 1) && taken[0] == o);
	--*count;
	EXPECT(!depot_check()); /* D2: of the class and of all */
	++*count;
	EXPECT(depot_check());
	crates = depot_shelves[0][sc].crates;
	depot_shelves[0][sc].crates = NULL;
	depot_shelves[0][sc].objects = 0;
	depot_settle(sc, true);
	depot_shelves[0][sc].crates = crates;
	depot_shelves[0][sc].objects = 10;
	EXPECT(!depot_check()); /* D3: the class is not listed */
	EXPECT(depot_put(sc, objects + 10, 1));
	EXPECT_EQ(depot_take(sc, taken, 1), 1);
	EXPECT(depot_check());
	make(class_of(4096), taken, 1);
	*in_crate = taken[0];
	EXPECT(!depot_check()); /* D1: of the class */
	*in_crate = o;
	EXPECT(depot_check());
}

TEST(what_is_here_counts_as_retained)
{
	size_t retained, idle;

	start_anew();
	retained = retain_retained;
	idle = retain_idle;
	EXPECT(depot_put(sc, objects, 30));
	EXPECT_EQ(retain_retained, retained + (size_t)30 * SIZE);
	EXPECT_EQ(retain_idle, idle + (size_t)30 * SIZE);
	EXPECT_EQ(depot_take(sc, taken, 10), 10);
	EXPECT_EQ(retain_retained, retained + (size_t)20 * SIZE);
	start_anew();
	EXPECT_EQ(retain_retained, retained);
	EXPECT_EQ(retain_idle, idle);
}

/* A thread that the child of a fork does not have holds the lock of the class. */
static void lose_lock(void)
{
	store_relaxed(&depot_shelves[0][sc].lock.word, thread_self() + 64);
}

TEST(a_child_counts_what_is_on_a_shelf_whose_lock_was_held)
{
	size_t retained;

	start_anew();
	retained = retain_retained;
	EXPECT(depot_put(sc, objects, 30));
	depot_settle(sc, true);
	retain_add_idle(5 * SIZE); /* were counted, and not yet linked; or unlinked just now */
	depot_shelves[0][sc].objects += 5;
	lose_lock();
	depot_recover();
	EXPECT_EQ(load_relaxed(&depot_shelves[0][sc].lock.word), LOCK_FREE);
	EXPECT_EQ(depot_objects(sc), 30);
	EXPECT_EQ(retain_retained, retained + (size_t)30 * SIZE);
	EXPECT(depot_check());
	EXPECT_EQ(depot_take_idle(sc, taken, MOST, true), 30);
}

TEST(a_child_keeps_shelves_that_nobody_held)
{
	start_anew();
	depot_shelves[0][sc].objects += 5;
	depot_recover();
	EXPECT_EQ(depot_objects(sc), 5);
	depot_shelves[0][sc].objects = 0;
}

static bool is_listed(unsigned class)
{
	return depot_next(class, true) == class;
}

TEST(classes_with_objects_are_listed)
{
	start_anew();
	for (unsigned class = 0; class < CLASSES; class ++)
		depot_settle(class, true);
	EXPECT_EQ(depot_next(0, true), CLASSES);
	EXPECT(depot_put(sc, objects, 10));
	EXPECT(is_listed(sc) && !is_listed(sc + 1));
	depot_settle(sc, true);
	EXPECT(is_listed(sc));
	EXPECT_EQ(depot_take(sc, taken, 10), 10);
	depot_settle(sc, true);
	EXPECT(!is_listed(sc));
	make(CLASSES - 1, taken, 1);
	EXPECT(depot_put(CLASSES - 1, taken, 1));
	EXPECT_EQ(depot_next(0, true), CLASSES - 1);
	EXPECT_EQ(depot_next(CLASSES, true), CLASSES);
	EXPECT_EQ(depot_take(CLASSES - 1, taken, 1), 1);
	depot_settle(CLASSES - 1, true);
	EXPECT_EQ(depot_next(0, true), CLASSES);
}

static _Atomic bool works; /* a thread does, while another class is locked */

static void *put_and_take(void *unused)
{
	EXPECT(depot_put(sc, objects, 10));
	EXPECT_EQ(depot_take(sc, taken, 10), 10);
	works = true;
	return unused;
}

TEST(classes_do_not_wait_for_each_other)
{
	pthread_t thread;

	start_anew();
	lock_acquire(&depot_shelves[0][sc + 1].lock);
	pthread_create(&thread, NULL, put_and_take, NULL);
	pthread_join(thread, NULL);
	lock_release(&depot_shelves[0][sc + 1].lock);
	EXPECT(works);
}

/* --- shards ---------------------------------------------------------------------------------- */

/* As if so many threads ran that there are 2^log shards. */
static void set_shards(uint32_t log)
{
	store_relaxed(&shards_log, log);
}

/* What was put onto the first shelf, which was the only one, and onto that of the thread. */
static void fill_two(void)
{
	start_anew();
	EXPECT(depot_put(sc, objects, 10));
	set_shards(5);
	EXPECT(depot_put(sc, objects + 10, 20));
}

/* The others have forgotten nothing. */
static void leave_shards(void)
{
	while (depot_take(sc, taken, MOST))
		;
	depot_settle(sc, true);
	EXPECT(depot_check());
	set_shards(0);
	start_anew();
}

TEST(a_thread_uses_the_shelf_of_its_shard_first_then_all)
{
	fill_two();
	EXPECT_EQ(depot_shelves[shard_here()][sc].objects, shard_here() ? 20 : 30);
	EXPECT_EQ(depot_objects(sc), 30);
	EXPECT(depot_check());
	EXPECT_EQ(depot_take(sc, taken, MOST), 20);
	EXPECT(taken[0] == objects[10]);
	EXPECT_EQ(depot_take(sc, taken, MOST), 10);
	EXPECT(taken[0] == objects[0]);
	EXPECT_EQ(depot_take(sc, taken, MOST), 0);
	leave_shards();
}

TEST(every_shard_is_searched_once_and_the_own_one_first)
{
	for (unsigned here = 0; here < SHARDS; here++) {
		uint64_t seen = 0;

		EXPECT_EQ(shard_near(here, 0), here);
		for (unsigned i = 0; i < SHARDS; i++)
			seen |= (uint64_t)1 << shard_near(here, i);
		EXPECT_EQ(seen, ((uint64_t)1 << SHARDS) - 1);
	}
}

TEST(all_shards_are_settled_visited_and_emptied)
{
	uintptr_t sum = 0, wanted = 0;

	fill_two();
	for (int i = 0; i < 30; i++)
		wanted += (uintptr_t)objects[i];
	depot_visit(add_up, &sum);
	EXPECT_EQ(sum, wanted);
	EXPECT_EQ(depot_take_idle(sc, taken, MOST, true), 0);
	depot_settle(sc, true);
	EXPECT_EQ(depot_take_idle(sc, taken, MOST, true), 20);
	EXPECT_EQ(depot_take_idle(sc, taken, MOST, true), 10);
	EXPECT_EQ(depot_next(0, true), sc);
	depot_settle(sc, true);
	EXPECT_EQ(depot_next(0, true), CLASSES);
	leave_shards();
}

/* Or each thread would lock the shelves of all others. */
TEST(a_thread_may_settle_its_own_shard_alone)
{
	uint32_t elsewhere, n, idle = 0;

	fill_two();
	elsewhere = shard_here() ? 10 : 0;
	depot_settle(sc, false);
	while ((n = depot_take_idle(sc, taken, MOST, true)))
		idle += n;
	EXPECT_EQ(idle, 30 - elsewhere);
	depot_settle(sc, true);
	EXPECT_EQ(depot_take_idle(sc, taken, MOST, false), 0);
	EXPECT_EQ(depot_next(sc, true) == sc, elsewhere != 0);
	EXPECT(depot_next(sc, false) != sc);
	EXPECT_EQ(depot_take_idle(sc, taken, MOST, true), elsewhere);
	leave_shards();
}

/* All together a few times as much as one: each has room for some crates. */
TEST(shards_share_the_room)
{
	start_anew();
	set_shards(1);
	EXPECT(depot_put(sc, objects, DEPOT_BYTES / 2 / SIZE));
	EXPECT(!depot_put(sc, objects, 1));
	set_shards(0);
	start_anew();
	set_shards(5);
	EXPECT(depot_put(sc, objects, DEPOT_SHARD_BYTES / SIZE - 1));
	EXPECT(depot_put(sc, objects, 1));
	EXPECT(!depot_put(sc, objects, 1));
	EXPECT_EQ(depot_take(sc, taken, 1), 1);
	store_relaxed(&retain_live, (size_t)DEPOT_SHARE * SHARDS * (DEPOT_SHARD_BYTES + SIZE) - 1);
	EXPECT(depot_put(sc, objects, 1));
	EXPECT(!depot_put(sc, objects, 1));
	store_relaxed(&retain_live, (size_t)DEPOT_SHARE * SHARDS * (DEPOT_SHARD_BYTES + SIZE));
	EXPECT(depot_put(sc, objects, 1));
	store_relaxed(&retain_live, 0);
	leave_shards();
}

TEST(in_each_of_many_shards_there_is_room_for_64_kib_of_a_class)
{
	start_anew();
	store_relaxed(&retain_live, 0);
	set_shards(5);
	EXPECT(depot_put(sc, objects, 127));
	EXPECT(depot_put(sc, objects, 1));
	EXPECT(!depot_put(sc, objects, 1));
	leave_shards();
}

/* Half of a magazine may be a little more than a shard has room for. */
TEST(up_to_the_limit_a_crate_of_any_size_is_taken)
{
	start_anew();
	store_relaxed(&retain_live, 0);
	EXPECT(depot_put(sc, objects, DEPOT_BYTES / SIZE - 1));
	EXPECT(depot_put(sc, objects, 100));
	EXPECT(!depot_put(sc, objects, 1));
	start_anew();
	set_shards(5);
	EXPECT(depot_put(sc, objects, DEPOT_SHARD_BYTES / SIZE + 1));
	EXPECT(!depot_put(sc, objects, 1));
	leave_shards();
}

TEST(a_child_counts_every_shard)
{
	size_t retained;

	fill_two();
	retained = retain_retained;
	for (unsigned shard = 0; shard < SHARDS; shard++) {
		retain_add_idle(5 * SIZE);
		depot_shelves[shard][sc].objects += 5;
		store_relaxed(&depot_shelves[shard][sc].lock.word, thread_self() + 64);
	}
	depot_recover();
	EXPECT_EQ(depot_objects(sc), 30);
	EXPECT_EQ(retain_retained, retained);
	EXPECT(depot_check());
	leave_shards();
}

TEST(a_shelf_is_one_line_of_cache)
{
	EXPECT_EQ(sizeof(struct shelf), CACHE_LINE);
	EXPECT(is_aligned((uintptr_t)depot_shelves, CACHE_LINE));
}

/* Else what goes home to slabs, and so is purged, would be too little. */
TEST(nothing_is_taken_while_too_much_is_retained)
{
	start_anew();
	retain_add(GIB);
	EXPECT(!depot_put(sc, objects, 1));
	retain_add(-(intptr_t)GIB);
	EXPECT(depot_put(sc, objects, 1));
	start_anew();
}
