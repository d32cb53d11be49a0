/* A heap profile: which allocations are sampled, and how their frees are noticed. */
#include "observe/profile.h"

#include "base/bits.h"
#include "base/options.h"
#include "cache/deferred.h"
#include "cache/shared_pages.h"
#include "observe/poisson.h"
#include "observe/watch.h"
#include "os_sim.h"
#include "pages/run.h"
#include "test.h"
#include "unwind/backtrace.h"

#include <loam/loam.h>
#include <pthread.h>
#include <string.h>

enum { RATE = 64 << 10, SIZE = 64, OBJECTS = 40000 };

static void *stack[] = {(void *)0x1000, (void *)0x2000};
static void *mem[OBJECTS];

__attribute__((constructor)) static void set_options(void)
{
	static const char *const environment[] = {"LOAM_OPTIONS=prof=64K", NULL};

	os_sim_environment(environment);
	loam_free(loam_malloc(1));
	backtrace_start();
	os_sim_backtrace(stack, 2);
}

static struct site *site(void)
{
	struct site *s = samples.sites;

	while (s && (s->trail.depth != 2 || s->trail.frames[0] != stack[0]))
		s = s->next_all;
	REQUIRE(s);
	return s;
}

static bool is_sampled(const void *one)
{
	const struct sample *s = samples.heads[samples_head(one)];

	while (s && s->mem != (uintptr_t)one)
		s = s->next;
	return s != NULL;
}

/* The next object of that size that is sampled. */
static void *sampled(size_t size)
{
	for (int i = 0; i < 100 * RATE / SIZE; i++) {
		void *one = loam_malloc(size);

		if (is_sampled(one))
			return one;
		loam_free(one);
	}
	REQUIRE(!"nothing is sampled");
	return NULL;
}

/* One that is no chunk: a class may have gone back to the chunk heap before. */
static void *sampled_in_slab(void)
{
	void *one = sampled(SIZE);

	for (int i = 0; i < 10 && pagemap_get(one)->kind != KIND_SLAB; i++)
		one = sampled(SIZE);
	REQUIRE(pagemap_get(one)->kind == KIND_SLAB);
	return one;
}

/* Whether a number of samples is what so many bytes have on average, give or take five deviations,
   which one in 1.7 million is not. */
static bool is_share_of(uint64_t samples_seen, double nbytes)
{
	double expected = nbytes / RATE, difference = (double)samples_seen - expected;

	return difference * difference < 25 * expected;
}

TEST(samples_are_drawn_by_bytes)
{
	uint64_t before = samples.taken;

	for (int i = 0; i < OBJECTS; i++)
		mem[i] = loam_malloc(SIZE);
	EXPECT(is_share_of(samples.taken - before, (double)OBJECTS * SIZE));
	EXPECT_EQ(samples.in_use, samples.taken);
	for (int i = 0; i < OBJECTS; i++)
		loam_free(mem[i]);
	EXPECT_EQ(samples.in_use, 0);
	EXPECT_EQ(samples.live.asked, 0);
	EXPECT_EQ(site()->live.objects, 0);
	EXPECT(loam_check());
}

static void *call_malloc(size_t size)
{
	return loam_malloc(size);
}

static void *call_calloc(size_t size)
{
	return loam_calloc(1, size);
}

static void *call_realloc(size_t size)
{
	return loam_realloc(NULL, size);
}

static void *call_memalign(size_t size)
{
	return loam_memalign(64, size);
}

static double more; /* bytes that calls allocated beside their size */

/* Moves, or grows: where it is, and huge ones without a copy. */
static void *call_realloc_larger(size_t size)
{
	void *one = loam_malloc(size), *larger = loam_realloc(one, 2 * size + 32);

	more += (double)(larger == one || size > RUN_MAX ? size + 32 : 2 * size + 32);
	return larger;
}

/* Of what the fast path serves and of what it does not; of all floors. */
TEST(whatever_the_function_and_the_size)
{
	static void *(*const call[])(size_t) = {call_malloc, call_calloc, call_realloc,
						call_memalign, call_realloc_larger};
	static const size_t sizes[] = {16, 1024, 1040, 5008, 40000, 100000, 200000, 5 << 20};

	for (size_t i = 0; i < sizeof call / sizeof call[0]; i++)
		for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
			double nbytes = 0, asked = (double)site()->allocated.asked, objects;

			more = 0;
			for (; nbytes < 400 * RATE; nbytes += (double)sizes[k])
				loam_free(call[i](sizes[k]));
			nbytes += more;
			asked = (double)site()->allocated.asked - asked;
			objects = nbytes / RATE; /* deviation of asked: at most that of so many */
			EXPECT((asked - nbytes) * (asked - nbytes) <
			       30 * (objects + 1) * RATE * (double)RATE);
		}
	EXPECT_EQ(samples.in_use, 0);
	EXPECT(loam_check());
}

TEST(objects_of_no_bytes_count_as_the_smallest)
{
	uint64_t before = samples.taken;
	enum { N = 200 * RATE / 16 };

	for (int i = 0; i < N; i++)
		loam_free(loam_malloc(0));
	EXPECT(is_share_of(samples.taken - before, N * 16.0));
}

TEST(the_page_of_a_sample_has_no_hot_word_until_it_is_freed)
{
	void *one = sampled_in_slab(), *beside[8];

	EXPECT_EQ(pagemap_hot(one), 0);
	EXPECT(loam_check());
	for (int i = 0; i < 8; i++)
		beside[i] = loam_malloc(SIZE);
	for (int i = 0; i < 8; i++)
		loam_free(beside[i]);
	EXPECT(is_sampled(one));
	EXPECT_EQ(pagemap_hot(one), 0);
	loam_free(one);
	EXPECT(!is_sampled(one));
	EXPECT(pagemap_hot(one) != 0);
	EXPECT(loam_check());
}

/* Two of a page: the slow path is taken until both are gone. */
TEST(two_samples_of_a_page)
{
	void *first = NULL, *second = NULL;

	for (int i = 0; i < 3000; i++) {
		mem[i] = loam_malloc(SIZE);
		mine.until_profiled = i < 2900 ? mine.until_profiled : 1; /* all are due */
	}
	for (int i = 2901; i < 3000 && !second; i++)
		for (int k = i + 1; k < 3000 && !second; k++)
			if (((uintptr_t)mem[i] ^ (uintptr_t)mem[k]) < 4096)
				first = mem[i], second = mem[k];
	REQUIRE(first && second && is_sampled(first) && is_sampled(second));
	for (int i = 0; i < 3000; i++)
		if (mem[i] != first && mem[i] != second)
			loam_free(mem[i]);
	EXPECT_EQ(pagemap_hot(first), 0);
	loam_free(first);
	EXPECT_EQ(pagemap_hot(second), 0);
	EXPECT(is_sampled(second));
	loam_free(second);
	EXPECT(!is_sampled(second));
	EXPECT(pagemap_hot(second) != 0);
	EXPECT_EQ(samples.in_use, 0);
	EXPECT(loam_check());
}

TEST(a_double_free_of_one_is_found_as_ever)
{
	void *one = sampled(SIZE);

	loam_free(one);
	EXPECT_ABORT(loam_free, one, "free(): double free detected");
}

TEST(realloc_of_a_sample_that_stays_is_the_same_sample)
{
	char *one = sampled(200000), *grown;
	uint64_t in_use = samples.in_use;

	grown = loam_realloc(one, 210000);
	if (grown == one) {
		EXPECT_EQ(samples.in_use, in_use);
		EXPECT(is_sampled(grown));
	}
	loam_free(grown);
	EXPECT_EQ(samples.in_use, in_use - 1);
	one = sampled(8 << 20);
	grown = loam_realloc(one, 64 << 20); /* huge: may move without a copy */
	EXPECT(is_sampled(grown));
	EXPECT(grown == one || !is_sampled(one));
	loam_free(grown);
	EXPECT_EQ(samples.in_use, 0);
	EXPECT(loam_check());
}

/* The growth alone is counted, so that steps of any size are sampled as one: steps of whole pages
   here, since what there is room for is no growth. */
TEST(what_grows_in_place_is_sampled_by_what_it_grows_by)
{
	size_t step = larger(8192, os_page_size());
	char *one = loam_malloc(8 << 20);
	uint64_t before;
	double nbytes = 0;
	size_t size = 8 << 20;

	before = site()->allocated.asked;
	for (; size < 48 << 20; size += step) {
		one = loam_realloc(one, size + step);
		nbytes += (double)step;
	}
	before = site()->allocated.asked - before;
	EXPECT(((double)before - nbytes) * ((double)before - nbytes) < 30 * nbytes * RATE);
	EXPECT(is_sampled(one)); /* one in e^128 is not */
	loam_free(one);
	EXPECT_EQ(samples.in_use, 0);
}

static void *allocate(void *arg)
{
	void **all = arg;

	for (int i = 0; i < OBJECTS / 4; i++)
		all[i] = loam_malloc(SIZE);
	return NULL;
}

static void *release(void *arg)
{
	void **all = arg;

	for (int i = 0; i < OBJECTS / 4; i++)
		loam_free(all[i]);
	return NULL;
}

static void *allocate_one(void *arg)
{
	(void)arg;
	return loam_malloc(16);
}

static void in_threads(void *(*body)(void *), int shift)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		REQUIRE(pthread_create(&threads[i], NULL, body,
				       mem + (i + shift) % 4 * (OBJECTS / 4)) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

/* A thread's first allocation is sampled no more often than others. */
TEST(threads_count_by_themselves_and_free_what_others_allocated)
{
	uint64_t before = samples.taken;

	in_threads(allocate, 0);
	EXPECT(is_share_of(samples.taken - before, (double)OBJECTS * SIZE));
	in_threads(release, 1);
	EXPECT_EQ(samples.in_use, 0);
	EXPECT(loam_check());
	before = samples.taken;
	for (int i = 0; i < 1000; i++) {
		pthread_t t;

		REQUIRE(pthread_create(&t, NULL, allocate_one, NULL) == 0);
		pthread_join(t, (void **)&mem[0]);
		loam_free(mem[0]);
	}
	EXPECT(samples.taken - before < 12); /* 0.25 on average */
}

TEST(inside_a_call_nothing_is_sampled)
{
	uint64_t lost = samples.lost, taken = samples.taken;
	void *one = loam_malloc(SIZE);

	os_sim_backtrace((void *const *)16, 1); /* no stack is looked for */
	REQUIRE(cache_begin());
	profile_allocated(one, SIZE);
	profile_freed(one);
	cache_end();
	os_sim_backtrace(stack, 2);
	EXPECT_EQ(samples.lost, lost + 1);
	EXPECT_EQ(samples.taken, taken);
	EXPECT(!is_sampled(one));
	loam_free(one);
}

TEST(a_failed_call_is_not_sampled)
{
	uint64_t taken = samples.taken;
	volatile size_t too_large = SIZE_MAX;

	EXPECT(loam_malloc(PTRDIFF_MAX) == NULL);
	EXPECT(loam_malloc(too_large) == NULL);
	EXPECT(loam_calloc(1, too_large - 20) == NULL);
	EXPECT(mine.until_profiled >= 0); /* nor is the next in its place */
	EXPECT_EQ(samples.taken, taken);
	loam_free(sampled(SIZE)); /* and the count goes on */
}

/* Beyond the classes, so that it stays one. */
TEST(what_a_chunk_takes_has_its_header)
{
	void *chunk = sampled(CLASS_SIZE_MAX + 1);

	REQUIRE(pagemap_get(chunk)->kind == KIND_HEAP);
	EXPECT_EQ(samples_find(chunk)->given, loam_malloc_usable_size(chunk) + 8);
	loam_free(chunk);
}

/* --- start and stop --------------------------------------------------------------------------- */

static void stop(void)
{
	profile_stop();
	watch_open();
}

static void start(size_t rate)
{
	REQUIRE(profile_start(rate));
	watch_open();
}

TEST(stopped_all_is_hot_again_and_the_profile_stays)
{
	void *one = sampled_in_slab(), *other;
	uint64_t taken = samples.taken, live = samples.live.asked;

	os_sim_advance(1000);
	EXPECT(!cache_is_plain());
	EXPECT_EQ(pagemap_hot(one), 0);
	stop();
	EXPECT(cache_is_plain());
	EXPECT(pagemap_hot(one) != 0);
	EXPECT(loam_check());
	loam_free(one);
	for (int i = 0; i < OBJECTS; i++)
		mem[i] = loam_malloc(SIZE);
	for (int i = 0; i < OBJECTS; i++)
		loam_free(mem[i]);
	other = loam_realloc(loam_malloc(8 << 20), 64 << 20);
	loam_free(other);
	EXPECT(is_sampled(one));
	EXPECT_EQ(samples.taken, taken);
	EXPECT_EQ(samples.live.asked, live);
	EXPECT_EQ(site()->live.asked, live);
	EXPECT(samples.stopped != 0);
	start(RATE);
}

TEST(another_profile_has_nothing_of_the_one_before)
{
	void *one = sampled(SIZE), *before;

	before = loam_malloc(SIZE);
	stop();
	start(RATE);
	EXPECT(!is_sampled(one));
	EXPECT_EQ(samples.taken, 0);
	EXPECT_EQ(samples.in_use, 0);
	EXPECT_EQ(samples.peak, 0);
	EXPECT_EQ(samples.stopped, 0);
	EXPECT(!site_counts(site()));
	EXPECT_EQ(site()->allocated.objects, 0);
	EXPECT_EQ(site_peak(site())->asked, 0);
	loam_free(one);
	loam_free(before);
	EXPECT_EQ(site()->lives[0], 0);
	one = sampled(SIZE);
	EXPECT(site_counts(site()));
	EXPECT_EQ(samples.in_use, 1);
	loam_free(one);
	EXPECT_EQ(samples.in_use, 0);
	EXPECT(loam_check());
}

/* What a thread has left to count is of the rate before. */
TEST(a_count_begins_anew_with_the_profile)
{
	uint64_t before;

	stop();
	start(PROFILE_RATE_MOST);
	loam_free(loam_malloc(SIZE));
	EXPECT(mine.until_profiled + mine.beyond > 1 << 20); /* one in 4,000 times it is not */
	stop();
	start(RATE);
	before = samples.taken;
	for (int i = 0; i < OBJECTS; i++)
		loam_free(loam_malloc(SIZE));
	EXPECT(is_share_of(samples.taken - before, (double)OBJECTS * SIZE));
}

/* Of another thread: it looks at the end of its step. */
TEST(a_thread_that_counted_for_the_profile_before_joins_a_step_later)
{
	int64_t left;
	uint64_t before;

	stop();
	start(PROFILE_RATE_MOST);
	loam_free(loam_malloc(SIZE));
	left = mine.until_profiled;
	EXPECT(left > 0 && left < (int64_t)(PROFILE_STEP / GRANULE));
	before = mine.profile;
	stop();
	start(RATE);
	mine.until_profiled = left; /* as in a thread that did not begin it */
	for (; left >= (int64_t)(SIZE / GRANULE); left -= SIZE / GRANULE)
		loam_free(loam_malloc(SIZE));
	EXPECT_EQ(mine.profile, before);
	EXPECT_EQ(samples.taken, 0);
	loam_free(loam_malloc(SIZE));
	EXPECT_EQ(mine.profile, profile_number);
	before = samples.taken;
	for (int i = 0; i < OBJECTS; i++)
		loam_free(loam_malloc(SIZE));
	EXPECT(is_share_of(samples.taken - before, (double)OBJECTS * SIZE));
}

/* One that was chosen while another profile was made is none of this. */
TEST(what_was_chosen_before_is_not_noted)
{
	void *one = loam_malloc(SIZE);
	uint64_t number = mine.profile;

	stop();
	start(RATE);
	EXPECT_EQ(mine.profile, number);
	profile_allocated(one, SIZE);
	EXPECT(!is_sampled(one));
	EXPECT_EQ(samples.taken, 0);
	loam_free(one);
}

/* An object on the page of one that is sampled; what else it allocated is free again. */
static void *beside(const void *one)
{
	void *found = NULL;
	int n = 0;

	for (; n < OBJECTS && !found; n++) {
		mem[n] = loam_malloc(SIZE);
		if (((uintptr_t)mem[n] ^ (uintptr_t)one) / PAGE_SIZE == 0 && !is_sampled(mem[n]))
			found = mem[n];
	}
	REQUIRE(found);
	for (int i = 0; i < n - 1; i++)
		loam_free(mem[i]);
	return found;
}

TEST(a_free_beside_a_sampled_object_takes_the_fast_path)
{
	void *one = sampled_in_slab(), *other = beside(one);
	struct magazine *m = cache_magazine(mine.cache, class_of(SIZE));
	uint8_t ticks = mine.cache->ticks;
	uint32_t count = magazine_count(m);

	REQUIRE(count < magazine_capacity(m));
	EXPECT_EQ(pagemap_hot(other), 0);
	loam_free(other);
	EXPECT_EQ(mine.cache->ticks, ticks); /* no slow path was counted */
	EXPECT_EQ(magazine_count(m), count + 1);
	EXPECT(loam_malloc(SIZE) == other);
	loam_free(other);
	EXPECT(is_sampled(one));
	loam_free(one);
	EXPECT(!is_sampled(one));
	EXPECT(pagemap_hot(one) != 0);
	EXPECT(loam_check());
}

/* Each of the slow paths that it takes might leave it to another. */
TEST(a_free_beside_a_sampled_object_ends_while_its_magazine_packs_is_full_and_another_free_waits)
{
	char *one = sampled_in_slab(), *other = beside(one);
	struct magazine *m = cache_magazine(mine.cache, class_of(SIZE));
	int n = 0;

	for (int i = 0; i <= MAGAZINE_MOST; i++)
		REQUIRE((mem[i] = loam_malloc(SIZE)));
	magazine_set_packing(m, true);
	while (m->last != m->end)
		loam_free(mem[n++]);
	deferred_add(mem[n++], true);
	EXPECT_EQ(pagemap_hot(other), 0);
	loam_free(other);
	EXPECT(!deferred_first);
	magazine_set_packing(m, false);
	while (n <= MAGAZINE_MOST)
		loam_free(mem[n++]);
	loam_free(one);
	EXPECT(loam_check());
}

/* The last test: it closes all pages, as in the child of a fork. */
TEST(a_free_beside_a_sampled_object_writes_nothing_to_a_closed_page)
{
	char *one = sampled_in_slab(), *other = beside(one), before[SIZE];

	memset(other, 7, SIZE);
	memcpy(before, other, SIZE);
	REQUIRE(cache_begin());
	shared_pages_close();
	cache_end();
	loam_free(other);
	EXPECT(memcmp(before, other, SIZE) == 0);
	loam_free(one);
	EXPECT(!is_sampled(one));
	EXPECT(loam_check());
}
