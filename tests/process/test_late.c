/*
 * Memory used after main: in atexit handlers, in destructors of the program and then of a library
 * that was started before the allocator, with threads that do not stop.
 */
#include "test.h"

#include "process.h"

#include <pthread.h>

enum { BUSY = 3 };

extern int late_pipe;
extern struct block late_block_of_program;

static struct block from_main;

static void report(char step)
{
	MUST(write(late_pipe, &step, 1) == 1);
}

static void at_exit(void)
{
	from_main = block_grow(from_main);
	allocate_every_size();
	report('A');
}

__attribute__((destructor(101))) static void destroy(void)
{
	if (late_pipe < 0)
		return;
	block_free(from_main);
	allocate_every_size();
	report('D');
}

static _Noreturn void *allocate_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		allocate_every_size();
}

/* A child leaves by exit; the letters of its last steps come through a pipe. */
static void expect_steps(int threads)
{
	char steps[16] = "";
	pthread_t thread;
	int ends[2];
	pid_t child;

	REQUIRE(pipe(ends) == 0);
	child = fork();
	if (child == 0) {
		alarm(CHILD_SECONDS);
		late_pipe = ends[1];
		late_block_of_program = block_new(777);
		from_main = block_new(40000);
		atexit(at_exit);
		for (int t = 0; t < threads; t++)
			MUST(pthread_create(&thread, NULL, allocate_for_ever, NULL) == 0);
		exit(0);
	}
	EXPECT_EQ(child_wait(child), 0);
	close(ends[1]);
	EXPECT_EQ(read(ends[0], steps, sizeof steps - 1), 3);
	EXPECT_STR(steps, "ADL");
	close(ends[0]);
}

TEST(handlers_and_destructors)
{
	expect_steps(0);
}

TEST(handlers_and_destructors_among_threads)
{
	for (int i = 0; i < 20; i++)
		expect_steps(BUSY);
}
