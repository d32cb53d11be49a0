/*
 * The child of a fork frees what it inherited without copying it: that takes few page faults, and
 * what it frees can be used again; a second free is reported as ever.
 */
#include "test.h"

#include "process.h"

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
		_exit(0);
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
