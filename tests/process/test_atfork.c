/*
 * Fork handlers that allocate, registered before the allocator could register its own (in
 * preinit_array, in a needed library) and after it (in a constructor, in main), so that each runs
 * with the allocator's own handlers done and not yet done.
 */
#include "test.h"

#include "process.h"

#include <pthread.h>

enum { FORKS = 40, BUSY = 4 };

extern int atfork_calls_of_dso;

static int calls;
static struct block across; /* allocated in prepare, freed in parent and child */

static void prepare(void)
{
	across = block_new(3000);
	allocate_every_size();
	calls++;
}

static void after(void)
{
	block_free(across);
	allocate_every_size();
}

static void allocate(void)
{
	allocate_every_size();
	calls++;
}

static void register_first(void)
{
	pthread_atfork(allocate, allocate, allocate);
}

__attribute__((section(".preinit_array"),
	       used)) static void (*const preinit)(void) = register_first;

__attribute__((constructor(101))) static void register_early(void)
{
	MUST(pthread_atfork(prepare, after, after) == 0);
}

static volatile bool stop;

static void *allocate_until_stopped(void *unused)
{
	while (!stop)
		allocate_every_size();
	return unused;
}

static void fork_often(void)
{
	for (int i = 0; i < FORKS; i++) {
		pid_t child = fork();

		if (child == 0) {
			alarm(CHILD_SECONDS);
			allocate_every_size();
			_exit(0);
		}
		if (!EXPECT_EQ(child_wait(child), 0))
			return;
	}
}

TEST(handlers_allocate)
{
	fork_often();
	EXPECT_EQ(calls, 3 * FORKS);
	EXPECT_EQ(atfork_calls_of_dso, 2 * FORKS);
}

TEST(handlers_allocate_among_threads)
{
	pthread_t threads[BUSY];

	REQUIRE(pthread_atfork(allocate, allocate, allocate) == 0);
	for (int t = 0; t < BUSY; t++)
		REQUIRE(pthread_create(&threads[t], NULL, allocate_until_stopped, NULL) == 0);
	fork_often();
	stop = true;
	for (int t = 0; t < BUSY; t++)
		pthread_join(threads[t], NULL);
}
