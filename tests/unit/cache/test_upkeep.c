/* What is due now and then, trims, and what is given back before memory is refused. */
#include "cache/upkeep.h"

#include "base/options.h"
#include "os_sim.h"
#include "pages/huge.h"
#include "pages/limit.h"
#include "pages/nodes.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "threads.h"

#include <stdio.h>
#include <string.h>

enum { SIZE = 64, RUN = 160 * 1024, SECOND = 1000000000 };

/* The slow path that does what is due. */
static void tick(void)
{
	mine.cache->ticks = UINT8_MAX;
	take_slow_path();
}

static void look(void)
{
	mine.cache->ticks = TICKS_A_LOOK - 1;
	take_slow_path();
}

/* Nothing is due by time. */
static void settle(void)
{
	options.decay_ms = 1000;
	loam_free(loam_malloc(1));
	os_sim_advance(2 * (uint64_t)SECOND);
	tick();
}

TEST(each_32nd_slow_path_looks_what_is_due)
{
	settle();
	os_sim_advance(1);
	mine.cache->ticks = 0;
	for (int i = 0; i < 31; i++)
		take_slow_path();
	EXPECT(load_relaxed(&mine.cache->looked) != os_clock());
	take_slow_path();
	EXPECT_EQ(load_relaxed(&mine.cache->looked), os_clock());
}

TEST(each_256th_slow_path_reaps_a_cache)
{
	struct cache *gone;
	struct magazine *m;
	int ticks = 0;

	settle();
	/* unmarked threads are looked for once a new thread has found the first one */
	if (test_emulated)
		in_thread(leave_twenty, &gone);
	in_thread(leave_twenty, &gone);
	m = cache_magazine(gone, class_of(SIZE));
	mine.cache->ticks = 0;
	for (; magazine_count(m) && ticks < 2000; ticks++)
		take_slow_path();
	EXPECT(ticks % 256 == 0 && ticks <= 512); /* of two caches one is ours */
	EXPECT_EQ(magazine_count(m), 0);
}

/* Of a thread that the system has moved to another node. */
TEST(each_256th_slow_path_follows_to_another_node)
{
	struct arena *before;

	settle();
	before = mine.cache->arena;
	os_sim_run_on(0, 2);
	tick();
	EXPECT(mine.cache->arena == before); /* nobody began there */
	nodes_many = true;
	tick();
	EXPECT_EQ(mine.cache->arena->node, 2);
	os_sim_run_on(0, 0);
	tick();
	EXPECT(mine.cache->arena == before);
	nodes_many = false;
}

static void *begin_on_node_1(void *arg)
{
	os_sim_run_on(0, 1);
	loam_free(loam_malloc(SIZE));
	*(unsigned *)arg = mine.cache->arena->node;
	return NULL;
}

TEST(a_thread_begins_with_an_arena_of_its_node)
{
	unsigned node = 0;

	settle();
	in_thread(begin_on_node_1, &node);
	EXPECT(nodes_many);
	EXPECT_EQ(node, 1);
	EXPECT_EQ(mine.cache->arena->node, 0);
	nodes_many = false;
}

enum { OBJECTS = 4096, LARGE = 3000, LEFT = 8 };

static void *objects[OBJECTS];

static void allocate_objects(int n)
{
	for (int i = 0; i < n; i++)
		REQUIRE(objects[i] = loam_malloc(LARGE));
}

/* Frees all but each eighth, and gives back what is free otherwise; returns what is retained, and
   a little room from now on makes it go. */
static size_t thin_out_objects(int n)
{
	size_t retained;

	for (int i = 0; i < n; i++)
		if (i % LEFT)
			loam_free(objects[i]);
	cache_flush(mine.cache);
	zone_purge(SIZE_MAX);
	retained = retain_retained;
	REQUIRE(retain_idle > (size_t)n * KIB);
	retain_forget();
	options.retain_floor = MIB;
	return retained;
}

static void free_objects(int n)
{
	for (int i = 0; i < n; i += LEFT)
		loam_free(objects[i]);
}

/* Else a process grows beside what it keeps. */
TEST(memory_that_must_be_faulted_in_makes_what_is_idle_go)
{
	struct options defaults = options;
	size_t retained;

	settle();
	os_sim_need_small_pages();
	options.retain_floor = GIB;
	allocate_objects(OBJECTS);
	retained = thin_out_objects(OBJECTS);
	for (int i = 0; i < 40; i++)
		REQUIRE(loam_malloc(RUN + 4096 * (size_t)i));
	EXPECT(retain_retained + 3 * MIB < retained);
	free_objects(OBJECTS);
	options = defaults;
}

/* The system gives nothing more for it: it was purged, and is of the heap. */
TEST(top_that_must_be_faulted_in_makes_what_is_idle_go)
{
	enum { CHUNK = 40000, CHUNKS = 100 };
	static void *chunks[CHUNKS];
	struct options defaults = options;
	size_t retained, system;

	settle();
	os_sim_need_small_pages();
	options.retain_floor = GIB;
	options.mmap_threshold = 2 * CHUNK;
	for (int i = 0; i < CHUNKS; i++)
		REQUIRE(chunks[i] = loam_malloc(CHUNK));
	for (int i = CHUNKS; i-- > 0;)
		loam_free(chunks[i]);
	allocate_objects(OBJECTS / 2);
	REQUIRE(os_sim_foreign_sbrk(PAGE_SIZE)); /* top cannot shrink */
	heap_trim(&arena_main.chunks, CHUNK);
	system = arena_main.chunks.system;
	retained = thin_out_objects(OBJECTS / 2);
	for (int i = 0; i < CHUNKS; i++)
		REQUIRE(chunks[i] = loam_malloc(CHUNK));
	EXPECT_EQ(arena_main.chunks.system, system);
	EXPECT(retain_retained + MIB < retained);
	for (int i = 0; i < CHUNKS; i++)
		loam_free(chunks[i]);
	free_objects(OBJECTS / 2);
	os_sim_foreign_sbrk(-(intptr_t)PAGE_SIZE);
	options = defaults;
}

static size_t count_idle(const struct slabs *ss)
{
	size_t n = 0;

	list_for_each (l, &ss->idle)
		n++;
	return n;
}

/* Of four slabs each; one that does what is due by time, too, takes one. */
TEST(one_look_takes_two_steps_of_purging)
{
	struct options defaults = options;
	struct slabs *ss;
	size_t idle;

	settle();
	os_sim_need_small_pages();
	options.retain_floor = GIB;
	allocate_objects(OBJECTS / 2);
	thin_out_objects(OBJECTS / 2);
	ss = mine.cache->arena->slabs;
	idle = count_idle(ss);
	REQUIRE(idle > 16);
	options.retain_floor = 0;
	options.retain_share = 1024;
	store_relaxed(&retain_needed, SIZE_MAX);
	mine.cache->pace = 0; /* else it would flush its cache, too */
	store_relaxed(&retain_due, true);
	look();
	EXPECT_EQ(count_idle(ss), idle - 8);
	EXPECT(load_relaxed(&retain_due)); /* the next look goes on */
	mine.cache->pace = 0;
	tick();
	EXPECT_EQ(count_idle(ss), idle - 12);
	options.retain_floor = GIB;
	free_objects(OBJECTS / 2);
	options = defaults;
}

/* In the second of three, which is not the caller's. */
TEST(what_is_idle_in_other_arenas_goes_in_turn)
{
	struct options defaults = options;
	struct cache *self;
	struct slabs *ss;
	size_t idle;

	settle();
	os_sim_need_small_pages();
	options.retain_floor = GIB;
	options.arena_max = 3;
	while (ring_count() < 3)
		ring_join(SIZE_MAX);
	mine.cache->arena = ring_at(2);
	allocate_objects(OBJECTS / 2);
	thin_out_objects(OBJECTS / 2);
	mine.cache->arena = &arena_main;
	ss = ring_at(2)->slabs;
	idle = count_idle(ss);
	REQUIRE(idle > 16);
	options.retain_floor = 0;
	options.retain_share = 1024;
	store_relaxed(&retain_needed, SIZE_MAX);
	self = cache_enter();
	for (int i = 0; i < 4; i++)
		cache_obey_rule(self);
	cache_leave(self);
	EXPECT(count_idle(ss) < idle);
	options.retain_floor = GIB;
	free_objects(OBJECTS / 2);
	options = defaults;
}

TEST(what_an_arena_keeps_of_runs_is_told_exactly)
{
	void *mem;

	settle();
	mem = loam_malloc(RUN);
	loam_free(mem);
	EXPECT(loam_malloc(RUN) == mem);
	EXPECT(arena_main.runs.retained > arena_main.runs.kept);
	tick();
	EXPECT_EQ(arena_main.runs.retained, arena_main.runs.kept);
	loam_free(mem);
}

TEST(magazines_are_swept_each_time)
{
	struct magazine *m;

	settle();
	m = filled(SIZE, 20);
	m->fills = 1;
	tick();
	EXPECT_EQ(magazine_count(m), 20);
	tick();
	EXPECT_EQ(magazine_count(m), 0);
}

static bool doors_are_open(void)
{
	return mine.libc.magazines == mine.cache->magazines->magazine;
}

/* It may be a signal handler's, which interrupted the fast path in the middle of one. */
TEST(a_call_for_a_large_block_leaves_magazines_to_the_next_for_a_small_one)
{
	struct magazine *m;

	settle();
	m = filled(SIZE, 20);
	m->fills = 0;
	mine.cache->ticks = UINT8_MAX;
	loam_free(loam_malloc(RUN));
	EXPECT_EQ(magazine_count(m), 20);
	EXPECT(!doors_are_open());
	loam_free(loam_malloc(SIZE));
	EXPECT_EQ(m->fills, 1); /* it was empty */
	EXPECT(doors_are_open());
	mine.cache->ticks = UINT8_MAX;
	loam_free(loam_malloc(RUN));
	m->fills = 0;
	loam_free(loam_aligned_alloc(2 * SIZE, 5 * SIZE)); /* neither is hot, nor has a magazine */
	EXPECT(!doors_are_open());
	loam_free(loam_aligned_alloc(SIZE, SIZE));
	EXPECT_EQ(m->fills, 1);
	EXPECT(doors_are_open());
}

TEST(a_free_of_a_small_object_sweeps_too)
{
	struct magazine *m;
	void *mem;

	settle();
	m = filled(SIZE, 20);
	mem = loam_malloc(SIZE);
	m->fills = 0;
	mine.cache->ticks = UINT8_MAX;
	loam_free(loam_malloc(RUN));
	loam_free(mem);
	EXPECT_EQ(magazine_count(m), 1);
	EXPECT(doors_are_open());
}

static void *sweep_too(void *unused)
{
	struct magazine *m = filled(SIZE, 20);
	uint32_t capacity = magazine_capacity(m);

	(void)unused;
	m->fills = 0;
	tick();
	EXPECT_EQ(magazine_capacity(m), capacity / 2);
	m->fills = 0;
	os_sim_advance(SECOND - 1);
	tick();
	EXPECT_EQ(magazine_capacity(m), capacity / 2);
	os_sim_advance(1);
	tick();
	EXPECT_EQ(magazine_capacity(m), capacity / 4);
	return NULL;
}

/* By a thread of few slow paths. */
TEST(each_eighth_of_a_second_the_same_is_due_after_32_slow_paths)
{
	struct magazine *m;

	settle();
	m = filled(SIZE, 20);
	m->fills = 0;
	mine.cache->ticks = TICKS_A_LOOK - 1;
	os_sim_advance(SECOND / 8 - 1);
	take_slow_path();
	EXPECT_EQ(magazine_count(m), 20);
	mine.cache->ticks = TICKS_A_LOOK - 1;
	os_sim_advance(1);
	take_slow_path();
	EXPECT_EQ(magazine_count(m), 0);
}

/* Else it would take all from its cache, and never come to the next decay. */
TEST(a_thread_that_looks_seldom_flushes_its_cache_while_memory_is_to_be_given_back)
{
	struct magazine *m;

	settle();
	m = filled(SIZE, 20);
	store_relaxed(&retain_low, options.retain_floor);
	os_sim_advance(SECOND / 32);
	look();
	EXPECT_EQ(magazine_count(m), 20); /* nothing is to be given back */
	store_relaxed(&retain_low, options.retain_floor + 1);
	mine.cache->pace = 0;
	os_sim_advance(SECOND / 32 - 4);
	look();
	EXPECT_EQ(magazine_count(m), 20); /* it will look again soon */
	mine.cache->pace = 0;
	os_sim_advance(SECOND / 32);
	look();
	EXPECT_EQ(magazine_count(m), 0);
	store_relaxed(&retain_low, 0);
}

static void look_after(uint64_t pause)
{
	os_sim_advance(pause);
	look();
}

/* 20 objects in a magazine, while free memory is not needed. */
static struct magazine *filled_beside_unneeded(void)
{
	struct magazine *m = filled(SIZE, 20);

	store_relaxed(&retain_low, options.retain_floor + 1);
	return m;
}

/* It waited for others, or for a processor. */
TEST(a_busy_thread_does_not_flush_its_cache_because_it_paused_now_and_then)
{
	struct magazine *m;

	settle();
	m = filled_beside_unneeded();
	mine.cache->pace = 0;
	look_after(SECOND / 128);
	for (int i = 0; i < 3; i++)
		look_after(SECOND / 1024);
	look_after(SECOND / 128);
	EXPECT_EQ(magazine_count(m), 20);
	for (int i = 0; i < 20; i++)
		look_after(SECOND / 100); /* this is seldom */
	EXPECT_EQ(magazine_count(m), 0);
	store_relaxed(&retain_low, 0);
}

/* Not again and again: what came before a long pause says nothing of what comes after it. */
TEST(after_a_long_pause_it_flushes_once)
{
	struct magazine *m;

	settle();
	m = filled_beside_unneeded();
	mine.cache->pace = 0;
	look_after(10 * (uint64_t)SECOND);
	EXPECT_EQ(magazine_count(m), 0);
	m = filled_beside_unneeded();
	look_after(SECOND / 1024);
	EXPECT_EQ(magazine_count(m), 20);
	store_relaxed(&retain_low, 0);
}

/* 200 objects came into the depot just now; the magazine that they left. */
static struct magazine *put_two_hundred(void)
{
	struct magazine *m = filled(SIZE, 200);

	REQUIRE(depot_put(m->sc, m->none + 1, 200));
	magazine_drop(m, 200);
	return m;
}

TEST(the_looks_after_it_go_on_with_the_depot)
{
	struct magazine *m;

	settle();
	m = put_two_hundred();
	tick();
	EXPECT_EQ(depot_objects(m->sc), 200); /* they came just now */
	tick();
	EXPECT_EQ(depot_objects(m->sc), 200 - 64);
	look();
	EXPECT_EQ(depot_objects(m->sc), 200 - 2 * 64);
	os_sim_advance(SECOND / 128); /* a thread of few slow paths looks in the next one */
	look();
	take_slow_path();
	EXPECT_EQ(depot_objects(m->sc), 0);
}

/* Whoever was the first that second. */
TEST(every_threads_idle_magazines_halve_once_a_second)
{
	settle();
	os_sim_advance(SECOND);
	tick();
	in_thread(sweep_too, NULL);
}

/* Twenty objects came into the depot just now; the magazine that they left. */
static struct magazine *pass_on_twenty(void)
{
	struct magazine *m;

	settle();
	m = filled(SIZE, 20);
	EXPECT(depot_put(m->sc, m->none + 1, 20));
	magazine_drop(m, 20);
	return m;
}

TEST(each_time_the_depot_gives_home_what_was_not_needed)
{
	const struct magazine *m = pass_on_twenty();

	tick();
	EXPECT_EQ(depot_objects(m->sc), 20); /* it came since the last */
	tick();
	EXPECT_EQ(depot_objects(m->sc), 0);
}

/* And those of other shards once a second. */
TEST(of_other_shards_the_depot_gives_home_once_a_second_what_was_not_needed)
{
	const struct magazine *m = pass_on_twenty();

	store_relaxed(&shards_log, 5); /* the first shard may be the thread's by chance */
	tick();
	tick();
	EXPECT_EQ(depot_objects(m->sc), shard_here() ? 20 : 0);
	os_sim_advance(SECOND);
	tick();
	EXPECT_EQ(depot_objects(m->sc), shard_here() ? 20 : 0);
	os_sim_advance(SECOND);
	tick();
	EXPECT_EQ(depot_objects(m->sc), 0);
	store_relaxed(&shards_log, 0);
}

static void keep_run_in(struct arena *a)
{
	void *mem = run_alloc(RUN, 16, &(bool){false});

	memset(mem, 1, RUN);
	REQUIRE(ring_lock_this(a));
	runs_flush(&a->runs);
	runs_keep(&a->runs, (struct run *)pagemap_get(mem));
	ring_unlock(a);
}

static size_t arenas_with_runs(void)
{
	size_t n = 0;

	ring_for_each (a)
		n += a->runs.count > 0;
	return n;
}

TEST(once_a_second_every_arena_is_tended_one_in_each_look)
{
	struct options defaults = options;
	size_t retained;

	settle();
	options.arena_max = 3;
	while (ring_count() < 3)
		ring_join(SIZE_MAX);
	for (int i = 0; i < 3; i++)
		look();
	ring_for_each (a)
		keep_run_in(a);
	tick();
	EXPECT_EQ(arenas_with_runs(), 3);
	os_sim_advance(SECOND);
	retained = load_relaxed(&retain_retained);
	tick();
	EXPECT_EQ(arenas_with_runs(), 2);
	EXPECT(load_relaxed(&retain_retained) < retained);
	os_sim_advance(SECOND / 128); /* a thread of few slow paths looks in the next one */
	look();
	EXPECT_EQ(arenas_with_runs(), 1);
	take_slow_path();
	EXPECT_EQ(arenas_with_runs(), 0);
	options = defaults;
	EXPECT(loam_check());
}

TEST(what_is_purged_each_second_is_an_eighth_of_what_was_retained_all_the_time)
{
	enum { RUNS = 128 };
	const size_t block = 64 * KIB;
	struct options defaults = options;
	struct zone_sizes before, after;
	size_t eighth, purged;
	void *mems[RUNS];

	start_anew();
	settle();
	zone_purge(SIZE_MAX);
	options.retain_floor = GIB; /* the rule asks for nothing */
	for (int i = 0; i < RUNS; i++)
		REQUIRE(mems[i] = run_alloc(block, 16, &(bool){false}));
	for (int i = 0; i < RUNS; i += 2) /* so that none is joined to another */
		run_free((struct run *)pagemap_get(mems[i]));
	os_sim_advance(SECOND);
	tick();
	os_sim_advance(SECOND);
	eighth = load_relaxed(&retain_retained) / 8;
	zone_sizes(&before);
	tick();
	zone_sizes(&after);
	purged = after.purged - before.purged;
	EXPECT(purged + block > eighth); /* what else is due changes what is retained a little */
	EXPECT(purged < eighth + 2 * block);
	for (int i = 0; i < RUNS; i += 2) /* takes all that is retained */
		REQUIRE(mems[i] = run_alloc(block, 16, &(bool){false}));
	for (int i = 0; i < RUNS; i += 2)
		run_free((struct run *)pagemap_get(mems[i]));
	os_sim_advance(SECOND);
	tick();
	zone_sizes(&before);
	EXPECT(before.purged < after.purged + 2 * block);
	for (int i = 1; i < RUNS; i += 2)
		run_free((struct run *)pagemap_get(mems[i]));
	zone_purge(SIZE_MAX);
	options = defaults;
}

/* Else they would stay, and what other threads need would go for them. */
TEST(mappings_of_huge_objects_go_that_were_kept_for_a_second)
{
	struct huge_sizes sizes;
	void *held, *freed;

	settle();
	REQUIRE(held = loam_malloc(800 * MIB));
	REQUIRE(freed = loam_malloc(20 * MIB));
	loam_free(freed);
	huge_sizes(&sizes);
	EXPECT_EQ(sizes.kept, 20 * MIB);
	for (int i = 0; i < 2; i++) {
		os_sim_advance(SECOND / 2);
		tick();
	}
	REQUIRE((freed = loam_malloc(20 * MIB)));
	loam_free(freed); /* it is needed */
	os_sim_advance(SECOND);
	tick();
	huge_sizes(&sizes);
	EXPECT_EQ(sizes.kept, 20 * MIB);
	os_sim_advance(SECOND);
	tick();
	huge_sizes(&sizes);
	EXPECT(sizes.kept >= 20 * MIB - 3 * RETAIN_STEP); /* no call takes long; the next go on */
	EXPECT(load_relaxed(&retain_due));
	for (int i = 0; i < 20 && load_relaxed(&retain_due); i++)
		cache_obey_rule(mine.cache);
	huge_sizes(&sizes);
	EXPECT(sizes.kept <= 2 * MIB);
	EXPECT_EQ(retain_excess(), 0);
	loam_free(held);
	huge_unmap_free();
}

/* --- what is retained makes way --------------------------------------------------------------- */

enum { MUCH = 128 * MIB, RUNS = MUCH / RUN };

static void retain_nothing(void)
{
	loam_malloc_trim(0);
	retain_forget();
}

/* As in a program that has used MUCH, and has often taken again what was purged. */
static void learn_to_retain(void)
{
	settle();
	retain_nothing();
	store_relaxed(&retain_needed, SIZE_MAX);
	store_relaxed(&retain_low, 0);
	store_relaxed(&retain_peak, MUCH);
	store_relaxed(&retain_regret, GIB);
}

static size_t kept_mappings(void)
{
	struct huge_sizes sizes;

	huge_sizes(&sizes);
	return sizes.kept;
}

static void keep_mapping(void)
{
	void *mem;

	learn_to_retain();
	REQUIRE(mem = loam_malloc(MUCH));
	loam_free(mem);
	EXPECT_EQ(kept_mappings(), MUCH);
}

static void take_runs(void **runs)
{
	for (int i = 0; i < RUNS; i++)
		REQUIRE(runs[i] = loam_malloc(RUN));
}

static void free_runs(void **runs)
{
	for (int i = 0; i < RUNS; i++)
		loam_free(runs[i]);
}

TEST(a_kept_mapping_makes_way_for_a_huge_object)
{
	void *mem;

	keep_mapping();
	REQUIRE(mem = loam_calloc(1, MUCH)); /* which takes none of that size */
	EXPECT(kept_mappings() <= MUCH / 4);
	loam_free(mem);
	retain_nothing();
}

TEST(a_kept_mapping_makes_way_for_one_that_grows)
{
	char *mem, *grown;

	keep_mapping();
	REQUIRE(mem = loam_calloc(1, MUCH / 2)); /* which leaves half of it */
	EXPECT(kept_mappings() > MUCH / 4);
	REQUIRE(grown = loam_realloc(mem, MUCH));
	EXPECT(kept_mappings() <= MUCH / 4);
	loam_free(grown);
	retain_nothing();
}

/* Of which none is kept, so that none was purged in vain. */
TEST(a_kept_mapping_makes_way_for_an_object_of_over_a_gib)
{
	void *mem;

	keep_mapping();
	store_relaxed(&retain_regret, 0);
	REQUIRE(mem = loam_malloc(GIB + MIB));
	EXPECT(kept_mappings() <= MUCH / 2);
	loam_free(mem);
	retain_nothing();
}

/* Whether the first slow path after a look looks again; more than a look's steps is due. */
static bool looks_again_after(uint64_t pause)
{
	uint64_t now;

	store_relaxed(&retain_due, true);
	mine.cache->pace = 0;
	look_after(pause);
	EXPECT(load_relaxed(&retain_due));
	os_sim_advance(1);
	now = os_clock();
	take_slow_path();
	return load_relaxed(&mine.cache->looked) == now;
}

/* Else what a program used once stays for minutes when it does little. */
TEST(a_thread_of_few_slow_paths_looks_again_while_more_is_due)
{
	keep_mapping();
	store_relaxed(&retain_regret, 0);
	mine.cache->ticks = 0;
	EXPECT(!looks_again_after(SECOND / 1024));
	EXPECT(looks_again_after(SECOND / 128));
	retain_nothing();
}

/* However much is over the rule. */
TEST(no_more_makes_way_than_a_huge_object_needs)
{
	void *mem;

	keep_mapping();
	store_relaxed(&retain_regret, 0);
	REQUIRE(mem = loam_calloc(1, MUCH / 4 + PAGE_SIZE)); /* which takes none of that size */
	EXPECT(kept_mappings() >= MUCH / 4 * 3 - 4 * RETAIN_STEP);
	EXPECT(kept_mappings() <= MUCH / 4 * 3);
	loam_free(mem);
	retain_nothing();
}

TEST(a_kept_mapping_makes_way_for_what_is_smaller_in_steps)
{
	static void *runs[RUNS];

	keep_mapping();
	take_runs(runs);
	EXPECT(kept_mappings() <= MUCH / 4);
	free_runs(runs);
	retain_nothing();
}

static size_t free_blocks(void)
{
	struct zone_sizes sizes;

	zone_sizes(&sizes);
	return sizes.free_dirty;
}

static void keep_blocks(void)
{
	static void *runs[RUNS];

	learn_to_retain();
	take_runs(runs);
	free_runs(runs);
	REQUIRE(free_blocks() >= MUCH / 4 * 3);
}

TEST(free_blocks_make_way_for_a_huge_object)
{
	void *mem;

	keep_blocks();
	REQUIRE(mem = loam_malloc(MUCH));
	EXPECT(free_blocks() <= MUCH / 4);
	loam_free(mem);
	retain_nothing();
}

/* Though most of them were not needed: the next calls go on. */
TEST(a_second_ends_with_a_step_of_purging_free_blocks)
{
	size_t before;

	keep_blocks();
	before = free_blocks();
	store_relaxed(&retain_low_before, before);
	store_relaxed(&retain_low, before);
	os_sim_advance(SECOND);
	tick();
	EXPECT(free_blocks() < before);
	EXPECT(free_blocks() >= before - 8 * MIB); /* of runs and heaps, too */
	retain_nothing();
}

TEST(free_blocks_make_way_for_one_that_moves_to_grow)
{
	size_t before;
	void *mem;

	keep_blocks();
	store_relaxed(&retain_regret, 0);
	REQUIRE(mem = loam_malloc(RUN_MAX));
	before = free_blocks();
	REQUIRE(mem = loam_realloc(mem, 4 * RUN_MAX));
	EXPECT(free_blocks() <= before - 2 * RUN_MAX);
	loam_free(mem);
	retain_nothing();
}

TEST(once_a_second_what_was_learned_fades)
{
	settle();
	store_relaxed(&retain_low, 0);
	store_relaxed(&retain_regret, 4000);
	tick();
	EXPECT_EQ(load_relaxed(&retain_regret), 4000);
	os_sim_advance(SECOND);
	tick();
	EXPECT_EQ(load_relaxed(&retain_regret), 3000);
	store_relaxed(&retain_regret, 0);
}

TEST(after_half_a_second_the_least_retained_is_noted_once)
{
	settle();
	store_relaxed(&retain_low, 1);
	os_sim_advance(SECOND / 2 - 1);
	tick();
	EXPECT(load_relaxed(&retain_low_before) != 1);
	os_sim_advance(1);
	tick();
	EXPECT_EQ(load_relaxed(&retain_low_before), 1);
	store_relaxed(&retain_low, 0);
	tick();
	EXPECT_EQ(load_relaxed(&retain_low_before), 1);
	os_sim_advance(SECOND / 2);
	tick();
	EXPECT_EQ(load_relaxed(&retain_low_before), 0);
}

/* The halves before the first one that is looked at were of no length. */
TEST(at_half_a_second_goes_only_what_was_kept_for_a_whole_one)
{
	settle();
	store_relaxed(&retain_needed, SIZE_MAX);
	store_relaxed(&retain_low, 64 * MIB);
	store_relaxed(&retain_low_before, 64 * MIB);
	retain_add(64 * MIB);
	os_sim_advance(SECOND / 2);
	tick();
	EXPECT_EQ(load_relaxed(&retain_needed), SIZE_MAX);
	os_sim_advance(SECOND / 2);
	tick();
	EXPECT(load_relaxed(&retain_needed) < 64 * MIB);
	store_relaxed(&retain_needed, SIZE_MAX);
	os_sim_advance(SECOND / 2);
	tick();
	EXPECT(load_relaxed(&retain_needed) < 64 * MIB);
	retain_add(-(intptr_t)(64 * MIB));
	store_relaxed(&retain_needed, SIZE_MAX);
}

TEST(decay_ms_says_how_long_that_second_is)
{
	settle();
	options.decay_ms = 50;
	store_relaxed(&retain_low, 0);
	store_relaxed(&retain_regret, 4000);
	os_sim_advance(SECOND / 20 - 1);
	tick();
	EXPECT_EQ(load_relaxed(&retain_regret), 4000);
	os_sim_advance(1);
	tick();
	EXPECT_EQ(load_relaxed(&retain_regret), 3000);
	store_relaxed(&retain_regret, 0);
	options.decay_ms = 1000;
}

/* Makes a cache for this thread, and for a second thread if `another` is not NULL. */
static void *make_cache(void *another)
{
	loam_free(loam_malloc(1));
	if (another)
		in_thread(make_cache, NULL);
	return NULL;
}

TEST(what_has_time_skips_no_chunks)
{
	uint32_t *pause = &arena_main.chunks.purge_pause;
	struct cache *self;

	settle();
	*pause = 1000;
	os_sim_advance(SECOND);
	tick();
	for (size_t i = 0; i < ring_count(); i++)
		look();
	EXPECT_EQ(*pause, 0);
	*pause = 1000;
	os_sim_advance(SECOND);
	self = cache_enter();
	cache_do_all_due(self);
	cache_leave(self);
	EXPECT_EQ(*pause, 0);
}

/* Beyond what a single step does: from each arena, the zone, the mappings of huge objects and the
   caches of threads that are gone. */
TEST(all_that_is_due_is_done_for_whom_nobody_waits)
{
	struct cache *self;
	void *mems[64], *huge;

	settle();
	for (size_t i = 0; i < 64; i++) {
		mems[i] = run_alloc(RUN, 16, &(bool){false});
		memset(mems[i], 1, RUN);
	}
	huge = huge_alloc(8 * MIB, PAGE_SIZE, &(bool){false});
	memset(huge, 1, 8 * MIB);
	store_relaxed(&retain_regret, 64 * MIB);
	store_relaxed(&retain_peak, 64 * MIB);
	for (size_t i = 0; i < 64; i++)
		run_free((struct run *)pagemap_get(mems[i]));
	huge_free((struct huge *)pagemap_get(huge));
	EXPECT(load_relaxed(&retain_retained) >= 16 * MIB);
	in_thread(make_cache, &huge);
	ring_for_each (a)
		keep_run_in(a);
	EXPECT_EQ(arenas_with_runs(), ring_count());
	REQUIRE(ring_count() > 1);
	retain_forget();
	os_sim_advance(SECOND);
	self = cache_enter();
	cache_do_all_due(self);
	cache_leave(self);
	EXPECT_EQ(arenas_with_runs(), 0);
	for (const struct cache *c = NULL; (c = cache_next(c));)
		EXPECT(c == mine.cache || c->reaped);
	EXPECT(load_relaxed(&retain_retained) <= options.retain_floor);
	EXPECT(loam_check());
}

TEST(all_of_the_depot_goes_home_for_whom_nobody_waits)
{
	struct magazine *m;
	struct cache *self;

	settle();
	m = put_two_hundred();
	self = cache_enter();
	cache_do_all_due(self); /* they came just now */
	EXPECT_EQ(depot_objects(m->sc), 200);
	cache_do_all_due(self);
	cache_leave(self);
	EXPECT_EQ(depot_objects(m->sc), 0);
}

static void *flush_when_asked(void *arg)
{
	sem_t *sems = arg;

	filled(SIZE, 20);
	sem_post(&sems[0]);
	while (sem_wait(&sems[1]) != 0)
		;
	loam_free(loam_malloc(5000));
	EXPECT_EQ(magazine_count(cache_magazine(mine.cache, class_of(SIZE))), 0);
	return NULL;
}

TEST(a_trim_empties_caches_depot_and_arenas_and_asks_the_other_threads)
{
	struct magazine *m;
	struct arena *other;
	struct cache *gone;
	pthread_t thread;
	sem_t sems[2];
	void *mem;

	settle();
	sem_init(&sems[0], 0, 0);
	sem_init(&sems[1], 0, 0);
	pthread_create(&thread, NULL, flush_when_asked, sems);
	while (sem_wait(&sems[0]) != 0)
		;
	in_thread(leave_twenty, &gone);
	m = filled(SIZE, 40);
	in_thread(leave_twenty, &gone);
	EXPECT(depot_put(m->sc, m->none + 1, 20));
	magazine_drop(m, 20);
	other = lock_another_arena();
	mem = heap_malloc(&other->chunks, 300 * KIB, &(bool){false});
	ring_unlock(other);
	memset(mem, 1, 300 * KIB);
	loam_free(mem);
	cache_trim_arenas(cache_enter(), 0);
	cache_leave(mine.cache);
	EXPECT_EQ(magazine_count(m), 0);
	EXPECT_EQ(depot_objects(m->sc), 0);
	EXPECT_EQ(magazine_count(cache_magazine(gone, class_of(SIZE))), 0);
	EXPECT(!pagemap_get(mem)); /* the other arena's heap is empty, and went back */
	sem_post(&sems[1]);
	pthread_join(thread, NULL);
	EXPECT(loam_check());
}

/* Each look would try it anew. */
TEST(what_cannot_go_is_not_tried_for_ever)
{
	settle();
	store_relaxed(&retain_retained, load_relaxed(&retain_retained) + 64 * MIB);
	retain_forget();
	tick();
	for (size_t i = 0; i <= ring_count(); i++)
		look();
	EXPECT(retain_excess());
	EXPECT(!load_relaxed(&retain_due));
	store_relaxed(&retain_retained, load_relaxed(&retain_retained) - 64 * MIB);
}

/* --- before memory is refused ---------------------------------------------------------------- */

static void reclaim_for(size_t req, unsigned step)
{
	struct cache *c = cache_enter();

	cache_reclaim(c, req, step);
	cache_leave(c);
}

static void reclaim(unsigned step)
{
	reclaim_for(RUN, step);
}

/* However many the arena has learned to keep. */
TEST(the_second_step_of_reclaiming_gives_back_all_empty_slabs)
{
	size_t floor = options.retain_floor;

	settle();
	options.retain_floor = GIB;
	allocate_objects(OBJECTS);
	arena_main.slabs->empty_most = GIB;
	for (int i = 0; i < OBJECTS; i++)
		loam_free(objects[i]);
	reclaim(1);
	EXPECT_EQ(arena_main.slabs->empty_bytes, 0);
	options.retain_floor = floor;
	EXPECT(loam_check());
}

TEST(the_first_step_gives_back_kept_runs_huge_ones_and_free_blocks)
{
	struct magazine *m;
	void *run, *huge;
	size_t mapped;

	settle();
	run = loam_malloc(RUN);
	huge = loam_malloc(8 * MIB);
	m = filled(SIZE, 20);
	loam_free(run);
	loam_free(huge);
	EXPECT(arena_main.runs.count > 0);
	mapped = os_sim_mapped();
	reclaim(0);
	EXPECT_EQ(arena_main.runs.count, 0);
	EXPECT(os_sim_mapped() <= mapped - 8 * MIB);
	EXPECT_EQ(magazine_count(m), 20); /* that costs more to make anew */
	EXPECT(loam_check());
}

/* Of a size that the program took from a damaged file, say. */
TEST(for_a_request_that_nothing_could_serve_nothing_is_given_back)
{
	void *run;

	settle();
	run = loam_malloc(RUN);
	loam_free(run);
	EXPECT(arena_main.runs.count > 0);
	os_sim_fail_from(1);
	EXPECT(!loam_malloc((size_t)1 << 46));
	os_sim_fail_from(0);
	EXPECT(arena_main.runs.count > 0);
}

/* Keeps a run; returns what there is in all: what the zone has mapped, and what is held. */
static size_t keep_run(void)
{
	struct zone_sizes zone;

	loam_free(loam_malloc(RUN));
	REQUIRE(arena_main.runs.count > 0);
	zone_sizes(&zone);
	return zone.mapped + retain_held();
}

TEST(for_16_times_what_there_is_some_is_given_back_and_for_more_under_a_limit_alone)
{
	size_t all;

	settle();
	all = keep_run();
	reclaim_for(16 * (all + 1), 0);
	EXPECT(arena_main.runs.count > 0);
	reclaim_for(16 * (all + 1) - 1, 0);
	EXPECT_EQ(arena_main.runs.count, 0);
	all = keep_run();
	os_sim_set_memory_limit(GIB);
	reclaim_for(32 * all, 0);
	os_sim_set_memory_limit(SIZE_MAX);
	EXPECT_EQ(arena_main.runs.count, 0);
	all = keep_run();
	options.limit = GIB;
	reclaim_for(32 * all, 0);
	options.limit = 0;
	EXPECT_EQ(arena_main.runs.count, 0);
}

TEST(every_step_unmaps_free_regions)
{
	for (unsigned step = 0; step < RECLAIM_STEPS; step++) {
		void *runs[6];
		size_t mapped;

		settle();
		for (int i = 0; i < 6; i++)
			runs[i] = loam_malloc(3 * MIB);
		for (int i = 0; i < 6; i++)
			loam_free(runs[i]);
		REQUIRE(ring_lock_this(&arena_main));
		runs_flush(&arena_main.runs);
		ring_unlock(&arena_main);
		mapped = os_sim_mapped();
		reclaim(step);
		EXPECT(os_sim_mapped() <= mapped - 16 * MIB);
	}
}

TEST(the_second_step_trims_tops)
{
	size_t threshold = options.mmap_threshold;
	void *chunks[8], *end;

	settle();
	options.mmap_threshold = MIB;
	for (int i = 0; i < 8; i++)
		chunks[i] = loam_malloc(100 * KIB);
	for (int i = 0; i < 8; i++)
		loam_free(chunks[i]);
	options.mmap_threshold = threshold;
	end = os_break();
	reclaim(0);
	EXPECT(os_break() == end);
	reclaim(1);
	EXPECT((char *)os_break() < (char *)end);
	EXPECT(loam_check());
}

TEST(the_second_step_gives_back_what_caches_and_arenas_hold)
{
	struct magazine *m;
	struct arena *other;
	void *mem;

	settle();
	m = filled(SIZE, 20);
	EXPECT(depot_put(m->sc, m->none + 1, 10));
	magazine_drop(m, 10);
	other = lock_another_arena();
	mem = heap_malloc(&other->chunks, 300 * KIB, &(bool){false});
	ring_unlock(other);
	loam_free(mem);
	reclaim(1);
	EXPECT_EQ(magazine_count(m), 0);
	EXPECT_EQ(depot_objects(m->sc), 0);
	EXPECT(!pagemap_get(mem));
	EXPECT(loam_check());
}

/* Where pages are limited, and not addresses. */
TEST(under_a_limit_the_second_step_purges_slabs_too)
{
	enum { FEW = 512 };
	struct options defaults = options;
	size_t idle;

	settle();
	os_sim_need_small_pages();
	options.retain_floor = GIB;
	allocate_objects(FEW);
	for (int i = 0; i < FEW; i++)
		if (i % LEFT)
			loam_free(objects[i]);
	reclaim(1);
	idle = load_relaxed(&retain_idle);
	EXPECT(idle > FEW * KIB);
	options.limit = GIB;
	reclaim(1);
	EXPECT(load_relaxed(&retain_idle) < idle - FEW * KIB);
	free_objects(FEW);
	options = defaults;
	EXPECT(loam_check());
}

/* --- limit=auto ----------------------------------------------------------------------------- */

static char group_max[32];

static void set_group(size_t mib)
{
	static const struct os_sim_text texts[] = {
		{"/proc/self/cgroup", "0::/a\n"},
		{"/proc/self/mountinfo", "41 31 0:38 / /sim/cg rw - cgroup2 none rw\n"},
		{"/proc/self/statm", "0 0 0 0 0 0 0\n"},
		{"/sim/cg/a/memory.max", group_max},
		{"/sim/cg/a/memory.current", "0\n"},
		{"/sim/cg/a/memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"},
		{NULL, NULL}};

	snprintf(group_max, sizeof group_max, "%zu\n", mib * MIB);
	os_sim_texts(texts);
}

TEST(the_limit_is_read_when_it_is_due_each_second_and_before_anything_is_given_back)
{
	settle();
	set_group(1024);
	options.limit = LIMIT_AUTO;
	limit_read();
	REQUIRE(retain_limit.known == 1007 * MIB); /* 17 are margin */
	set_group(2048);
	tick();
	EXPECT_EQ(retain_limit.known, 1007 * MIB); /* little was taken since */
	os_sim_advance(SECOND);
	tick();
	EXPECT_EQ(retain_limit.known, 2015 * MIB);
	set_group(1024);
	retain_limit.span = 0; /* as if much had been taken */
	tick();
	EXPECT_EQ(retain_limit.known, 1007 * MIB);
	keep_run();
	set_group(2048);
	reclaim(0);
	EXPECT(arena_main.runs.count > 0); /* there is more than before */
	reclaim(0);
	EXPECT_EQ(arena_main.runs.count, 0);
	options.limit = 0;
	os_sim_texts(NULL);
}

/* --- what is retained ----------------------------------------------------------------------- */

TEST(as_many_steps_in_vain_are_taken_as_there_are_arenas)
{
	struct options defaults = options;
	size_t first, before, steps = 0;
	struct cache *c;

	settle();
	ring_unlock(lock_another_arena());
	REQUIRE(ring_count() > 1);
	options.retain_floor = GIB;
	run_free((struct run *)pagemap_get(run_alloc(RUN, 16, &(bool){false})));
	options = defaults;
	retain_add(64 * MIB);
	retain_forget();
	c = cache_enter();
	first = load_relaxed(&retain_retained);
	do {
		before = load_relaxed(&retain_retained);
		cache_obey_rule(c);
	} while (load_relaxed(&retain_retained) < before);
	REQUIRE(before < first); /* a step that gave back begins the count anew */
	for (; load_relaxed(&retain_due); steps++)
		cache_obey_rule(c);
	cache_leave(c);
	EXPECT_EQ(steps, ring_count());
	retain_add(-(intptr_t)(64 * MIB));
}

/* After a half that began so much behind the last second's end. */
static size_t needed_after_half(uint64_t late)
{
	size_t needed;

	settle();
	os_sim_advance(late);
	tick();
	os_sim_advance(SECOND - late);
	tick();
	store_relaxed(&retain_needed, SIZE_MAX);
	store_relaxed(&retain_low, 64 * MIB);
	store_relaxed(&retain_low_before, 64 * MIB);
	retain_add(64 * MIB);
	os_sim_advance(SECOND / 2);
	tick();
	needed = load_relaxed(&retain_needed);
	retain_add(-(intptr_t)(64 * MIB));
	store_relaxed(&retain_needed, SIZE_MAX);
	return needed;
}

TEST(two_halves_are_long_enough_from_three_quarters_of_a_second_on)
{
	EXPECT(needed_after_half(SECOND / 4 * 3) < 64 * MIB); /* 0.75 s */
	EXPECT_EQ(needed_after_half(SECOND / 4 * 3 + 1), SIZE_MAX);
}
