/* How threads come by arenas: bound, adopted from the dead, shared beyond the limit; fork. */
#include "arena/registry.h"

#include "api/fork.h"
#include "base/options.h"
#include "os_sim.h"
#include "pages/zone.h"
#include "test.h"

#include <loam/loam.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static void *report_arena(void *unused)
{
	(void)unused;
	loam_free(loam_malloc(100));
	return arena_mine;
}

static struct arena *arena_of_thread(void)
{
	pthread_t thread;
	void *arena;

	pthread_create(&thread, NULL, report_arena, NULL);
	pthread_join(thread, &arena);
	return arena;
}

TEST(the_first_thread_has_the_main_arena)
{
	EXPECT(arena_mine == &arena_none);
	loam_free(loam_malloc(1));
	EXPECT(arena_mine == &arena_main);
	EXPECT_EQ(registry_count(), 1);
}

TEST(a_thread_adopts_what_a_dead_one_left)
{
	struct arena *first = arena_of_thread();

	EXPECT(first != &arena_main && first != &arena_none);
	for (int i = 0; i < 100; i++)
		EXPECT(arena_of_thread() == first);
	EXPECT_EQ(registry_count(), 2);
}

static pthread_barrier_t all_run;

static void *hold_an_arena(void *unused)
{
	void *mem = loam_malloc(100), *arena = arena_mine;

	(void)unused;
	pthread_barrier_wait(&all_run);
	loam_free(mem);
	return arena;
}

TEST(threads_at_once_have_arenas_of_their_own)
{
	enum { THREADS = 20 };
	pthread_t threads[THREADS];
	void *arenas[THREADS];

	pthread_barrier_init(&all_run, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, hold_an_arena, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], &arenas[i]);
	for (int i = 0; i < THREADS; i++)
		for (int j = 0; j < i; j++)
			EXPECT(arenas[i] != arenas[j]);
}

TEST(threads_beyond_the_limit_share_one)
{
	enum { THREADS = 40 };
	pthread_t threads[THREADS];
	void *arena;
	int without = 0;

	options.arena_max = registry_count();
	pthread_barrier_init(&all_run, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, hold_an_arena, NULL);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &arena);
		without += arena == &arena_none;
	}
	EXPECT(without > 0);
	EXPECT(registry_count() <= options.arena_max + 1);
	options.arena_max = 0;
	EXPECT(loam_check());
}

TEST(an_arena_is_held_by_one_at_a_time)
{
	struct arena *dead = arena_of_thread();

	EXPECT(registry_hold(dead));
	EXPECT(!registry_hold(dead) || dead == arena_mine);
	registry_let_go(dead);
	EXPECT(registry_hold(dead));
	registry_let_go(dead);
	EXPECT(registry_hold(&arena_main));
	EXPECT(!arena_enter());
	registry_let_go(&arena_main);
	EXPECT(arena_enter() == &arena_main);
	EXPECT(!registry_hold(&arena_main));
	arena_leave(&arena_main);
}

/* In the slow path of this thread a signal handler allocates and frees. */
TEST(while_an_arena_is_busy_memory_comes_from_elsewhere)
{
	void *before = loam_malloc(5000), *mem;

	REQUIRE(arena_enter() == &arena_main);
	mem = loam_malloc(5000);
	EXPECT(mem != NULL);
	EXPECT_EQ(pagemap_get(mem)->kind, KIND_EARLY);
	loam_free(before);
	arena_leave(&arena_main);
	loam_free(mem);
	EXPECT(loam_check());
}

static pthread_barrier_t in_child;

static void *stay(void *object)
{
	*(void **)object = loam_malloc(3000);
	pthread_barrier_wait(&in_child);
	pthread_barrier_wait(&in_child);
	return NULL;
}

static int child_is_well(void *of_other)
{
	bool well = loam_check();

	for (int i = 0; i < 1000; i++)
		loam_free(loam_malloc((size_t)i * 50));
	loam_free(of_other);
	well &= loam_check();
	return well && registry_hold(&arena_main) ? 0 : 1;
}

static void expect_child(pid_t child)
{
	int status = -1;

	waitpid(child, &status, 0);
	EXPECT_EQ(status, 0);
}

TEST(a_child_keeps_its_arena_and_retires_those_of_other_threads)
{
	pthread_t thread;
	void *of_other;
	pid_t child;

	pthread_barrier_init(&in_child, NULL, 2);
	pthread_create(&thread, NULL, stay, &of_other);
	pthread_barrier_wait(&in_child);
	child = fork();
	if (child == 0) {
		fork_child();
		_exit(child_is_well(of_other));
	}
	expect_child(child);
	child = fork(); /* without handlers, as _Fork */
	if (child == 0)
		_exit(child_is_well(of_other));
	expect_child(child);
	pthread_barrier_wait(&in_child);
	pthread_join(thread, NULL);
	EXPECT(loam_check());
}

static void *end_in_the_middle(void *unused)
{
	(void)unused;
	loam_free(loam_malloc(100));
	return arena_enter();
}

/* As by asynchronous cancellation: what the thread was changing may be half changed. */
TEST(the_arena_of_a_thread_that_ended_in_its_midst_is_retired)
{
	struct arena *broken, *next;
	pthread_t thread;

	pthread_create(&thread, NULL, end_in_the_middle, NULL);
	pthread_join(thread, (void **)&broken);
	REQUIRE(broken);
	EXPECT(!registry_hold(broken));
	EXPECT(broken->retired);
	next = arena_of_thread();
	EXPECT(next != broken);
	EXPECT(loam_check());
	EXPECT(!registry_hold(broken));
}

static void *allocate_refused(void *unused)
{
	os_sim_fail_from(1);
	for (int i = 0; i < 100; i++)
		if (!loam_malloc(1000000))
			break;
	EXPECT(!loam_malloc(8000000));
	os_sim_fail_from(0);
	loam_free(loam_malloc(8000000));
	return unused;
}

TEST(a_thread_without_memory_is_served_when_there_is_some)
{
	pthread_t thread;

	pthread_create(&thread, NULL, allocate_refused, NULL);
	pthread_join(thread, NULL);
	EXPECT(loam_check());
}

static void *hold_the_common_one(void *unused)
{
	struct arena *a = arena_enter();

	EXPECT(a && a->shared);
	EXPECT(arena_mine == &arena_none);
	EXPECT(!arena_enter());
	EXPECT(!registry_hold(a));
	arena_leave(a);
	EXPECT(registry_hold(a));
	registry_let_go(a);
	return unused;
}

/* Every arena is somebody's and no more may be made. */
TEST(the_common_arena_is_held_by_its_lock)
{
	struct arena *held[64];
	pthread_t thread;
	size_t n = 0;

	for (struct arena *a = NULL; (a = registry_next(a)) && n < 64;)
		if (!a->shared && registry_hold(a))
			held[n++] = a;
	options.arena_max = 1;
	pthread_create(&thread, NULL, hold_the_common_one, NULL);
	pthread_join(thread, NULL);
	options.arena_max = 0;
	while (n)
		registry_let_go(held[--n]);
	EXPECT(loam_check());
}
