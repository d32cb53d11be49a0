/*
 * All memory locked, as daemons have it: what the allocator reserves beyond what is used
 * would be resident at once, or refused.
 */
#include "test.h"

#include "process.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { THREADS = 8, BLOCKS = 3000, NOBODY = 65534, NO_SUCH_LIMIT = 77 };

enum { SHELL_MORE = 2 << 20 }; /* what bash has of addresses beyond this program */

static void *work(void *unused)
{
	static __thread struct block held[BLOCKS];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < BLOCKS; i++)
			held[i] = block_new((size_t)(i * 7919 % 500) + 1);
		for (int i = 0; i < BLOCKS; i++)
			block_free(held[i]);
	}
	return unused;
}

/* Some 8 MiB of blocks, in main and in threads; what is resident stays within allowed. */
static void lock_and_work(size_t allowed_mib)
{
	pthread_t threads[THREADS];
	pthread_attr_t small_stack;
	size_t peak;

	MUST(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
	work(NULL);
	pthread_attr_init(&small_stack);
	pthread_attr_setstacksize(&small_stack, 4 * STACK_BYTES);
	for (int t = 0; t < THREADS; t++)
		MUST(pthread_create(&threads[t], &small_stack, work, NULL) == 0);
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	allocate_every_size();
	peak = proc_number("/proc/self/status", "\nVmHWM:") >> 10;
	if (peak > allowed_mib)
		dprintf(2, "    %zu MiB resident\n", peak);
	MUST(peak <= allowed_mib);
	_exit(0);
}

/* Runs work(limit) in a child of a user who may lock as much. */
static void expect_well_under(size_t limit_mib, void (*work)(size_t limit_mib))
{
	struct rlimit limit = {limit_mib << 20, limit_mib << 20};
	pid_t child = fork();
	int status;

	if (child == 0) {
		alarm(CHILD_SECONDS);
		if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0)
			_exit(NO_SUCH_LIMIT);
		if (getuid() == 0)
			MUST(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
		work(limit_mib);
	}
	status = child_wait(child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SUCH_LIMIT)
		test_skip("the limit of locked memory is lower and cannot be raised");
	EXPECT_EQ(status, 0);
}

TEST(of_a_user_with_a_limit)
{
	expect_well_under(64, lock_and_work);
}

/*
 * The usual limit is 8 MiB, and mlockall() counts all that is mapped, touched or not: a program
 * that has 4.5 MiB of addresses on libc's allocator, as a shell has, has room for what it does
 * next, too.
 */
static void lock_and_work_little(size_t limit_mib)
{
	(void)limit_mib;
	MUST(mmap(NULL, SHELL_MORE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	MUST(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
	MUST(mallopt(M_TOP_PAD, 128 << 10) == 1);
	for (size_t n = 16; n < 100000; n += n / 8) {
		struct block block = block_new(n), larger = block_new(2 * n);

		block_free(block_grow(block));
		block_free(larger);
	}
	_exit(0);
}

TEST(of_a_user_with_the_usual_limit)
{
	expect_well_under(8, lock_and_work_little);
}

/* Root of a container may lack CAP_IPC_LOCK, and has a limit then. */
static bool may_lock_without_limit(void)
{
	struct rlimit none = {0, 0};
	pid_t child = fork();

	if (child == 0)
		_exit(setrlimit(RLIMIT_MEMLOCK, &none) != 0 || mlockall(MCL_CURRENT) != 0);
	return child_wait(child) == 0;
}

TEST(of_root)
{
	pid_t child;

	if (getuid() != 0 || !may_lock_without_limit())
		test_skip("needs root that may lock memory without a limit");
	child = fork();
	if (child == 0) {
		alarm(CHILD_SECONDS);
		lock_and_work(64);
	}
	EXPECT_EQ(child_wait(child), 0);
}
