/*
 * Children of every kind, of a process whose other threads are inside the allocator: each uses
 * memory of its own and frees what it inherited, and none may hang.
 */
#include "test.h"

#include "process.h"

#include <pthread.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

enum { STORM_THREADS = 16, STORM_SECONDS = 4, SLOTS = 1024 };

/*
 * Blocks in the open: any thread may put one in or take one out, and a child finds all that
 * were in at its birth.  The first word of a block is its size.
 */
static size_t *slots[SLOTS];

static size_t *slot_swap(unsigned at, size_t *mem)
{
	return __atomic_exchange_n(&slots[at % SLOTS], mem, __ATOMIC_ACQ_REL);
}

static size_t *sized_new(size_t nbytes)
{
	size_t *mem = malloc(nbytes += 2 * sizeof(size_t));

	MUST(mem);
	mem[0] = nbytes;
	memcpy((char *)mem + nbytes - sizeof nbytes, &nbytes, sizeof nbytes);
	return mem;
}

static void sized_free(size_t *mem)
{
	if (mem)
		MUST(memcmp((char *)mem + mem[0] - sizeof *mem, mem, sizeof *mem) == 0);
	free(mem);
}

static void turn_over(uint64_t *state, int steps)
{
	while (steps-- > 0) {
		uint64_t r = test_random(state);

		sized_free(slot_swap((unsigned)(r >> 40),
				     sized_new(1 + r % (r >> 32 & 63 ? 2000 : 300000))));
	}
}

static void free_all_slots(void)
{
	for (unsigned i = 0; i < SLOTS; i++)
		sized_free(slot_swap(i, NULL));
}

static void *allocate(void *unused)
{
	allocate_every_size();
	return unused;
}

static void use_a_thread(void)
{
	pthread_t thread;

	MUST(pthread_create(&thread, NULL, allocate, NULL) == 0);
	MUST(pthread_join(thread, NULL) == 0);
}

/* What a child does that may do all. */
static _Noreturn void child_lives(uint64_t seed)
{
	alarm(CHILD_SECONDS);
	turn_over(&seed, 200);
	free_all_slots();
	use_a_thread();
	turn_over(&seed, 200);
	allocate_every_size();
	if (seed % 2)
		exit(0);
	_exit(0);
}

static volatile bool stop;

static void *turn_over_until_stopped(void *arg)
{
	uint64_t state = (uintptr_t)arg + 1;

	while (!stop)
		turn_over(&state, 100);
	return NULL;
}

/* Threads that keep the allocator busy in the parent, until busy_end(). */
static pthread_t busy[8];

static void busy_start(void)
{
	stop = false;
	for (uintptr_t t = 0; t < 8; t++)
		MUST(pthread_create(&busy[t], NULL, turn_over_until_stopped, (void *)t) == 0);
}

static void busy_end(void)
{
	stop = true;
	for (int t = 0; t < 8; t++)
		pthread_join(busy[t], NULL);
	free_all_slots();
}

static void *storm(void *arg)
{
	uint64_t state = (uintptr_t)arg + 1;
	time_t end = time(NULL) + STORM_SECONDS;

	while (time(NULL) < end) {
		pid_t child;

		turn_over(&state, 100);
		child = fork();
		if (child == 0)
			child_lives(state);
		MUST(child_wait(child) == 0);
	}
	return NULL;
}

TEST(storm_from_allocating_threads)
{
	pthread_t threads[STORM_THREADS];

	for (uintptr_t t = 0; t < STORM_THREADS; t++)
		MUST(pthread_create(&threads[t], NULL, storm, (void *)t) == 0);
	for (int t = 0; t < STORM_THREADS; t++)
		pthread_join(threads[t], NULL);
	free_all_slots();
}

/* Each generation works, has threads, forks the next and waits for it. */
static _Noreturn void descend(int generations)
{
	uint64_t state = (uint64_t)generations + 1;
	pid_t child = 0;

	while (child == 0 && generations-- > 0) {
		alarm(CHILD_SECONDS);
		turn_over(&state, 500);
		use_a_thread();
		busy_start();
		child = fork();
	}
	if (child != 0) {
		MUST(child_wait(child) == 0);
		busy_end();
	}
	_exit(0);
}

TEST(children_of_children)
{
	for (int i = 0; i < 8; i++) {
		pid_t child = fork();

		if (child == 0)
			descend(5);
		EXPECT_EQ(child_wait(child), 0);
	}
}

static pid_t fork_by_the_kernel(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

/* No handler runs, so the locks of the allocator are as they were.  glibc does hang here. */
static void children_allocate(pid_t (*fork_somehow)(void), int children)
{
	uint64_t state = test_seed();

	busy_start();
	for (int i = 0; i < children; i++) {
		struct block held = block_new(1 + test_random(&state) % 5000);
		pid_t child = fork_somehow();

		if (child == 0) {
			alarm(CHILD_SECONDS);
			block_free(held);
			for (int n = 0; n < 5; n++)
				allocate_every_size();
			_exit(0);
		}
		block_free(held);
		if (!EXPECT_EQ(child_wait(child), 0))
			break;
	}
	busy_end();
}

TEST(children_without_fork_handlers)
{
	children_allocate(_Fork, 100);
}

TEST(children_of_a_raw_clone)
{
	children_allocate(fork_by_the_kernel, 100);
}

TEST(children_of_vfork_and_exec)
{
	uint64_t state = test_seed();

	busy_start();
	for (int i = 0; i < 200; i++) {
		struct block held = block_new(1 + test_random(&state) % 5000);
		pid_t child = vfork();

		if (child == 0) {
			execl("/bin/true", "true", (char *)NULL);
			_exit(127);
		}
		EXPECT_EQ(child_wait(child), 0);
		block_free(held);
		allocate_every_size();
	}
	busy_end();
}

static void *spawn(void *unused)
{
	char *argv[] = {"true", NULL};

	for (int i = 0; i < 50; i++) {
		pid_t child = -1;

		allocate_every_size();
		EXPECT_EQ(posix_spawn(&child, "/bin/true", NULL, NULL, argv, environ), 0);
		EXPECT_EQ(child_wait(child), 0);
	}
	return unused;
}

TEST(children_of_posix_spawn)
{
	pthread_t threads[4];

	busy_start();
	for (int t = 0; t < 4; t++)
		MUST(pthread_create(&threads[t], NULL, spawn, NULL) == 0);
	for (int t = 0; t < 4; t++)
		pthread_join(threads[t], NULL);
	busy_end();
}
