/*
 * Children: with the handlers, as after fork(), and without, as after _Fork() and clone().  A
 * thread that is not there in the child may have held any lock, and its arena.
 */
#include "api/fork.h"

#include "arena/registry.h"
#include "base/options.h"
#include "os_sim.h"
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

/* fork() runs handlers that libc has registered, and none of ours: the core registers none. */
static void expect_child(int (*body)(void), bool handlers)
{
	int status = -1;
	pid_t child;

	if (handlers)
		loam_prefork();
	child = fork();
	if (child == 0) {
		if (handlers)
			loam_postfork_child();
		_exit(body());
	}
	if (handlers)
		loam_postfork_parent();
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

static bool all_locked(void)
{
	return registry_locked() && huge_locked() && zone_locked() && metadata_locked();
}

static bool none_locked(void)
{
	return !registry_locked() && !huge_locked() && !zone_locked() && !metadata_locked();
}

TEST(every_lock_is_held_across_fork_and_the_forking_thread_may_allocate)
{
	loam_free(loam_malloc(1));
	EXPECT(none_locked());
	loam_prefork();
	EXPECT(all_locked());
	EXPECT_EQ(all_is_well(), 0);
	EXPECT(all_locked());
	loam_postfork_parent();
	EXPECT(none_locked());
	EXPECT_EQ(all_is_well(), 0);
}

/* A signal handler that interrupted loam: to wait for the other locks could be for ever. */
TEST(a_fork_within_a_lock_takes_no_other)
{
	zone_prefork();
	loam_prefork();
	EXPECT(zone_locked());
	EXPECT(!registry_locked() && !huge_locked() && !metadata_locked());
	zone_postfork();
	EXPECT(none_locked());
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
	void (*lock)(void), (*unlock)(void);
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
	if (lost.lock)
		lost.lock();
	pthread_barrier_wait(&lost.ready);
	pthread_barrier_wait(&lost.done);
	if (lost.unlock)
		lost.unlock();
	loam_free(lost.object);
	loam_free(lost.chunk);
	loam_free(lost.run);
	loam_free(lost.huge);
	return unused;
}

static void beside_a_thread(int (*body)(void), bool handlers, void (*lock)(void),
			    void (*unlock)(void))
{
	pthread_t thread;

	lost.lock = lock;
	lost.unlock = unlock;
	pthread_barrier_init(&lost.ready, NULL, 2);
	pthread_barrier_init(&lost.done, NULL, 2);
	pthread_create(&thread, NULL, live, NULL);
	pthread_barrier_wait(&lost.ready);
	expect_child(body, handlers);
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
	beside_a_thread(child_frees_what_is_lost, true, NULL, NULL);
	EXPECT(!lost.arena->retired);
	beside_a_thread(child_notices_and_frees, false, NULL, NULL);
	EXPECT(!lost.arena->retired);
}

/* What a lost thread was changing is given up; everything else stays. */
static int child_goes_on(void)
{
	return all_is_well();
}

TEST(a_child_without_handlers_goes_on_whatever_lock_was_held)
{
	beside_a_thread(child_goes_on, false, zone_prefork, zone_postfork);
	beside_a_thread(child_goes_on, false, huge_prefork, huge_postfork);
	beside_a_thread(child_goes_on, false, metadata_prefork, metadata_postfork);
	beside_a_thread(child_goes_on, false, registry_prefork, registry_postfork);
}

/* Its first call is one that the hot path does not serve. */
static int child_calls_calloc(void)
{
	alarm(25);
	return loam_calloc(1, 9000000) ? all_is_well() : 8;
}

TEST(a_large_calloc_notices_what_was_lost)
{
	beside_a_thread(child_calls_calloc, false, huge_prefork, huge_postfork);
}

/* A block of a zone that is given up, in a window that has become another region's in part: small
   pieces of memory fill the hole that was made there. */
static int child_frees_what_was_given_up(void)
{
	static const size_t pieces = 1000;
	bool clean;

	fork_notice();
	if (*pagemap_region(lost.block))
		return 10;
	os_unmap((char *)lost.block + REGION_SIZE / 2, REGION_SIZE / 2);
	for (size_t i = 0; i < pieces && !*pagemap_region(lost.block); i++) {
		os_sim_fail_once(1);
		zone_alloc(6, &clean);
	}
	if (!*pagemap_region(lost.block))
		return 11;
	memset(lost.block, 7, ORDER_BYTES(3));
	zone_free(lost.block, 3, ORDER_BYTES(3));
	zone_free_pages(lost.block, 3);
	if (zone_extend_pages(lost.block, 1, 2))
		return 12;
	return ((char *)lost.block)[0] == 7 ? all_is_well() : 13;
}

TEST(what_was_given_up_is_of_no_region_since)
{
	bool clean;

	lost.block = zone_alloc(ORDERS - 1, &clean);
	REQUIRE(lost.block);
	beside_a_thread(child_frees_what_was_given_up, false, zone_prefork, zone_postfork);
	zone_free(lost.block, ORDERS - 1, 0);
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
		expect_child(all_is_well, true);
		sched_yield();
	}
	store_relaxed(&stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT(loam_check());
}
