/*
 * All memory locked, as daemons have it: what the allocator reserves beyond what is used
 * would be resident at once, or refused.
 */
#include "test.h"

#include "process.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { THREADS = 8, BLOCKS = 3000, NOBODY = 65534, NO_SUCH_LIMIT = 77 };

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
static _Noreturn void lock_and_work(size_t allowed_mib)
{
	pthread_t threads[THREADS];
	pthread_attr_t small_stack;
	size_t peak;

	alarm(CHILD_SECONDS);
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

TEST(of_a_user_with_a_limit)
{
	struct rlimit limit = {64 << 20, 64 << 20};
	pid_t child = fork();
	int status;

	if (child == 0) {
		if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0)
			_exit(NO_SUCH_LIMIT);
		if (getuid() == 0)
			MUST(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
		lock_and_work(64);
	}
	status = child_wait(child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SUCH_LIMIT)
		test_skip("the limit of locked memory is under 64 MiB and cannot be raised");
	EXPECT_EQ(status, 0);
}

TEST(of_root)
{
	pid_t child;

	if (getuid() != 0)
		test_skip("needs root");
	child = fork();
	if (child == 0)
		lock_and_work(64);
	EXPECT_EQ(child_wait(child), 0);
}
