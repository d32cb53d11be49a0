/* Runs that an arena keeps: what they are taken for again, what is counted, when they go. */
#include "arena/run_cache.h"

#include "arena/remote.h"
#include "base/options.h"
#include "pages/huge.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "test.h"

#include <loam/loam.h>
#include <string.h>

static struct arena *mine(void)
{
	loam_free(loam_malloc(1));
	return arena_mine;
}

static struct run *run_of(void *mem)
{
	return (struct run *)pagemap_get(mem);
}

static unsigned count_kept(const struct arena *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < RUN_SLOTS; i++)
		n += a->runs[i] != NULL;
	return n;
}

TEST(a_freed_run_is_taken_for_the_next_of_about_its_size)
{
	struct arena *a = mine();
	char *mem = loam_malloc(800 * KIB);
	size_t live = retain_live, retained = retain_retained;

	loam_free(mem);
	EXPECT_EQ(count_kept(a), 1);
	EXPECT(run_of(mem)->kept);
	EXPECT_EQ(retain_live, live - 800 * KIB);
	EXPECT_EQ(retain_retained, retained + 800 * KIB);
	EXPECT(loam_malloc(900 * KIB) != (void *)mem);
	EXPECT(loam_malloc(400 * KIB) != (void *)mem);
	EXPECT(loam_malloc(790 * KIB) == (void *)mem);
	EXPECT(!run_of(mem)->kept);
	EXPECT_EQ(loam_malloc_usable_size(mem), 800 * KIB);
	loam_free(mem);
	EXPECT(zone_check());
	arena_trim(a, 0);
	EXPECT_EQ(count_kept(a), 0);
	EXPECT(zone_check());
}

TEST(zeroed_memory_of_a_kept_run_is_zero)
{
	char *mem = loam_malloc(MIB);
	bool zero = true;

	memset(mem, 0x55, MIB);
	loam_free(mem);
	mem = loam_calloc(1, MIB);
	for (size_t i = 0; i < MIB; i++)
		zero &= !mem[i];
	EXPECT(zero);
	loam_free(mem);
}

TEST(an_aligned_request_takes_an_aligned_one)
{
	char *mem = loam_malloc(300 * KIB), *aligned;

	loam_free(mem);
	aligned = loam_aligned_alloc(256 * KIB, 300 * KIB);
	EXPECT(is_aligned((uintptr_t)aligned, 256 * KIB));
	loam_free(aligned);
}

TEST(the_oldest_goes_and_all_go_when_too_much_is_retained)
{
	struct arena *a = mine();
	void *mems[RUN_SLOTS + 2];
	size_t floor = options.retain_floor;

	arena_trim(a, 0);
	options.retain_floor = 64 * MIB;
	for (unsigned i = 0; i < RUN_SLOTS + 2; i++)
		mems[i] = loam_malloc(64 * KIB);
	for (unsigned i = 0; i < RUN_SLOTS + 2; i++)
		loam_free(mems[i]);
	EXPECT_EQ(count_kept(a), RUN_SLOTS);
	for (unsigned i = 0; i < RUN_SLOTS; i++)
		EXPECT(a->runs[i]->mem == mems[i + 2]);
	EXPECT(run_cache_check(a));
	mems[0] = loam_malloc(800 * KIB);
	options.retain_floor = 0;
	retain_forget();
	loam_free(mems[0]);
	EXPECT_EQ(count_kept(a), 0);
	EXPECT(zone_check());
	EXPECT(run_cache_check(a));
	options.retain_floor = floor;
}

TEST(no_more_than_a_mebibyte_is_kept_unless_it_is_one)
{
	struct arena *a = mine();
	void *mems[6];

	for (int i = 0; i < 6; i++)
		mems[i] = loam_malloc(300 * KIB);
	for (int i = 0; i < 6; i++)
		loam_free(mems[i]);
	EXPECT_EQ(count_kept(a), 3);
	loam_free(loam_malloc(2 * MIB));
	EXPECT_EQ(count_kept(a), 1);
	EXPECT(run_cache_check(a));
	arena_trim(a, 0);
	zone_purge(SIZE_MAX);
}

TEST(what_is_taken_and_kept_again_changes_no_counter_of_all_threads)
{
	struct arena *a = mine();
	size_t live, retained;
	char *mem;

	arena_trim(a, 0);
	mem = loam_malloc(MIB);
	loam_free(mem);
	live = retain_live;
	retained = retain_retained;
	EXPECT(loam_malloc(MIB) == (void *)mem);
	EXPECT_EQ(a->run_kept, 0);
	EXPECT_EQ(a->run_told, MIB >> PAGE_SHIFT);
	EXPECT_EQ(retain_live, live);
	EXPECT_EQ(retain_retained, retained);
	loam_free(mem);
	EXPECT_EQ(retain_live, live);
	EXPECT_EQ(retain_retained, retained);
	EXPECT(run_cache_check(a));
	arena_trim(a, 0);
	EXPECT_EQ(a->run_told, 0);
}

TEST(more_than_the_slack_is_told_at_once)
{
	struct arena *a = mine();
	size_t live, retained, floor = options.retain_floor;
	char *mem;

	arena_trim(a, 0);
	options.retain_floor = 64 * MIB;
	mem = loam_malloc(3 * MIB);
	live = retain_live;
	retained = retain_retained;
	loam_free(mem);
	EXPECT_EQ(retain_live, live - 3 * MIB);
	EXPECT(loam_malloc(3 * MIB) == (void *)mem);
	EXPECT_EQ(retain_live, live);
	EXPECT_EQ(retain_retained, retained);
	loam_free(mem);
	arena_trim(a, 0);
	options.retain_floor = floor;
}

TEST(what_is_not_kept_any_longer_is_told_now_and_then)
{
	struct arena *a = mine();
	char *mem = loam_malloc(MIB);
	size_t live = retain_live;

	loam_free(mem);
	mem = loam_malloc(MIB);
	EXPECT_EQ(retain_live, live - MIB);
	for (unsigned i = 0; i < 256; i++)
		arena_tick(a);
	EXPECT_EQ(retain_live, live);
	EXPECT_EQ(a->run_told, 0);
	EXPECT(run_cache_check(a));
	loam_free(mem);
	arena_trim(a, 0);
}

TEST(the_rule_is_obeyed_by_who_only_takes_and_keeps)
{
	struct arena *a = mine();
	size_t floor = options.retain_floor;
	unsigned pairs = 0;

	loam_free(loam_malloc(MIB));
	options.retain_floor = 0;
	retain_forget();
	do
		loam_free(loam_malloc(MIB));
	while (a->run_count && ++pairs < 1000);
	EXPECT(pairs < 257);
	options.retain_floor = floor;
}

TEST(what_grows_takes_a_larger_one_and_grows_back_into_it)
{
	struct arena *a = mine();
	char *mem, *grown;
	struct run *run;

	arena_trim(a, 0);
	mem = loam_malloc(900 * KIB);
	loam_free(mem);
	run = run_cache_take_larger(a, 50);
	REQUIRE(run && run->mem == mem);
	EXPECT_EQ(run->npages, 50);
	EXPECT_EQ(a->run_told, 0);
	EXPECT(!run_cache_take_larger(a, 1));
	EXPECT(run_cache_check(a));
	grown = loam_realloc(mem, 800 * KIB);
	EXPECT(grown == mem);
	loam_free(grown);
	arena_trim(a, 0);
	EXPECT(zone_check());
}

TEST(a_small_run_that_grows_moves_into_a_much_larger_one_that_is_kept)
{
	struct arena *a = mine();
	char *small, *large, *grown;

	arena_trim(a, 0);
	small = loam_malloc(128 * KIB);
	large = loam_malloc(900 * KIB);
	memset(small, 0x21, 128 * KIB);
	loam_free(large);
	grown = loam_realloc(small, 192 * KIB);
	EXPECT(grown == large);
	EXPECT_EQ(grown[128 * KIB - 1], 0x21);
	EXPECT_EQ(a->run_count, 1);
	EXPECT(a->runs[0]->mem == small);
	EXPECT(loam_realloc(grown, 900 * KIB) == (void *)large);
	EXPECT(!run_cache_has_room(a, run_of(large)));
	loam_free(large);
	arena_trim(a, 0);
	EXPECT(loam_check());
}

TEST(a_huge_object_goes_the_short_way_too)
{
	struct arena *a = mine();
	struct huge_sizes before, after;
	size_t floor = options.retain_floor;
	uint8_t ticks;
	char *mem;

	arena_trim(a, 0);
	options.retain_floor = 64 * MIB;
	mem = loam_malloc(9 * MIB);
	huge_sizes(&before);
	EXPECT_EQ(pagemap_get(mem)->kind, KIND_HUGE);
	loam_free(mem);
	EXPECT(!pagemap_get(mem));
	huge_sizes(&after);
	EXPECT_EQ(after.kept, before.kept + 9 * MIB);
	ticks = a->ticks;
	EXPECT(loam_malloc(9 * MIB - 1) == (void *)mem);
	EXPECT_EQ((uint8_t)(a->ticks - ticks), 1);
	EXPECT(!a->busy);
	EXPECT(loam_check());
	loam_free(mem);
	huge_purge(SIZE_MAX);
	options.retain_floor = floor;
}

TEST(a_handler_in_the_middle_takes_the_slow_path)
{
	struct arena *a = mine();
	void *run = loam_malloc(MIB), *huge = loam_malloc(9 * MIB), *other;

	loam_free(run);
	a->busy = true;
	other = loam_malloc(MIB);
	EXPECT(other != run);
	loam_free(huge);
	EXPECT_EQ(pagemap_get(huge)->kind, KIND_HUGE);
	a->busy = false;
	EXPECT(loam_malloc(MIB) == run);
	a->busy = true;
	loam_free(run);
	EXPECT(!run_of(run)->kept);
	a->busy = false;
	loam_free(other);
	remote_drain(a);
	EXPECT(loam_check());
}

static void free_it(void *mem)
{
	loam_free(mem);
}

static void size_it(void *mem)
{
	loam_malloc_usable_size(mem);
}

TEST(a_second_free_is_seen)
{
	void *mem = loam_malloc(600 * KIB);

	loam_free(mem);
	EXPECT(run_of(mem)->kept);
	EXPECT_ABORT(free_it, mem, "double free");
	EXPECT_ABORT(size_it, mem, "");
}

TEST(check_sees_what_is_wrong)
{
	struct arena *a = mine();

	arena_trim(a, 0);
	loam_free(loam_malloc(MIB));
	REQUIRE(a->run_count == 1);
	EXPECT(run_cache_check(a));
	a->run_kept--;
	EXPECT(!run_cache_check(a));
	a->run_kept++;
	a->run_told += RUN_SLACK + 1;
	EXPECT(!run_cache_check(a));
	a->run_told -= RUN_SLACK + 1;
	a->runs[0]->kept = false;
	EXPECT(!arena_check(a));
	a->runs[0]->kept = true;
	a->runs[1] = a->runs[0];
	EXPECT(!run_cache_check(a));
	a->runs[1] = NULL;
	EXPECT(run_cache_check(a));
}
