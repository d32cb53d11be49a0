/*
 * Children: with our handler, as after fork(), and without, as after _Fork() and clone().  A
 * thread that is not there in the child may have held any lock, and its arena.
 */
#include "api/fork.h"

#include "api/record.h"
#include "arena/magazine.h"
#include "arena/registry.h"
#include "base/options.h"
#include "harden/quarantine.h"
#include "harden/sampled.h"
#include "pages/huge.h"
#include "pages/metadata.h"
#include "pages/zone.h"
#include "test.h"

#include <loam/loam.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* fork() runs handlers that libc has registered, and not ours: the core registers none. */
static void expect_child(int (*body)(void), bool handler)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		alarm(25);
		if (handler)
			fork_child();
		_exit(body());
	}
	waitpid(child, &status, 0);
	EXPECT_EQ(status, 0);
}

/* Requests of all sizes are served, hold what they are given, and the heap proves sound. */
static int all_is_well(void)
{
	static const size_t sizes[] = {1, 48, 1000, 5000, 50000, 300000, 8000000};
	char *mem;

	for (int round = 0; round < 100; round++)
		for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
			mem = loam_malloc(sizes[i]);
			if (!mem)
				return 1;
			mem[0] = mem[sizes[i] - 1] = 1;
			loam_free(mem);
		}
	return loam_check() ? 0 : 2;
}

static struct lock *const locks[] = {&record_lock,   &quarantine_lock, &sampled_lock,
				     &common_lock,   &registry_lock,   &depot_lock,
				     &huge_lock,     &zone_lock,       &metadata_lock};

#define LOCKS (sizeof locks / sizeof locks[0])

static bool none_locked(void)
{
	for (size_t i = 0; i < LOCKS; i++)
		if (load_relaxed(&locks[i]->word))
			return false;
	return true;
}

/* As of a signal handler that interrupted its thread: it goes on in the child. */
static int child_holds_the_lock(void)
{
	if (!lock_held(&zone_lock))
		return 1;
	lock_release(&zone_lock);
	return none_locked() ? all_is_well() : 2;
}

TEST(a_lock_that_the_forking_thread_holds_stays_its_own)
{
	loam_free(loam_malloc(1));
	lock_acquire(&zone_lock);
	expect_child(child_holds_the_lock, true);
	lock_release(&zone_lock);
}

static int child_is_free_and_well(void)
{
	return none_locked() ? all_is_well() : 9;
}

TEST(a_child_of_one_thread_is_well)
{
	expect_child(child_is_free_and_well, true);
	expect_child(child_is_free_and_well, false);
	EXPECT_EQ(all_is_well(), 0);
}

/* What a thread that the child has not left behind. */
static struct {
	pthread_barrier_t ready, done;
	struct arena *arena;
	void *object, *chunk, *run, *huge, *block;
	struct zone_sizes zone; /* before the lock was taken */
	struct lock *lock;
} lost;

static void *live(void *unused)
{
	for (size_t i = 0; i <= options.promote_after; i++)
		loam_free(loam_malloc(64));
	lost.object = loam_malloc(64);
	lost.chunk = loam_malloc(3000);
	lost.run = loam_malloc(300000);
	lost.huge = loam_malloc(8000000);
	memset(lost.chunk, 5, 3000);
	lost.arena = arena_mine;
	zone_sizes(&lost.zone);
	if (lost.lock)
		lock_acquire(lost.lock);
	pthread_barrier_wait(&lost.ready);
	pthread_barrier_wait(&lost.done);
	if (lost.lock)
		lock_release(lost.lock);
	loam_free(lost.object);
	loam_free(lost.chunk);
	loam_free(lost.run);
	loam_free(lost.huge);
	return unused;
}

static void beside_a_thread(int (*body)(void), bool handler, struct lock *lock)
{
	pthread_t thread;

	lost.lock = lock;
	pthread_barrier_init(&lost.ready, NULL, 2);
	pthread_barrier_init(&lost.done, NULL, 2);
	pthread_create(&thread, NULL, live, NULL);
	pthread_barrier_wait(&lost.ready);
	expect_child(body, handler);
	pthread_barrier_wait(&lost.done);
	pthread_join(thread, NULL);
	EXPECT_EQ(all_is_well(), 0);
}

/* The lost thread's objects are valid and may be freed; its arena is nobody's any more. */
static int child_frees_what_is_lost(void)
{
	if (!lost.arena->retired || registry_hold(lost.arena))
		return 3;
	if (arena_mine != &arena_main || arena_main.retired)
		return 4;
	if (((char *)lost.chunk)[2999] != 5)
		return 5;
	loam_free(lost.object);
	loam_free(lost.chunk);
	loam_free(lost.run);
	loam_free(lost.huge);
	return all_is_well();
}

/* The same where no handler has put things right: the first call does. */
static int child_notices_and_frees(void)
{
	if (lost.arena->retired)
		return 7;
	fork_notice();
	return child_frees_what_is_lost();
}

TEST(the_arena_of_a_lost_thread_is_retired)
{
	beside_a_thread(child_frees_what_is_lost, true, NULL);
	EXPECT(!lost.arena->retired);
	beside_a_thread(child_notices_and_frees, false, NULL);
	EXPECT(!lost.arena->retired);
}

static int child_is_locked_out_of_nothing(void)
{
	fork_notice();
	return child_is_free_and_well();
}

TEST(a_child_goes_on_whatever_lock_was_held)
{
	for (size_t i = 0; i < LOCKS; i++) {
		beside_a_thread(child_is_locked_out_of_nothing, true, locks[i]);
		beside_a_thread(child_is_locked_out_of_nothing, false, locks[i]);
	}
}

static size_t class;

/* Its first call is one that the hot path serves, from what is behind the lock. */
static int child_takes_from_behind_the_lock(void)
{
	if (lost.lock == &depot_lock)
		return magazine_reload(arena_mine->hot, class_of(class)) ? 6 : all_is_well();
	loam_free(loam_malloc(9000000));
	return all_is_well();
}

/* What the short ways look into is locked, and no slow path has noticed the fork yet. */
TEST(who_waits_for_a_lost_thread_notices)
{
	class = 64;
	for (size_t i = 0; i <= options.promote_after; i++)
		loam_free(loam_malloc(class));
	beside_a_thread(child_takes_from_behind_the_lock, false, &depot_lock);
	beside_a_thread(child_takes_from_behind_the_lock, false, &huge_lock);
}

/* Its first call is one that the hot path does not serve. */
static int child_calls_calloc(void)
{
	return loam_calloc(1, 9000000) ? all_is_well() : 8;
}

TEST(a_large_calloc_notices_what_was_lost)
{
	beside_a_thread(child_calls_calloc, false, &huge_lock);
}

/* What the parent had free is free here, and all that it mapped serves before more is. */
static int child_uses_the_parents_free_blocks(void)
{
	struct zone_sizes now;
	bool clean;

	fork_notice();
	zone_sizes(&now);
	if (lost.zone.free_dirty < ORDER_BYTES(5) || now.mapped != lost.zone.mapped || now.free_dirty != lost.zone.free_dirty ||
	    now.free_clean != lost.zone.free_clean || now.regions != lost.zone.regions)
		return 10;
	for (size_t got = 0; got < now.free_dirty + now.free_clean; got += PAGE_SIZE)
		if (!zone_alloc(0, &clean))
			return 11;
	zone_sizes(&now);
	if (now.mapped != lost.zone.mapped || now.free_dirty + now.free_clean)
		return 12;
	zone_free(lost.block, ORDERS - 1, REGION_SIZE);
	zone_sizes(&now);
	return now.free_dirty == REGION_SIZE ? all_is_well() : 13;
}

TEST(a_child_has_the_free_blocks_of_a_zone_that_was_locked)
{
	bool clean;
	void *block = zone_alloc(5, &clean);

	lost.block = zone_alloc(ORDERS - 1, &clean);
	REQUIRE(block && lost.block);
	memset(block, 1, ORDER_BYTES(5));
	zone_free(block, 5, ORDER_BYTES(5));
	beside_a_thread(child_uses_the_parents_free_blocks, false, &zone_lock);
	beside_a_thread(child_uses_the_parents_free_blocks, true, &zone_lock);
	zone_free(lost.block, ORDERS - 1, 0);
}

static void *huge_before;

/* Kept mappings serve, objects that were there can be freed and are kept in turn. */
static int child_uses_the_parents_huge_objects(void)
{
	struct huge_sizes before, now;
	void *mem;

	fork_notice();
	huge_sizes(&before);
	if (!before.kept || !before.count || !huge_check())
		return 14;
	mem = huge_reuse(6 * MIB);
	loam_free(huge_before);
	huge_sizes(&now);
	return mem && now.count == before.count && now.kept == before.kept ? all_is_well() : 15;
}

TEST(a_child_has_the_huge_objects_of_a_table_that_was_locked)
{
	size_t floor = options.retain_floor;
	void *kept[3];

	options.retain_floor = GIB;
	for (int i = 0; i < 3; i++)
		kept[i] = loam_malloc(6 * MIB);
	huge_before = loam_malloc(6 * MIB);
	for (int i = 0; i < 3; i++)
		loam_free(kept[i]);
	beside_a_thread(child_uses_the_parents_huge_objects, true, &huge_lock);
	loam_free(huge_before);
	options.retain_floor = floor;
}

static int child_of_child(void)
{
	expect_child(all_is_well, true);
	expect_child(all_is_well, false);
	return test_failures() ? 6 : all_is_well();
}

TEST(children_have_children)
{
	expect_child(child_of_child, true);
	expect_child(child_of_child, false);
}

static bool stop;

static void *churn(void *arg)
{
	for (size_t i = 1; !load_relaxed(&stop); i++) {
		char *mem = loam_malloc(i * 7919 % 200000 + 1);

		mem[0] = 1;
		loam_free(mem);
	}
	return arg;
}

TEST(children_of_busy_threads_are_well)
{
	enum { THREADS = 3 };
	pthread_t threads[THREADS];

	store_relaxed(&stop, false);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, churn, NULL);
	for (int i = 0; i < 30; i++) {
		expect_child(all_is_well, i % 2);
		sched_yield();
	}
	store_relaxed(&stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT(loam_check());
}
