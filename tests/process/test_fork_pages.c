/*
 * The child of a fork frees what it inherited without copying it: that takes few page faults, and
 * what it frees can be used again; a second free is reported as ever. So does the parent that
 * replaces objects while the child lives.
 */
#include "test.h"

#include "process.h"

#include <signal.h>
#include <sys/resource.h>

enum { COUNT = 300000, LEAST = 16, MOST = 200, PAGE = 4096 };

static unsigned char *blocks[COUNT];

static size_t size_of(size_t i)
{
	return LEAST + i * 31 % (MOST - LEAST + 1);
}

static struct block block_at(size_t i)
{
	return (struct block){blocks[i], size_of(i)};
}

static void fill(void)
{
	for (size_t i = 0; i < COUNT; i++) {
		blocks[i] = malloc(size_of(i));
		MUST(blocks[i]);
		block_fill(block_at(i));
	}
}

static void free_all(void)
{
	for (size_t i = 0; i < COUNT; i++) {
		MUST(block_holds(blocks[i], size_of(i), (unsigned char)size_of(i)));
		free(blocks[i]);
	}
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* Ends a child with 0, or with the line of the check that failed. */
static void in_child(void (*body)(void))
{
	pid_t pid = fork();
	int status;

	MUST(pid >= 0);
	if (pid == 0) {
		body();
		_exit(test_failures() != 0);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	EXPECT_EQ(status, 0);
}

static void free_with_few_faults(void)
{
	long before = faults();

	free_all();
	MUST(faults() - before < (long)COUNT * (LEAST + MOST) / 2 / PAGE / 8);
	fill();
	free_all();
}

static void in_child_of_a_child(void)
{
	for (size_t i = 0; i < COUNT / 2; i++)
		free(blocks[i]);
	for (size_t i = 0; i < COUNT / 2; i++) {
		blocks[i] = malloc(size_of(i));
		block_fill(block_at(i));
	}
	in_child(free_with_few_faults);
}

static void free_the_last_again(void *arg)
{
	free_all();
	free(blocks[COUNT - 1]);
	(void)arg;
}

/* As a child that will soon call exec. */
static void free_little(void)
{
	for (size_t i = 0; i < 20; i++)
		free(blocks[i]);
	MUST(faults() < 56); /* 28; 86 where all pages are closed in each child */
}

TEST(a_child_that_frees_little_pays_for_little)
{
	fill();
	in_child(free_little);
	free_all();
}

TEST(a_child_frees_all_without_copying_it)
{
	fill();
	in_child(free_with_few_faults);
	in_child(in_child_of_a_child);
	free_all();
}

TEST(a_second_free_in_a_child_is_reported)
{
	fill();
	EXPECT_ABORT(free_the_last_again, NULL, "double free");
	free_all();
}

enum { REPLACED = 5000, BATCH = 100, STEP = 7919 };

static size_t replaced(size_t n)
{
	return n * STEP % COUNT;
}

/* Objects that lie on a page of their own each, nearly, in batches: one at a time would get the
   memory of the one before. */
static void replace(void)
{
	for (size_t n = 0; n < REPLACED; n += BATCH) {
		for (size_t i = n; i < n + BATCH; i++)
			free(blocks[replaced(i)]);
		for (size_t i = n; i < n + BATCH; i++) {
			blocks[replaced(i)] = malloc(size_of(replaced(i)));
			block_fill(block_at(replaced(i)));
		}
	}
}

static pid_t fork_that_rests(void)
{
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid)
		return pid;
	alarm(CHILD_SECONDS);
	for (;;)
		pause();
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	MUST(waitpid(pid, NULL, 0) == pid);
}

/* Where no mutex is marked (emulators), children are seen for longer, which is right here, too. */
TEST(a_parent_replaces_objects_and_copies_few_pages)
{
	pid_t pid;
	long before;

	fill();
	pid = fork_that_rests();
	before = faults();
	replace();
	EXPECT(faults() - before < REPLACED / 3); /* 893; 3,585 where each copies a page */
	end(pid);
	replace();
	free_all();
}

static void free_one_again_while_a_child_lives(void *arg)
{
	pid_t pid = fork_that_rests();

	replace();
	free(blocks[replaced(REPLACED)]);
	kill(pid, SIGKILL);
	free(blocks[replaced(REPLACED)]);
	(void)arg;
}

TEST(a_second_free_in_a_parent_is_reported)
{
	fill();
	EXPECT_ABORT(free_one_again_while_a_child_lives, NULL, "double free");
	free_all();
}
