/*
 * Threads whose robust mutexes the kernel does not mark when they end: it was given another list
 * (as a language runtime with mutexes of its own may do), or they hold more than it reads.  Where
 * the system call is refused (emulators, filters) it is the same.  What they leave must be found
 * all the same, or each costs memory for ever.
 */
#include "test.h"

#include "process.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

enum { THREADS = 300, BLOCKS = 2000, RSS_ALLOWED_KIB = 16 << 10, MUTEXES = 2100 };

/* Many of a few sizes, so that the thread keeps some. */
static void use_memory(void)
{
	static const size_t sizes[] = {16, 48, 100, 200, 400, 800, 1500, 3000, 8000, 20000};
	struct block *blocks = malloc(BLOCKS * sizeof *blocks);

	MUST(blocks);
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = block_new(sizes[i % 10]);
	for (int i = 0; i < BLOCKS; i++)
		block_free(blocks[i]);
	free(blocks);
}

static void *end_with_another_list(void *unused)
{
	static struct robust_list_head none = {.list = {&none.list}};

	use_memory();
	syscall(SYS_set_robust_list, &none, sizeof none);
	return unused;
}

static void *end_with_many_mutexes(void *unused)
{
	static pthread_mutex_t mutexes[MUTEXES];
	pthread_mutexattr_t robust;

	use_memory();
	pthread_mutexattr_init(&robust);
	pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
	for (int i = 0; i < MUTEXES; i++) {
		pthread_mutex_init(&mutexes[i], &robust);
		MUST(pthread_mutex_lock(&mutexes[i]) == 0);
	}
	return unused;
}

static void expect_no_growth(void *(*body)(void *))
{
	size_t before = 0;

	for (int i = 0; i < THREADS; i++) {
		pthread_t thread;

		REQUIRE(pthread_create(&thread, NULL, body, NULL) == 0);
		pthread_join(thread, NULL);
		if (i == THREADS / 10)
			before = resident_kib();
	}
	EXPECT(resident_kib() < before + RSS_ALLOWED_KIB);
}

TEST(threads_with_another_list_leave_nothing)
{
	expect_no_growth(end_with_another_list);
}

TEST(threads_with_more_mutexes_than_the_kernel_reads_leave_nothing)
{
	expect_no_growth(end_with_many_mutexes);
}
