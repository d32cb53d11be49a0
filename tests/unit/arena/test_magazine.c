/* Objects that one thread frees and another gets again, without going home. */
#include "arena/magazine.h"

#include "arena/registry.h"
#include "arena/remote.h"
#include "os_sim.h"
#include "test.h"

#include <loam/loam.h>
#include <pthread.h>
#include <stdlib.h>

enum { OBJECTS = 1000, SIZE = 200 };

static void *mem[OBJECTS], *again[OBJECTS];

static void in_thread(void *(*body)(void *))
{
	pthread_t thread;

	pthread_create(&thread, NULL, body, NULL);
	pthread_join(thread, NULL);
}

static void allocate(void **objects, size_t nbytes)
{
	for (int i = 0; i < OBJECTS; i++)
		objects[i] = loam_malloc(nbytes);
}

static void free_all(void **objects)
{
	for (int i = 0; i < OBJECTS; i++)
		loam_free(objects[i]);
}

static void *free_mem(void *unused)
{
	free_all(mem);
	return unused;
}

static int by_address(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return (x > y) - (x < y);
}

static bool is_of_mem(void *object)
{
	return bsearch(&object, mem, OBJECTS, sizeof mem[0], by_address) != NULL;
}

/* How many of `again` were in `mem`, which is sorted for it. */
static int seen_before(void)
{
	int n = 0;

	qsort(mem, OBJECTS, sizeof mem[0], by_address);
	for (int i = 0; i < OBJECTS; i++)
		n += is_of_mem(again[i]);
	return n;
}

/* All that magazines hold goes home; classes without objects go back to chunks. */
static void start_anew(void)
{
	loam_malloc_trim(0);
	remote_drain(arena_mine);
	EXPECT_EQ(magazine_sizes().objects, 0);
}

TEST(what_was_freed_last_is_given_first)
{
	void *first, *last;

	start_anew();
	allocate(mem, SIZE);
	first = mem[600];
	last = mem[500];
	loam_free(first);
	loam_free(last);
	mem[600] = loam_malloc(SIZE);
	mem[500] = loam_malloc(SIZE);
	EXPECT(mem[600] == last && mem[500] == first);
	free_all(mem);
	EXPECT(magazine_sizes().objects > MAGAZINE_OBJECTS / 2 - 1);
	EXPECT(magazine_sizes().objects <= MAGAZINE_OBJECTS);
	EXPECT(loam_check());
}

/* A few objects would hold many slabs. */
TEST(own_objects_go_back_before_a_slab_is_made)
{
	enum { OTHER = 900 };
	size_t slabs;

	start_anew();
	allocate(mem, SIZE);
	allocate(again, OTHER);
	free_all(again);
	free_all(mem);
	slabs = arena_mine->counts.slabs_new;
	EXPECT(magazine_sizes().objects > MAGAZINE_OBJECTS);
	allocate(again, 2 * OTHER);
	EXPECT(arena_mine->counts.slabs_new > slabs);
	EXPECT_EQ(magazine_sizes().objects, 0);
	free_all(again);
	EXPECT(loam_check());
}

TEST(what_one_thread_frees_another_is_given)
{
	size_t slabs;

	start_anew();
	allocate(mem, SIZE);
	in_thread(free_mem);
	slabs = arena_mine->counts.slabs_new;
	allocate(again, SIZE);
	EXPECT(seen_before() > OBJECTS * 9 / 10);
	EXPECT(arena_mine->counts.slabs_new <= slabs + 1);
	free_all(again);
	EXPECT(loam_check());
}

static void *free_mem_backwards(void *unused)
{
	for (int i = OBJECTS - 1; i >= 0; i--)
		loam_free(mem[i]);
	return unused;
}

/* Which the owner carves on: ThreadSanitizer sees who reads what the other writes. */
TEST(a_magazine_is_emptied_of_a_slab_in_use)
{
	pthread_t thread;

	start_anew();
	allocate(mem, SIZE);
	pthread_create(&thread, NULL, free_mem_backwards, NULL);
	allocate(again, SIZE);
	pthread_join(thread, NULL);
	free_all(again);
	EXPECT(loam_check());
}

static void *free_mem_and_allocate(void *unused)
{
	for (int i = 0; i < OBJECTS; i++) {
		loam_free(mem[i]);
		again[i] = loam_malloc(SIZE);
	}
	return unused;
}

/* The owner never runs in between. */
TEST(objects_of_a_sleeping_thread_serve_others)
{
	start_anew();
	allocate(mem, SIZE);
	in_thread(free_mem_and_allocate);
	EXPECT(seen_before() > OBJECTS * 9 / 10);
	free_all(again);
	EXPECT(loam_check());
}

TEST(small_objects_go_home)
{
	start_anew();
	allocate(mem, CACHE_LINE - 1);
	in_thread(free_mem);
	EXPECT(magazine_sizes().objects > OBJECTS * 9 / 10);
	start_anew();
	allocate(mem, CACHE_LINE - GRANULE);
	in_thread(free_mem);
	EXPECT_EQ(magazine_sizes().objects, 0);
	EXPECT(remote_drain(arena_mine));
}

TEST(what_the_depot_has_too_much_of_goes_home)
{
	enum { LARGE = 4096 };
	size_t before;

	start_anew();
	before = arena_mine->counts.remote_drained;
	allocate(mem, LARGE);
	in_thread(free_mem);
	EXPECT(magazine_sizes().nbytes <= 600 * KIB);
	EXPECT(magazine_sizes().nbytes >= 200 * KIB);
	EXPECT(remote_drain(arena_mine));
	EXPECT(arena_mine->counts.remote_drained > before + OBJECTS * 8 / 10);
	EXPECT(loam_check());
}

/* In proportion to what is live. */
TEST(the_depot_of_a_large_program_holds_more)
{
	enum { LARGE = 4096 };
	void *held = loam_malloc(64 * MIB);

	start_anew();
	allocate(mem, LARGE);
	in_thread(free_mem);
	EXPECT(magazine_sizes().nbytes > 3 * MIB);
	allocate(again, LARGE);
	EXPECT(seen_before() > OBJECTS * 9 / 10);
	free_all(again);
	loam_free(held);
	start_anew();
	EXPECT(loam_check());
}

TEST(what_the_depot_does_not_need_goes_home)
{
	start_anew();
	allocate(mem, SIZE);
	in_thread(free_mem);
	magazine_reap(arena_mine, false); /* from here on it counts what is not needed */
	EXPECT(magazine_sizes().objects > OBJECTS / 2);
	loam_free(loam_malloc(SIZE));
	magazine_reap(arena_mine, false);
	EXPECT(magazine_sizes().objects <= 2 * MAGAZINE_OBJECTS);
	start_anew();
	EXPECT(loam_mallinfo2().uordblks < 64 * KIB);
	EXPECT(loam_check());
}

/* Objects in magazines are free to who asks for figures. */
TEST(what_is_kept_is_not_in_use)
{
	size_t before;

	start_anew();
	before = loam_mallinfo2().uordblks;
	allocate(mem, SIZE);
	EXPECT(loam_mallinfo2().uordblks >= before + OBJECTS * SIZE);
	in_thread(free_mem);
	EXPECT(loam_mallinfo2().uordblks < before + 100 * SIZE);
}

static void *free_the_last(void *unused)
{
	loam_free(mem[OBJECTS - 1]);
	return unused;
}

static void free_what_another_freed(void *unused)
{
	(void)unused;
	in_thread(free_the_last);
	loam_free(mem[OBJECTS - 1]);
}

TEST(a_second_free_by_the_owner_is_seen)
{
	start_anew();
	allocate(mem, SIZE);
	EXPECT_ABORT(free_what_another_freed, NULL, "double free detected");
	free_all(mem);
}

static void *free_ten(void *unused)
{
	struct object *o = mem[OBJECTS - 5];

	for (int i = OBJECTS - 10; i < OBJECTS; i++)
		loam_free(mem[i]);
	o->key++;
	EXPECT(!magazine_check(arena_mine));
	o->key--;
	EXPECT(magazine_check(arena_mine));
	return unused;
}

TEST(check_sees_what_is_wrong)
{
	start_anew();
	allocate(mem, SIZE);
	in_thread(free_ten);
	for (int i = 0; i < OBJECTS - 10; i++)
		loam_free(mem[i]);
	EXPECT(loam_check());
}
