/* What an object has room for, and when it is resized where it is. */
#include "cache/free.h"
#include "cache/resize.h"

#include "arena/early.h"
#include "base/options.h"
#include "cache/deferred.h"
#include "os_sim.h"
#include "pages/huge.h"
#include "pages/hugetlb.h"
#include "threads.h"

#include <string.h>

enum { CHUNK = 5000, RUN = 160 * 1024, HUGE = 8 << 20 };

/* Resizes as realloc does before it copies. */
static void *resize(void *mem, size_t req, size_t *ret_usable)
{
	return cache_resize(mem, pagemap_get(mem), req, ret_usable);
}

static size_t usable(void *mem)
{
	return cache_usable(mem, pagemap_get(mem), "malloc_usable_size");
}

static struct object *an_object(size_t size)
{
	struct object *o;

	start_anew();
	REQUIRE(ring_lock_this(&arena_main));
	take_objects(&arena_main, size, &o, 1);
	ring_unlock(&arena_main);
	o->key = 0;
	return o;
}

TEST(what_is_usable_by_kind)
{
	size_t had;

	EXPECT_EQ(usable(an_object(200)), 208);
	EXPECT_EQ(usable(loam_malloc(CHUNK)), 5000);
	EXPECT_EQ(usable(loam_malloc(39999)), 40000);
	EXPECT_EQ(usable(loam_malloc(RUN)), RUN);
	EXPECT_EQ(usable(loam_malloc(HUGE)), HUGE);
	EXPECT_EQ(usable(early_alloc(16, 77)), 77);
	EXPECT(resize(loam_malloc(CHUNK), 500, &had) != NULL);
	EXPECT_EQ(had, 5000);
}

/* It fits, and not half is wasted. */
TEST(an_object_of_a_slab_stays_for_half_its_size_and_more)
{
	struct object *o = an_object(1024);
	size_t had;

	EXPECT(resize(o, 1024, &had) == o);
	EXPECT(resize(o, 512, &had) == o);
	EXPECT(!resize(o, 511, &had));
	EXPECT_EQ(had, 1024);
	EXPECT(!resize(o, 1025, &had));
}

TEST(a_chunk_grows_and_shrinks_where_it_is)
{
	size_t threshold = options.mmap_threshold, had;
	char *mem, *behind;

	options.mmap_threshold = 100000;
	mem = loam_malloc(40000);
	behind = loam_malloc(40000);
	loam_free(behind);
	EXPECT(resize(mem, 50000, &had) == mem);
	EXPECT(usable(mem) >= 50000);
	EXPECT(resize(mem, 100, &had) == mem);
	EXPECT_EQ(usable(mem), 104);
	options.mmap_threshold = threshold;
	EXPECT(loam_check());
}

TEST(a_chunk_that_becomes_large_moves)
{
	char *mem = loam_malloc(30000);
	size_t had;

	EXPECT_EQ(pagemap_get(mem)->kind, KIND_HEAP);
	EXPECT(!resize(mem, options.mmap_threshold, &had));
	EXPECT(had >= 30000);
	loam_free(mem);
}

/* Its heap may be half changed. */
TEST(a_chunk_of_an_arena_that_is_not_used_any_more_stays_if_it_fits)
{
	char *mem = loam_malloc(CHUNK);
	size_t had;

	ring_retire(&arena_main);
	EXPECT(resize(mem, 2600, &had) == mem);
	EXPECT(!resize(mem, 5100, &had));
	EXPECT(!resize(mem, 2000, &had));
	arena_main.retired = false;
	lock_recover(&arena_main.lock);
	EXPECT_EQ(usable(mem), 5000);
	loam_free(mem);
}

TEST(a_run_stays_a_run_down_to_half_the_threshold)
{
	char *mem = loam_malloc(MIB);
	size_t half = align_up(options.mmap_threshold / 2, PAGE_SIZE), had;

	REQUIRE(pagemap_get(mem)->kind == KIND_RUN);
	EXPECT(resize(mem, RUN, &had) == mem);
	EXPECT_EQ(usable(mem), RUN);
	EXPECT(resize(mem, options.mmap_threshold / 2, &had) == mem);
	EXPECT(!resize(mem, options.mmap_threshold / 2 - 1, &had));
	EXPECT_EQ(had, half);
	EXPECT(resize(mem, 256 * KIB, &had) == mem); /* the pages behind it are free again */
	loam_free(mem);
}

/* No chunk is as large. */
TEST(a_run_of_over_a_MiB_stays_one_below_any_threshold)
{
	size_t threshold = options.mmap_threshold, had;
	char *mem;

	options.mmap_threshold = 4 * MIB;
	mem = loam_malloc(MIB + 1);
	REQUIRE(pagemap_get(mem)->kind == KIND_RUN);
	EXPECT(resize(mem, MIB + 100, &had) == mem);
	EXPECT(resize(mem, MIB / 2, &had) == mem);
	EXPECT(!resize(mem, MIB / 2 - 1, &had));
	options.mmap_threshold = threshold;
	loam_free(mem);
}

static void ask_usable(void *mem)
{
	usable(mem);
}

static void resize_to_more(void *mem)
{
	mem = loam_realloc(mem, 60000);
	EXPECT(!mem);
}

TEST(what_was_written_beside_a_small_run_is_found)
{
	char *volatile mem = loam_malloc(40000); /* whose bounds the compiler does not know */
	size_t had;

	mem[-1] ^= 1;
	EXPECT_ABORT(ask_usable, mem, "corrupted size vs. prev_size: ");
	EXPECT_ABORT(resize_to_more, mem, "corrupted size vs. prev_size: ");
	EXPECT_ABORT(loam_free, mem, "corrupted size vs. prev_size: ");
	mem[-1] ^= 1;
	EXPECT(resize(mem, 39000, &had) == mem);
	EXPECT_EQ(usable(mem), 39008);
	mem[39008] ^= 1;
	EXPECT_ABORT(ask_usable, mem, "corrupted size vs. prev_size: ");
	EXPECT_ABORT(resize_to_more, mem, "corrupted size vs. prev_size: ");
	EXPECT_ABORT(loam_free, mem, "corrupted size vs. prev_size: ");
	mem[39008] ^= 1;
	loam_free(mem);
}

/* Into memory that is in RAM, where it can grow on. */
TEST(a_small_run_moves_into_a_kept_one_that_is_much_larger)
{
	char *large = loam_malloc(800 * KIB), *mem = loam_malloc(160 * KIB);
	size_t had;

	EXPECT(resize(mem, 164 * KIB, &had) == mem);
	loam_free(large);
	EXPECT(((struct run *)pagemap_get(large))->kept);
	EXPECT(!resize(mem, 200 * KIB, &had));
	EXPECT(resize(mem, 150 * KIB, &had) == mem); /* what shrinks stays */
	loam_free(mem);
}

TEST(a_huge_object_stays_huge_down_to_2_mib_or_half)
{
	char *mem = loam_malloc(HUGE);
	size_t had;

	EXPECT(!resize(mem, RUN_MAX / 2, &had));
	EXPECT_EQ(had, HUGE);
	mem = resize(mem, RUN_MAX / 2 + 1, &had);
	REQUIRE(mem);
	EXPECT_EQ(pagemap_get(mem)->kind, KIND_HUGE);
	EXPECT(resize(mem, RUN_MAX / 2, &had) != NULL); /* not half of it is wasted */
	REQUIRE(mem = resize(mem, RUN_MAX, &had));
	EXPECT(resize(mem, RUN_MAX / 2, &had) != NULL); /* just half */
	loam_free(mem);
}

TEST(a_huge_object_grows_after_what_is_kept_was_given_back)
{
	char *kept = loam_malloc(16 * MIB), *mem = loam_malloc(HUGE), *grown;
	size_t had;

	keep_all();
	loam_free(kept);
	os_sim_map_limit(0);
	EXPECT(!resize(mem, 64 * MIB, &had));
	EXPECT_EQ(had, HUGE);
	os_sim_map_limit(SIZE_MAX);
	EXPECT(!huge_around(kept, true));
	grown = resize(mem, 64 * MIB, &had);
	EXPECT(grown != NULL);
	keep_little();
	loam_free(grown);
	EXPECT(loam_check());
}

TEST(inside_nothing_is_resized)
{
	char *mem = loam_malloc(CHUNK);
	struct cache *c = cache_enter();
	size_t had;

	EXPECT(!resize(mem, 4900, &had));
	EXPECT_EQ(had, 5000);
	cache_leave(c);
	loam_free(mem);
}

static void ask(void *mem)
{
	usable(mem);
}

static void resize_it(void *mem)
{
	size_t had;

	resize(mem, 100, &had);
}

/* Freed by a signal handler that interrupted its thread inside. */
static void *waiting(size_t size)
{
	void *mem = loam_malloc(size);
	struct cache *c = cache_enter();

	cache_release(mem, pagemap_get(mem), "free");
	cache_leave(c);
	return mem;
}

TEST(what_is_free_has_no_room)
{
	struct object *o = an_object(200);
	void *mem = loam_malloc(RUN);

	EXPECT_ABORT(ask, waiting(CHUNK), "malloc_usable_size(): double free detected");
	EXPECT_ABORT(resize_it, waiting(CHUNK), "realloc(): double free detected");
	EXPECT_ABORT(ask, waiting(RUN), "malloc_usable_size(): double free detected");
	EXPECT_ABORT(resize_it, waiting(RUN), "realloc(): double free detected");
	EXPECT_ABORT(ask, waiting(HUGE), "malloc_usable_size(): double free detected");
	EXPECT_ABORT(resize_it, waiting(HUGE), "realloc(): double free detected");
	loam_free(loam_malloc(CHUNK));
	loam_free(mem);
	EXPECT_ABORT(resize_it, mem, "realloc(): double free detected");
	loam_free(o);
	EXPECT_ABORT(ask, o, "malloc_usable_size(): double free detected");
	EXPECT_ABORT(ask, (char *)o + 16, "malloc_usable_size(): invalid pointer");
	EXPECT_ABORT(ask, (char *)loam_malloc(HUGE) + 16, "16 bytes inside the huge object");
}

static void resize_what_is_just_freed(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);
	size_t had;

	loam_free(mem);
	cache_resize(mem, tag, 2 * HUGE, &had);
}

TEST(a_huge_object_that_another_thread_has_just_freed_is_reported)
{
	EXPECT_ABORT(resize_what_is_just_freed, loam_malloc(HUGE),
		     "realloc(): double free detected");
}

TEST(whether_an_object_is_in_use)
{
	struct object *o = an_object(200);
	struct slab *s = (struct slab *)pagemap_get(o);

	options.harden_action = 1;
	EXPECT(cache_is_in_use(s, o, "free"));
	EXPECT(!cache_is_in_use(s, (struct object *)((char *)o + 16), "free"));
	slab_set_marks(o);
	EXPECT(!cache_is_in_use(s, o, "free"));
	o->key = 0;
	EXPECT(cache_is_in_use(s, o, "free"));
	options.harden_action = 0;
	loam_free(o);
}

/* Though a kept run has four times its pages, which what outgrows its own moves to. */
TEST(a_small_run_grows_within_its_pages)
{
	char *mem = loam_malloc(40000);
	size_t had;

	REQUIRE(pagemap_get(mem)->kind == KIND_RUN);
	loam_free(loam_malloc(200000));
	EXPECT(resize(mem, 35000, &had) == mem);
	EXPECT(resize(mem, 40000, &had) == mem);
	EXPECT(!resize(mem, 80000, &had));
	loam_free(mem);
}

/* It could not, whatever was given back. */
TEST(nothing_is_given_back_for_a_huge_object_in_reserved_pages)
{
	struct huge_sizes sizes;
	char *kept, *mem;
	size_t had;

	os_sim_reserve(HUGE);
	hugetlb_wanted = true;
	REQUIRE(mem = loam_malloc(HUGE));
	hugetlb_wanted = false;
	REQUIRE(((struct huge *)pagemap_get(mem))->reserved);
	keep_all();
	REQUIRE(kept = loam_malloc(5 * MIB));
	loam_free(kept);
	EXPECT(!resize(mem, 2 * HUGE, &had));
	huge_sizes(&sizes);
	EXPECT_EQ(sizes.kept, 5 * MIB);
	keep_little();
	loam_free(mem);
	huge_unmap_free();
	os_sim_reserve(0);
}
