/* The slow path of allocation: batches, order, alignment, what gets pages, and the last resorts. */
#include "cache/alloc.h"

#include "base/options.h"
#include "cache/fast.h"
#include "cache/free.h"
#include "cache/resize.h"
#include "os_sim.h"
#include "pages/huge.h"
#include "pages/run.h"
#include "pages/zone.h"
#include "threads.h"

#include <stdio.h>
#include <string.h>

enum { SIZE = 64, SMALL_RUN = 40 * 1024, RUN = 160 * 1024 };

static void *alloc(size_t req)
{
	bool zero = false;

	return cache_alloc(req, &zero);
}

/* --- batches --------------------------------------------------------------------------------- */

TEST(an_empty_magazine_is_filled_by_half_from_slabs_the_lowest_first)
{
	struct magazine *m = learned(SIZE);
	size_t refills = arena_main.counts.refills, objects = arena_main.counts.objects;
	char *first, *last;

	EXPECT_EQ(magazine_capacity(m), 7);
	first = loam_malloc(SIZE);
	EXPECT_EQ(magazine_capacity(m), 15); /* it was empty: doubled */
	EXPECT_EQ(magazine_count(m), 7);     /* eight came, one went */
	EXPECT_EQ(arena_main.counts.refills, refills + 1);
	EXPECT_EQ(arena_main.counts.objects, objects + 8);
	EXPECT_EQ(m->fills, 1);
	for (int i = 0; i < 7; i++, first = last) {
		last = loam_malloc(SIZE);
		EXPECT(last > first);
	}
	EXPECT_EQ(arena_main.counts.refills, refills + 1);
	EXPECT(loam_check());
}

TEST(an_empty_magazine_is_filled_from_the_depot_first)
{
	struct magazine *m = filled(SIZE, 20);
	struct object *eighteenth = m->none[18], *newest = *m->last;
	size_t refills;

	EXPECT(depot_put(m->sc, m->none + 1, 20));
	magazine_drop(m, 20);
	for (int i = 0; i < 10; i++)
		magazine_shrink(m);
	m->fills = 0;
	refills = arena_main.counts.refills;
	EXPECT(loam_malloc(SIZE) == newest);
	EXPECT_EQ(magazine_capacity(m), 7); /* nothing is learned by that */
	EXPECT_EQ(magazine_count(m), 3);
	EXPECT_EQ(m->fills, 1);
	EXPECT_EQ(depot_objects(m->sc), 16);
	EXPECT_EQ(arena_main.counts.refills, refills);
	EXPECT(loam_malloc(SIZE) != NULL);
	EXPECT(loam_malloc(SIZE) == eighteenth);
	EXPECT(loam_check());
}

static void alloc_written(void *arg)
{
	struct magazine *m = arg;

	(*m->last)->link ^= 64;
	EXPECT(loam_malloc(SIZE) != NULL);
}

TEST(a_written_object_in_the_magazine_ends_the_program)
{
	EXPECT_ABORT(alloc_written, filled(SIZE, 3), "write after free");
}

/* Where its memory is known to be zero, which costs a page fault less than clearing. */
TEST(zeros_of_whole_pages_do_not_come_from_a_full_depot)
{
	enum { LARGE = 8192 };
	struct magazine *m = learned(LARGE);
	struct object *o;
	bool zero = true;
	char *mem;

	REQUIRE(ring_lock_this(&arena_main));
	take_objects(&arena_main, LARGE, &o, 1);
	ring_unlock(&arena_main);
	EXPECT(depot_put(m->sc, &o, 1));
	mem = cache_alloc(LARGE, &zero);
	EXPECT(mem && mem != (char *)o);
	EXPECT_EQ(depot_objects(m->sc), 1);
	zero = false;
	EXPECT(cache_alloc(LARGE, &zero) == o);
	EXPECT(!zero);
	zero = true;
	m = learned(SIZE);
	EXPECT(cache_alloc(SIZE, &zero) != NULL);
	EXPECT(magazine_count(m) > 0); /* small ones do */
	EXPECT(!zero);
}

static void *learn_by_allocating(void *unused)
{
	unsigned sc = class_of(264);
	void *objects[64];

	(void)unused;
	loam_free(loam_malloc(100));
	for (int i = 0; i < 31; i++)
		objects[i] = loam_malloc(264);
	EXPECT(!cache_magazine(mine.cache, sc));
	objects[31] = loam_malloc(264);
	EXPECT(cache_magazine(mine.cache, sc) != NULL);
	for (int i = 0; i < 32; i++)
		loam_free(objects[i]);
	return NULL;
}

static void *learn_by_aligned(void *unused)
{
	unsigned sc = class_of(320);

	(void)unused;
	for (int i = 0; i < 31; i++)
		REQUIRE(loam_memalign(64, 300));
	EXPECT(!cache_magazine(mine.cache, sc));
	REQUIRE(loam_memalign(64, 300));
	EXPECT(cache_magazine(mine.cache, sc) != NULL);
	return NULL;
}

TEST(a_thread_learns_what_is_hot_already)
{
	struct object *o;

	start_anew();
	REQUIRE(ring_lock_this(&arena_main));
	take_objects(&arena_main, 264, &o, 1);
	take_objects(&arena_main, 320, &o, 1);
	ring_unlock(&arena_main);
	in_thread(learn_by_allocating, NULL);
	in_thread(learn_by_aligned, NULL);
}

/* --- what gets pages ------------------------------------------------------------------------- */

static unsigned kind(void *mem)
{
	unsigned k = mem ? pagemap_get(mem)->kind : KIND_NONE;

	loam_free(mem);
	return k;
}

TEST(pages_of_their_own_from_the_threshold_on)
{
	size_t threshold = options.mmap_threshold;

	EXPECT(!cache_wants_pages(threshold - 1));
	EXPECT(cache_wants_pages(threshold));
	EXPECT_EQ(kind(alloc(threshold - 1)), KIND_HEAP);
	EXPECT_EQ(kind(alloc(threshold)), KIND_RUN);
	EXPECT_EQ(kind(alloc(RUN_MAX)), KIND_RUN);
	EXPECT_EQ(kind(alloc(RUN_MAX + 1)), KIND_HUGE);
	options.mmap_threshold = 200000;
	EXPECT_EQ(kind(alloc(199999)), KIND_HEAP);
	EXPECT_EQ(kind(alloc(200000)), KIND_RUN);
	options.mmap_threshold = threshold;
}

/* As many pages may be of either kind. */
TEST(a_kept_run_with_fences_serves_a_request_without_them)
{
	char *fenced = loam_malloc(RUN_FENCED_MAX), *mem;
	struct run *run = (struct run *)pagemap_get(fenced);

	REQUIRE(run->tag.kind == KIND_RUN && run->usable && run->npages == RUN_FENCED_PAGES);
	loam_free(fenced);
	REQUIRE(run->kept);
	for (size_t req = RUN_FENCED_MAX + 1; req <= 128 * KIB; req++) {
		mem = loam_malloc(req);
		EXPECT(pagemap_get(mem) == &run->tag && mem == run_base(run) && !run->usable);
		loam_free(mem);
		EXPECT(loam_malloc(RUN_FENCED_MAX) == fenced && run_fences_hold(run));
		loam_free(fenced);
	}
	EXPECT(loam_check());
}

/* Also where the run was kept. */
TEST(fences_are_outside_of_what_reads_as_zero)
{
	char *mem;
	bool zero;

	for (int i = 0; i < 3; i++) {
		mem = loam_calloc(1, 40000 - 16 * (size_t)i);
		REQUIRE(((struct run *)pagemap_get(mem))->usable);
		for (size_t at = 0; at < loam_malloc_usable_size(mem); at++)
			REQUIRE(!mem[at]);
		memset(mem, 'x', loam_malloc_usable_size(mem));
		loam_free(mem);
	}
	REQUIRE(ring_lock_this(&arena_main));
	runs_flush(&arena_main.runs);
	ring_unlock(&arena_main);
	zone_purge(SIZE_MAX);
	zero = true;
	mem = cache_alloc(120000, &zero);
	EXPECT(zero);
	loam_free(mem);
}

/* What is left of a block that a run is cut from counts there. */
TEST(where_memory_is_locked_chunks_serve_more)
{
	bool clean;
	void *block;

	zone_unmap_free(false);
	os_sim_lock(true);
	block = zone_alloc(ORDER_MAX, &clean);
	REQUIRE(block && zone_is_scarce());
	EXPECT_EQ(kind(alloc(SCARCE_PAGES_FROM - 1)), KIND_HEAP);
	EXPECT_EQ(kind(alloc(SCARCE_PAGES_FROM)), KIND_RUN);
	zone_free(block, ORDER_MAX, 0);
	os_sim_lock(false);
	zone_unmap_free(false);
	block = zone_alloc(ORDER_MAX, &clean);
	REQUIRE(block && !zone_is_scarce());
	EXPECT_EQ(kind(alloc(SCARCE_PAGES_FROM - 1)), KIND_RUN);
	zone_free(block, ORDER_MAX, 0);
}

/* The rest of a block is addresses that perhaps nothing else can use. */
TEST(where_memory_is_limited_what_wastes_over_an_eighth_of_itself_is_mapped_alone)
{
	os_sim_set_memory_limit(GIB);
	EXPECT_EQ(kind(alloc(2 * MIB - 256 * KIB)), KIND_HUGE);
	EXPECT_EQ(kind(alloc(2 * MIB - 192 * KIB)), KIND_RUN);
	EXPECT_EQ(kind(cache_alloc_aligned(2 * PAGE_SIZE, 5 * PAGE_SIZE)), KIND_RUN); /* small */
	os_sim_set_memory_limit(SIZE_MAX);
	EXPECT_EQ(kind(alloc(2 * MIB - 256 * KIB)), KIND_RUN);
}

TEST(impossible_sizes_are_null)
{
	volatile size_t too_large = (size_t)PTRDIFF_MAX + 1;

	EXPECT(!alloc(too_large));
	EXPECT(!cache_alloc_growing(too_large));
	EXPECT(!cache_alloc_aligned(64, too_large));
	EXPECT(!cache_alloc_aligned(too_large, 64));
}

TEST(a_kept_run_is_taken_before_a_new_one)
{
	bool zero = true;
	void *mem;

	start_anew();
	mem = alloc(RUN);
	memset(mem, 1, RUN);
	loam_free(mem);
	EXPECT(cache_alloc(RUN, &zero) == mem);
	EXPECT(!zero); /* it holds what was there */
	loam_free(mem);
}

/* RUNS_SLOTS + 1 runs, freed by a thread that uses another arena. */
static struct arena *surplus_elsewhere(void *mem[RUNS_SLOTS + 1])
{
	struct arena *other;

	start_anew();
	for (unsigned i = 0; i <= RUNS_SLOTS; i++)
		mem[i] = alloc(SMALL_RUN);
	REQUIRE(ring_lock_this(&arena_main));
	runs_flush(&arena_main.runs);
	ring_unlock(&arena_main);
	other = lock_another_arena();
	ring_unlock(other);
	mine.cache->arena = other;
	for (unsigned i = 0; i <= RUNS_SLOTS; i++)
		loam_free(mem[i]);
	mine.cache->arena = &arena_main;
	EXPECT_EQ(other->runs.count, RUNS_SLOTS);
	EXPECT(ring_surplus == other);
	return other;
}

static void flush_runs(struct arena *a)
{
	REQUIRE(ring_lock_this(a));
	runs_flush(&a->runs);
	ring_unlock(a);
}

TEST(what_another_arena_has_too_many_of_is_taken_before_a_new_run)
{
	void *mem[RUNS_SLOTS + 1], *own;
	struct arena *other = surplus_elsewhere(mem);

	EXPECT(alloc(SMALL_RUN) == mem[RUNS_SLOTS]);
	EXPECT_EQ(other->runs.count, RUNS_SLOTS - 8); /* the others are for the next requests */
	EXPECT_EQ(arena_main.runs.count, 7);
	loam_free(mem[RUNS_SLOTS]);
	own = alloc(SMALL_RUN); /* the thread's own arena comes first */
	EXPECT(own == mem[RUNS_SLOTS]);
	EXPECT_EQ(other->runs.count, RUNS_SLOTS - 8);
	loam_free(own);
	flush_runs(other);
	flush_runs(&arena_main);
	EXPECT(loam_check());
}

/* Nothing that the thread's arena keeps has to go for them. */
TEST(no_more_is_taken_from_another_arena_than_there_is_room_for)
{
	void *mem[RUNS_SLOTS + 1], *large;
	struct arena *other = surplus_elsewhere(mem);

	large = alloc(MIB - 3 * SMALL_RUN);
	loam_free(large);
	REQUIRE(arena_main.runs.count == 1);
	EXPECT(alloc(SMALL_RUN) == mem[RUNS_SLOTS]);
	EXPECT_EQ(arena_main.runs.count, 1 + 3);
	EXPECT_EQ(other->runs.count, RUNS_SLOTS - 1 - 3);
	loam_free(mem[RUNS_SLOTS]);
	flush_runs(other);
	flush_runs(&arena_main);
	EXPECT(loam_check());
}

TEST(what_another_arena_has_too_many_of_is_left_where_it_is_locked_or_of_another_node)
{
	void *mem[RUNS_SLOTS + 1], *locked, *far;
	struct arena *other = surplus_elsewhere(mem);

	lock_close(&other->lock);
	locked = alloc(SMALL_RUN);
	lock_recover(&other->lock);
	EXPECT_EQ(other->runs.count, RUNS_SLOTS);
	other->node++;
	far = alloc(SMALL_RUN);
	other->node--;
	EXPECT_EQ(other->runs.count, RUNS_SLOTS);
	loam_free(locked);
	loam_free(far);
	flush_runs(other);
	EXPECT(loam_check());
}

TEST(a_kept_mapping_serves_huge_objects)
{
	bool zero = false;
	char *mem = alloc(8 * MIB);

	keep_all();
	loam_free(mem);
	EXPECT(cache_alloc(8 * MIB, &zero) == mem);
	EXPECT(!zero);
	memset(mem, 1, 8 * MIB);
	loam_free(mem);
	EXPECT(loam_calloc(1, 8 * MIB) == mem);
	for (size_t i = 0; i < 8 * MIB; i++)
		REQUIRE(!mem[i]);
	loam_free(mem);
	keep_little();
}

TEST(what_grows_takes_a_larger_kept_run_and_has_room_behind)
{
	char *large, *mem;

	start_anew();
	keep_all();
	large = alloc(800 * KIB);
	loam_free(large);
	EXPECT(((struct run *)pagemap_get(large))->kept);
	mem = cache_alloc_growing(200 * KIB);
	EXPECT(mem == large);
	EXPECT_EQ(run_usable((struct run *)pagemap_get(mem)), 200 * KIB);
	EXPECT(loam_realloc(mem, 400 * KIB) == mem);
	loam_free(mem);
	keep_little();
	EXPECT_EQ(kind(cache_alloc_growing(RUN_ROOM)), KIND_RUN);
	EXPECT_EQ(kind(cache_alloc_growing(RUN_ROOM + 1)), KIND_HUGE);
	EXPECT(loam_check());
}

/* --- alignment ------------------------------------------------------------------------------- */

TEST(every_size_has_every_alignment)
{
	for (size_t alignment = 1; alignment <= 8 * MIB; alignment *= 2)
		for (size_t req = 0; req <= 6 * MIB; req = req * 3 + 7) {
			char *mem = cache_alloc_aligned(alignment, req);

			REQUIRE(mem);
			REQUIRE(is_aligned((uintptr_t)mem, alignment));
			REQUIRE(cache_usable(mem, pagemap_get(mem), "test") >= req);
			memset(mem, 0x55, req);
			loam_free(mem);
		}
	EXPECT(loam_check());
}

/* What cache_alloc_aligned() goes by, and the first comment of slab/classes.h demands. */
TEST(a_multiple_of_an_alignment_is_rounded_up_to_one)
{
	for (size_t alignment = 32; alignment <= CLASS_SIZE_MAX; alignment *= 2)
		for (size_t size = alignment; size <= CLASS_SIZE_MAX; size += alignment)
			if (!EXPECT_EQ(class_size(class_of(size)) % alignment, 0)) {
				dprintf(2, "a request of %zu bytes gets the class of %zu\n", size,
					class_size(class_of(size)));
				test_stop();
			}
}

/* The smallest class whose objects are all aligned so. */
TEST(aligned_objects_come_from_the_smallest_class_that_is_aligned)
{
	const struct {
		size_t alignment, req, size;
	} cases[] = {{32, 33, 64},    {32, 1, 32},	  {64, 100, 128},
		     {128, 129, 256}, {64, 300, 320},	  {64, 260, 320},
		     {4096, 1, 4096}, {1024, 5000, 5120}, {2048, 5000, 6144}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		void *mem;

		learned(cases[i].size);
		mem = cache_alloc_aligned(cases[i].alignment, cases[i].req);
		EXPECT_EQ(pagemap_get(mem)->kind, KIND_SLAB);
		EXPECT_EQ(cache_usable(mem, pagemap_get(mem), "test"), cases[i].size);
		EXPECT(is_aligned((uintptr_t)mem, cases[i].alignment));
		loam_free(mem);
	}
}

TEST(an_aligned_request_gets_the_newest_object_of_its_class)
{
	struct magazine *m;
	struct object *newest;

	loam_free(loam_malloc(1));
	mine.cache->ticks = 0; /* so that nothing is due meanwhile, which shuts the doors */
	m = filled(192, 3);
	newest = *m->last;
	EXPECT(fast_malloc_aligned(&mine.libc, 64, 129) == (void *)newest);
	EXPECT_EQ(magazine_count(m), 2);
	loam_free(newest);
	EXPECT(loam_aligned_alloc(64, 192) == (void *)newest);
	loam_free(newest);
	EXPECT(loam_aligned_alloc(8, 190) == (void *)newest);
	loam_free(newest);
	EXPECT(!fast_malloc_aligned(&mine.libc, 64, SIZE_MAX - 62)); /* it wraps */
	EXPECT(!fast_malloc_aligned(&mine.libc, 2 * CLASS_SIZE_MAX, 1));
	EXPECT(!fast_malloc_aligned(&mine.libc, SIZE_MAX / 2 + 1, SIZE_MAX));
	EXPECT_EQ(magazine_count(m), 3);
}

TEST(beyond_classes_up_to_a_page_a_chunk_and_then_pages)
{
	size_t threshold = options.mmap_threshold;

	options.mmap_threshold = 100000;
	EXPECT_EQ(kind(cache_alloc_aligned(4096, 40000)), KIND_HEAP);
	EXPECT_EQ(kind(cache_alloc_aligned(4096, options.mmap_threshold - 4096)), KIND_RUN);
	EXPECT_EQ(kind(cache_alloc_aligned(4096, options.mmap_threshold - 4097)), KIND_HEAP);
	options.mmap_threshold = threshold;
	EXPECT_EQ(kind(cache_alloc_aligned(8192, 40000)), KIND_RUN);
	EXPECT_EQ(kind(cache_alloc_aligned(RUN_MAX, 40000)), KIND_RUN);
	EXPECT_EQ(kind(cache_alloc_aligned(2 * RUN_MAX, 40000)), KIND_HUGE);
}

TEST(a_kept_run_that_is_not_aligned_so_is_left)
{
	char *mem, *aligned;

	start_anew();
	loam_free(alloc(1));
	mem = alloc(RUN);
	aligned = cache_alloc_aligned(MIB, RUN);
	EXPECT(is_aligned((uintptr_t)aligned, MIB));
	loam_free(is_aligned((uintptr_t)mem, MIB) ? aligned : mem);
	aligned = cache_alloc_aligned(MIB, RUN);
	EXPECT(is_aligned((uintptr_t)aligned, MIB));
	loam_free(aligned);
}

/* Each call would lose a mapping otherwise. */
TEST(a_kept_mapping_that_is_not_aligned_so_is_left)
{
	struct huge_sizes before, now;
	char *mem = alloc(9 * MIB);

	keep_all();
	loam_free(mem);
	huge_sizes(&before);
	for (int i = 0; i < 4; i++) {
		mem = cache_alloc_aligned(16 * MIB, 6 * MIB);
		EXPECT(is_aligned((uintptr_t)mem, 16 * MIB));
		loam_free(mem);
	}
	huge_sizes(&now);
	EXPECT_EQ(now.count, before.count);
	keep_little();
	huge_unmap_free();
}

/* --- the last resorts ------------------------------------------------------------------------ */

TEST(inside_memory_comes_from_elsewhere)
{
	struct cache *c;

	start_anew();
	c = cache_enter();
	EXPECT_EQ(pagemap_get(alloc(5000))->kind, KIND_EARLY);
	EXPECT_EQ(pagemap_get(cache_alloc_growing(RUN))->kind, KIND_EARLY);
	EXPECT_EQ(pagemap_get(cache_alloc_aligned(4096, RUN))->kind, KIND_EARLY);
	cache_leave(c);
}

/* Nothing more can be had of the system. */
static void exhaust(void)
{
	os_sim_map_limit(0);
	os_sim_brk_limit(0);
}

static void refresh(void)
{
	os_sim_map_limit(SIZE_MAX);
	os_sim_brk_limit(SIZE_MAX);
}

TEST(a_kept_huge_object_is_unmapped_for_a_run)
{
	char *mem;

	start_anew();
	zone_unmap_free(true);
	mem = alloc(8 * MIB);
	loam_free(mem);
	os_sim_map_limit(2 * MIB); /* less than a region */
	for (int i = 0; i < 64; i++) {
		mem = alloc(2 * MIB);
		if (!mem)
			break;
	}
	EXPECT_EQ(huge_unmap_free(), 0); /* all was tried before */
	refresh();
	EXPECT(loam_check());
}

/* Many fit into a slab that is mapped where the mapping was. */
TEST(a_kept_huge_object_is_not_used_up_by_small_ones)
{
	size_t in_pages = 0, n = 0;

	start_anew();
	keep_all();
	loam_free(alloc(8 * MIB));
	exhaust();
	for (struct descriptor *tag; n < 200000; n++) {
		char *mem = alloc(1000);

		if (!mem)
			break;
		tag = pagemap_get(mem);
		in_pages += tag->kind == KIND_HUGE || tag->kind == KIND_RUN;
	}
	EXPECT(n > 8 * MIB / 1024 / 10 * 9);
	EXPECT(in_pages < n / 100);
	keep_little();
	refresh();
	EXPECT(loam_check());
}

/* What lies in the magazine pins a slab, and in the depot another. */
TEST(caches_are_flushed_before_memory_is_refused)
{
	struct magazine *m;

	start_anew();
	m = filled(SIZE, 20);
	EXPECT(depot_put(m->sc, m->none + 1, 10));
	magazine_drop(m, 10);
	exhaust();
	EXPECT(!alloc(64 * MIB));
	refresh();
	EXPECT_EQ(magazine_count(m), 0);
	EXPECT_EQ(depot_objects(m->sc), 0);
	m = filled(SIZE, 20);
	exhaust();
	EXPECT(!cache_alloc_aligned(8192, 64 * MIB));
	refresh();
	EXPECT_EQ(magazine_count(m), 0);
	EXPECT(loam_check());
}

/* A heap that cannot be given back for what lies behind it has room in the middle. */
TEST(at_last_a_chunk_of_any_arena_serves)
{
	struct arena *other;
	char *mem, *behind, *held, *aligned;

	start_anew();
	other = lock_another_arena();
	mem = heap_malloc(&other->chunks, 400 * KIB, &(bool){false});
	behind = heap_malloc(&other->chunks, 1000, &(bool){false});
	ring_unlock(other);
	REQUIRE(mem && behind && behind > mem);
	loam_free(mem);
	exhaust();
	for (int i = 0; i < 10000 && (held = alloc(256 * KIB)) && (held < mem || held >= behind);
	     i++)
		;
	EXPECT(held >= mem && held < behind);
	loam_free(held);
	aligned = cache_alloc_aligned(64 * KIB, 200 * KIB);
	EXPECT(aligned >= mem && aligned < behind);
	EXPECT(is_aligned((uintptr_t)aligned, 64 * KIB));
	ring_retire(other);
	loam_free(aligned);
	EXPECT(!alloc(300 * KIB));
	other->retired = false;
	lock_recover(&other->lock);
	refresh();
	EXPECT(loam_check());
}

/* Half of the objects are free in slabs that others hold. */
TEST(at_last_an_object_of_any_arena_and_class_serves)
{
	enum { OBJECTS = 4000, BYTES = 512 };
	static char *held[OBJECTS];
	struct arena *first = mine.cache->arena, *other;
	const struct slab *s;
	char *mem;
	int n = 0;

	start_anew();
	for (int i = 0; i < OBJECTS; i++)
		REQUIRE(held[i] = alloc(BYTES));
	other = lock_another_arena();
	ring_unlock(other);
	for (int i = 0; i < OBJECTS; i += 2)
		loam_free(held[i]);
	cache_flush(mine.cache);
	exhaust();
	store_relaxed(&mine.cache->arena, other);
	while ((mem = alloc(BYTES - 50))) { /* that class has no slab */
		s = (const struct slab *)pagemap_get(mem);
		n += s->tag.kind == KIND_SLAB && s->owner == first;
	}
	EXPECT(n >= OBJECTS / 2 - 64);
	store_relaxed(&mine.cache->arena, first);
	refresh();
	EXPECT(loam_check());
}

/* All caches are asked to flush for it, which costs more the more threads there are. */
TEST(a_calloc_that_is_refused_gives_all_back_once)
{
	uint32_t flushes;

	start_anew();
	exhaust();
	while (loam_malloc(1000))
		continue;
	flushes = cache_flushes;
	EXPECT(!loam_calloc(10, 100));
	EXPECT_EQ(cache_flushes - flushes, 1);
	refresh();
}

TEST(each_slow_path_counts_toward_upkeep)
{
	uint8_t ticks;

	start_anew();
	ticks = mine.cache->ticks;
	alloc(5000);
	cache_alloc_growing(RUN);
	cache_alloc_aligned(8192, RUN);
	EXPECT_EQ((uint8_t)(mine.cache->ticks - ticks), 3);
}

/* --- runs by the fast path -------------------------------------------------------------------- */

static void *take_runs(void *seed)
{
	uint64_t random = (uintptr_t)seed;
	char *held[8] = {NULL};

	for (int i = 0; i < 20000; i++) {
		char **mem = &held[test_random(&random) % 8];

		loam_free(*mem);
		*mem = loam_malloc(200000 + 16 * 4096 * (size_t)(i % 9));
		REQUIRE(*mem);
		(*mem)[0] = 1;
	}
	for (int i = 0; i < 8; i++)
		loam_free(held[i]);
	return NULL;
}

/* Who finds no run kept, and another waiting for the arena, wakes that and goes on. */
TEST(runs_are_served_where_threads_wait_for_one_arena)
{
	pthread_t threads[4];
	size_t most = options.arena_max;

	options.arena_max = 1;
	for (uintptr_t i = 0; i < 4; i++)
		REQUIRE(pthread_create(&threads[i], NULL, take_runs, (void *)(i + 1)) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	options.arena_max = most;
	EXPECT(loam_check());
}

/* --- a lock that others wait for -------------------------------------------------------------- */

static void *slowly(size_t req)
{
	static char mem[16];

	return req == 3 && !mine.inside ? mem : NULL;
}

/* Where no kept run was found, one is made. */
TEST(without_a_kept_run_the_slow_path_begins_with_nothing_held)
{
	struct lock lock = LOCK_INIT(LOCK_ARENA);
	struct cache *c = cache_enter();

	REQUIRE(lock_try(&lock));
	EXPECT(cache_leave_then_alloc(c, &lock, 3, slowly) == slowly(3));
	EXPECT(!lock_held(&lock));
	EXPECT(slowly(3));
}

TEST(a_kept_run_without_fences_is_returned_as_it_is)
{
	ALIGNED(PAGE_SIZE) static char page[PAGE_SIZE];
	struct run run = {.mem = page, .npages = 1};
	struct lock lock = LOCK_INIT(LOCK_ARENA);

	EXPECT(cache_wake_then_lay_out(&lock, &run, 0, PAGE_SIZE) == page);
}
