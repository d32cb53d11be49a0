/* Frees by kind: full magazines, what goes where, second frees at each place, frees in signal
   handlers. */
#include "cache/free.h"

#include "arena/early.h"
#include "base/options.h"
#include "cache/deferred.h"
#include "os_sim.h"
#include "pages/huge.h"
#include "pages/retain.h"
#include "pages/run.h"
#include "threads.h"

#include <string.h>
#include <unistd.h>

enum { SIZE = 64, SMALL = 48, CHUNK = 5000, RUN = 160 * 1024, HUGE = 8 << 20 };

/* The compiler knows how long a chunk of ours is, and would warn of its header. */
static bool is_used_chunk(const void *mem)
{
	IN_REGISTER(mem);
	return chunk_is_in_use(mem);
}

static void free_it(void *mem)
{
	loam_free(mem);
}

static void free_twice(void *mem)
{
	loam_free(mem);
	loam_free(mem);
}

/* As by two threads at once, of which each has looked for the object before. */
static void release_twice(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	cache_release(mem, tag, "free");
	cache_release(mem, tag, "free");
}

/* --- full magazines -------------------------------------------------------------------------- */

TEST(of_a_full_magazine_the_older_half_goes_to_the_depot)
{
	struct magazine *m = filled(SIZE, 7);
	struct object *taken[8], *second = m->none[2], *fifth = m->none[5], *newest;

	EXPECT_EQ(magazine_capacity(m), 7);
	m->fills = 1;
	REQUIRE(ring_lock_this(&arena_main));
	take_objects(&arena_main, SIZE, &newest, 1);
	ring_unlock(&arena_main);
	newest->key = 0;
	loam_free(newest);
	EXPECT_EQ(magazine_count(m), 4); /* three stay, and the new one */
	EXPECT(m->none[1] == fifth && *m->last == newest);
	EXPECT_EQ(magazine_capacity(m), 15);
	EXPECT(m->gave);
	EXPECT_EQ(depot_objects(m->sc), 4);
	EXPECT_EQ(depot_take(m->sc, taken, 8), 4);
	EXPECT(taken[1] == second); /* in their order */
	cache_give_home(taken, 4);
	EXPECT(loam_check());
}

TEST(of_a_full_magazine_that_was_not_filled_all_goes_to_the_depot)
{
	struct magazine *m = filled(SIZE, 7);
	struct object *newest;

	m->fills = 0;
	REQUIRE(ring_lock_this(&arena_main));
	take_objects(&arena_main, SIZE, &newest, 1);
	ring_unlock(&arena_main);
	newest->key = 0;
	loam_free(newest);
	EXPECT_EQ(magazine_count(m), 1);
	EXPECT(*m->last == newest);
	EXPECT_EQ(depot_objects(m->sc), 7);
	cache_empty_depot();
	EXPECT(loam_check());
}

TEST(small_objects_go_home_and_do_not_go_to_the_depot)
{
	struct magazine *m = filled(SMALL, 7);
	struct object *newest;
	size_t out;

	m->fills = 1;
	REQUIRE(ring_lock_this(&arena_main));
	take_objects(&arena_main, SMALL, &newest, 1);
	ring_unlock(&arena_main);
	out = objects_out(SMALL);
	newest->key = 0;
	loam_free(newest);
	EXPECT_EQ(depot_objects(m->sc), 0);
	EXPECT_EQ(objects_out(SMALL), out - 4);
	EXPECT_EQ(magazine_count(m), 4);
	EXPECT(m->gave);
	EXPECT(loam_check());
}

/* Only what others take is a reason for more than 2 KiB. */
TEST(a_magazine_that_gives_home_does_not_grow_for_others)
{
	struct magazine *m = filled(SMALL, 31);
	struct object *newest;

	REQUIRE(magazine_capacity(m) == 31);
	m->fills = 1;
	REQUIRE(ring_lock_this(&arena_main));
	take_objects(&arena_main, SMALL, &newest, 1);
	ring_unlock(&arena_main);
	newest->key = 0;
	loam_free(newest);
	EXPECT_EQ(magazine_count(m), 16);
	EXPECT_EQ(magazine_capacity(m), 31);
}

TEST(what_the_depot_has_no_room_for_goes_home)
{
	struct magazine *m = filled(4096, 1), *again;
	static void *objects[200];
	size_t live = load_relaxed(&retain_live);

	for (int i = 0; i < 200; i++)
		objects[i] = loam_malloc(4096);
	again = learned(4096);
	EXPECT(again == m);
	/* the depot may hold 128 KiB in all, or its least of a class and a crate more */
	store_relaxed(&retain_live, 2 * MIB);
	for (int i = 0; i < 200; i++)
		loam_free(objects[i]);
	EXPECT(depot_objects(m->sc) > 48);
	EXPECT(depot_objects(m->sc) < DEPOT_BYTES / 4096 + 32);
	EXPECT_EQ(magazine_capacity(m), 32); /* for the sake of others, then no further */
	EXPECT(objects_out(4096) < DEPOT_BYTES / 4096 + 32 + 32);
	store_relaxed(&retain_live, live);
	EXPECT(loam_check());
}

TEST(an_object_of_a_class_without_a_magazine_goes_home_at_once)
{
	enum { NEW = 176 };
	struct object *o;
	size_t out;

	start_anew();
	REQUIRE(ring_lock_this(&arena_main));
	take_objects(&arena_main, NEW, &o, 1);
	ring_unlock(&arena_main);
	EXPECT(!cache_magazine(mine.cache, class_of(NEW)));
	out = objects_out(NEW);
	o->key = 0;
	loam_free(o);
	EXPECT_EQ(objects_out(NEW), out - 1);
	EXPECT_EQ(mine.cache->uses[class_of(NEW)], 1);
}

TEST(where_a_magazine_may_hold_nothing_objects_go_home_at_once)
{
	struct magazine *m;
	void *mem;
	size_t out;

	magazine_set_threads(64 * os_cpus());
	m = learned(8192);
	while (magazine_capacity(m)) {
		cache_flush(mine.cache);
		magazine_shrink(m);
	}
	mem = loam_malloc(8192);
	out = objects_out(8192);
	loam_free(mem);
	EXPECT_EQ(objects_out(8192), out - 1);
	EXPECT(loam_malloc(8192) == mem);
	loam_free(mem);
	EXPECT_EQ(magazine_count(m), 0);
	magazine_set_threads(1);
	EXPECT(loam_check());
}

enum { SHARED = 1000 }; /* some of which stay in the magazine of the thread that frees */

static void *free_all(void *arg)
{
	void **objects = arg;

	for (int i = 0; i < SHARED; i++)
		loam_free(objects[i]);
	return NULL;
}

/* Though the thread that allocated them sleeps. */
TEST(what_one_thread_frees_another_gets)
{
	static void *objects[SHARED], *again[SHARED];
	size_t seen = 0, made;

	learned(SIZE);
	for (int i = 0; i < SHARED; i++)
		objects[i] = loam_malloc(SIZE);
	in_thread(free_all, objects);
	cache_reap_all();
	made = arena_main.slabs->made;
	cache_flush(mine.cache);
	for (int i = 0; i < SHARED; i++)
		again[i] = loam_malloc(SIZE);
	for (int i = 0; i < SHARED; i++)
		for (int j = 0; j < SHARED; j++)
			seen += again[i] == objects[j];
	EXPECT(seen > SHARED - 512);
	EXPECT_EQ(arena_main.slabs->made, made);
	for (int i = 0; i < SHARED; i++)
		loam_free(again[i]);
	EXPECT(loam_check());
}

/* --- other kinds ----------------------------------------------------------------------------- */

TEST(a_run_is_kept_by_the_arena_that_the_thread_uses)
{
	void *mem = loam_malloc(RUN);
	struct run *run = (struct run *)pagemap_get(mem);
	uint32_t kept = arena_main.runs.count;

	EXPECT(mine.cache->arena == &arena_main);
	loam_free(mem);
	EXPECT(run->kept);
	EXPECT_EQ(arena_main.runs.count, kept + 1);
	EXPECT(loam_malloc(RUN) == mem);
	EXPECT(!run->kept);
	loam_free(mem);
}

TEST(a_chunk_of_an_arena_that_is_not_used_any_more_stays_as_it_is)
{
	void *mem = loam_malloc(CHUNK);

	ring_retire(&arena_main);
	loam_free(mem);
	arena_main.retired = false;
	lock_recover(&arena_main.lock);
	EXPECT(is_used_chunk(mem));
	loam_free(mem);
	EXPECT(!is_used_chunk(mem));
	EXPECT(loam_check());
}

TEST(early_objects_stay)
{
	void *mem = early_alloc(16, 100);

	memset(mem, 1, 100);
	loam_free(mem);
	loam_free(mem);
	EXPECT_EQ(early_usable(mem), 100);
}

/* --- second frees ---------------------------------------------------------------------------- */

/* On the fast path the mark is all that is looked at: such an object is found when it goes home. */
static void overwrite_and_free(void *mem)
{
	struct object *o = mem;

	o->key = 0;
	loam_free(o);
	loam_malloc_trim(0);
}

TEST(a_second_free_is_found_wherever_the_object_is)
{
	struct magazine *m = filled(SIZE, 20);
	struct object *at_home = m->none[2];

	EXPECT_ABORT(free_it, m->none[5], "double free detected"); /* in the magazine */
	EXPECT_ABORT(free_it, *m->last, "double free detected");
	/* ... its mark overwritten */
	EXPECT_ABORT(overwrite_and_free, m->none[5], "double free detected");
	EXPECT(depot_put(m->sc, m->none + 1, 10));
	magazine_drop(m, 10);
	EXPECT_ABORT(free_it, at_home, "double free detected"); /* in the depot */
	cache_empty_depot();
	EXPECT_ABORT(free_it, at_home, "double free detected"); /* in its slab */
	/* ... whose mark was overwritten */
	EXPECT_ABORT(overwrite_and_free, at_home, "double free detected");
}

static void *free_of_another(void *mem)
{
	loam_free(mem);
	return NULL;
}

static void free_what_another_freed(void *mem)
{
	in_thread(free_of_another, mem);
	loam_free(mem);
}

/* The fast path reads the half of the mark that a number of four bytes there does not tear. */
TEST(what_bears_half_a_mark_is_freed_by_the_slow_path)
{
	struct magazine *m = filled(SIZE, 7);
	struct object *o = loam_malloc(SIZE);
	uint8_t ticks;

	loam_free(o);
	o = loam_malloc(SIZE);
	mine.cache->ticks = ticks = 1;
	o->key = slab_mark(o) ^ 1;
	loam_free(o);
	EXPECT_EQ(mine.cache->ticks, ticks);
	o = loam_malloc(SIZE);
	o->key = slab_mark(o) ^ (uint64_t)1 << 63;
	loam_free(o);
	EXPECT_EQ(mine.cache->ticks, ticks + 1);
	EXPECT_EQ(o->key, slab_mark(o));
	EXPECT_EQ(magazine_count(m), 7);
	EXPECT(loam_check());
}

TEST(a_second_free_by_another_thread_is_found)
{
	learned(SIZE);
	EXPECT_ABORT(free_what_another_freed, loam_malloc(SIZE), "double free detected");
}

TEST(a_second_free_of_each_other_kind_is_found)
{
	keep_all();
	EXPECT_ABORT(free_twice, loam_malloc(CHUNK), "double free detected");
	EXPECT_ABORT(free_twice, loam_malloc(RUN), "double free detected: ");
	EXPECT_ABORT(free_twice, loam_malloc(RUN), "run of 163840 bytes, free");
	EXPECT_ABORT(free_twice, loam_malloc(HUGE), "double free detected");
	EXPECT_ABORT(release_twice, loam_malloc(HUGE), "free(): double free detected");
	keep_little();
}

static void free_a_granule_further(void *mem)
{
	loam_free((char *)mem + 16);
}

static void free_a_page_further(void *mem)
{
	loam_free((char *)mem + PAGE_SIZE);
}

TEST(what_is_within_a_run_or_huge_object_is_not_freed)
{
	EXPECT_ABORT(free_a_page_further, loam_malloc(RUN),
		     "4096 bytes inside the run of 163840 bytes");
	/* has a tag */
	EXPECT_ABORT(free_a_granule_further, loam_malloc(HUGE), "16 bytes inside the huge object");
	EXPECT_ABORT(free_a_page_further, loam_malloc(HUGE),
		     "4096 bytes inside the huge object of 8388608 bytes");
}

/* --- in a signal handler that interrupted its thread inside loam ----------------------------- */

TEST(what_is_freed_inside_is_freed_by_the_next_slow_free)
{
	struct magazine *m = filled(SIZE, 3);
	void *object = loam_malloc(SIZE), *chunk = loam_malloc(CHUNK), *run = loam_malloc(RUN),
	     *huge = loam_malloc(HUGE), *other = loam_malloc(CHUNK);
	struct descriptor *run_tag = pagemap_get(run);
	struct cache *c;

	EXPECT_EQ(magazine_count(m), 2);
	c = cache_enter();
	cache_release(object, pagemap_get(object), "free");
	cache_release(chunk, pagemap_get(chunk), "free");
	cache_release(run, run_tag, "free");
	cache_release(huge, pagemap_get(huge), "free");
	cache_leave(c);
	EXPECT_EQ(magazine_count(m), 2);
	EXPECT(is_used_chunk(chunk));
	EXPECT(!((struct run *)run_tag)->kept);
	EXPECT(huge_around(huge, false) != NULL);
	EXPECT(deferred_first != NULL);
	loam_free(other);
	EXPECT(!deferred_first);
	EXPECT_EQ(magazine_count(m), 3);
	EXPECT(!is_used_chunk(chunk));
	EXPECT(((struct run *)run_tag)->kept);
	EXPECT(!huge_around(huge, false));
	EXPECT(loam_check());
}

TEST(a_full_magazine_takes_nothing_inside)
{
	struct magazine *m = filled(SIZE, 7);
	struct object *o = *m->last;
	struct cache *c = cache_enter();

	EXPECT(!cache_release_full(o));
	EXPECT_EQ(magazine_count(m), 7);
	cache_leave(c);
}

static void free_inside_and_outside(void *mem)
{
	struct cache *c = cache_enter();

	loam_free(mem);
	cache_leave(c);
	loam_free(mem);
}

/* Outside by the fast path, where the magazine is ready. */
static void defer_and_free(void *mem)
{
	struct cache *c = cache_enter();

	cache_release(mem, pagemap_get(mem), "free");
	cache_leave(c);
	loam_free(mem);
}

/* As where another thread's handler freed it between our look at the list and this. */
static void free_what_waits(void *mem)
{
	deferred_add(mem, false);
	deferred_take();
	loam_free(mem);
}

static void free_inside_twice(void *mem)
{
	struct cache *c = cache_enter();

	cache_release(mem, pagemap_get(mem), "free");
	cache_release(mem, pagemap_get(mem), "free");
	cache_leave(c);
}

static void free_outside_and_inside(void *mem)
{
	struct cache *c;

	loam_free(mem);
	c = cache_enter();
	cache_release(mem, pagemap_get(mem), "free");
	cache_leave(c);
}

TEST(a_second_free_of_what_waits_is_found)
{
	const size_t sizes[] = {SIZE, CHUNK, RUN, HUGE};

	filled(SIZE, 1);
	keep_all(); /* else it is only known that the huge object is nowhere */
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		EXPECT_ABORT(defer_and_free, loam_malloc(sizes[i]), "double free detected");
		EXPECT_ABORT(free_inside_twice, loam_malloc(sizes[i]), "double free detected");
		EXPECT_ABORT(free_inside_and_outside, loam_malloc(sizes[i]),
			     "double free detected");
		if (sizes[i] != HUGE)
			EXPECT_ABORT(free_outside_and_inside, loam_malloc(sizes[i]),
				     "double free detected");
	}
	keep_little();
}

TEST(a_chunk_that_waits_is_not_freed)
{
	EXPECT_ABORT(free_what_waits, loam_malloc(CHUNK), "double free detected");
}

static void corrupt_the_list(void *mem)
{
	struct cache *c = cache_enter();

	cache_release(mem, pagemap_get(mem), "free");
	cache_leave(c);
	((struct object *)mem)->link ^= (uintptr_t)1 << 40;
	loam_free(loam_malloc(CHUNK));
}

TEST(a_corrupted_list_ends_the_program)
{
	EXPECT_ABORT(corrupt_the_list, loam_malloc(CHUNK), "corrupted list of freed objects");
}

TEST(each_slow_free_counts_toward_upkeep)
{
	enum { FRESH = 112 }; /* no other test's, so that its magazine has not grown */
	uint8_t ticks;

	loam_free(loam_malloc(CHUNK));
	ticks = mine.cache->ticks;
	loam_free(loam_malloc(CHUNK));
	EXPECT_EQ((uint8_t)(mine.cache->ticks - ticks), 2);
	REQUIRE(magazine_capacity(filled(FRESH, 4)) == 4);
	ticks = mine.cache->ticks;
	{
		struct object *o;

		REQUIRE(ring_lock_this(&arena_main));
		take_objects(&arena_main, FRESH, &o, 1);
		ring_unlock(&arena_main);
		o->key = 0;
		loam_free(o);
	}
	EXPECT_EQ((uint8_t)(mine.cache->ticks - ticks), 1);
}
