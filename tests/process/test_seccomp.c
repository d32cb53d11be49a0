/*
 * A sandbox that allows the system calls that the allocator promises to be content with after its
 * start (docs/design): mmap munmap mremap madvise brk futex write, and what ends a process or a
 * thread. Any other ends the child as failed, and is named.
 */
#include "test.h"

#include "process.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { CALLS_MAX = 40, THREADS = 4, BLOCKS_MOST = 1000 };

static const int allocators[] = {SYS_mmap, SYS_munmap,	  SYS_mremap, SYS_madvise,
				 SYS_brk,  SYS_futex,	  SYS_write,  SYS_rt_sigreturn,
				 SYS_exit, SYS_exit_group};

/* What pthread_create, pthread_join and the end of a thread need besides; and fork and waitpid. */
static const int threads_need[] = {SYS_clone3, SYS_clone,	   SYS_set_robust_list,
				   SYS_rseq,   SYS_rt_sigprocmask, SYS_mprotect,
				   SYS_wait4};

static struct sock_filter filter[CALLS_MAX + 4];
static unsigned short filter_length;

static void filter_add(unsigned short code, unsigned value, unsigned char if_not)
{
	filter[filter_length++] = (struct sock_filter){code, 0, if_not, value};
}

static void filter_allow(const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		filter_add(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 1);
		filter_add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0);
	}
}

/* With nothing but write and _exit: dprintf makes calls of its own. */
static void on_forbidden(int signal, siginfo_t *info, void *context)
{
	char text[] = "system call 000 is not allowed\n";
	char *digit = strchr(text, '0') + 2;

	(void)signal;
	(void)context;
	for (int n = info->si_syscall; n > 0; n /= 10)
		*digit-- = (char)('0' + n % 10);
	if (write(2, text, sizeof text - 1) < 0)
		_exit(2);
	_exit(1);
}

static void restrict_calls(bool with_threads)
{
	struct sigaction action = {.sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO};
	struct sock_fprog program;

	filter_length = 0;
	filter_add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0);
	filter_allow(allocators, sizeof allocators / sizeof allocators[0]);
	if (with_threads)
		filter_allow(threads_need, sizeof threads_need / sizeof threads_need[0]);
	filter_add(BPF_RET | BPF_K, SECCOMP_RET_TRAP, 0);
	program = (struct sock_fprog){filter_length, filter};
	MUST(sigaction(SIGSYS, &action, NULL) == 0);
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(77);
}

static void work(void)
{
	static __thread struct block held[2000];
	uint64_t state = 88172645463325252u;

	for (int i = 0; i < 60000; i++) {
		uint64_t r = test_random(&state);
		struct block *b = &held[r % 2000];

		if (!b->mem)
			*b = block_new(1 + (r >> 32) % (r >> 20 & 255 ? 3000 : 6000000));
		else if (r >> 28 & 1)
			*b = block_grow(*b);
		else {
			block_free(*b);
			b->mem = NULL;
		}
		if (b->mem && b->nbytes > 20000000) {
			block_free(*b);
			b->mem = NULL;
		}
	}
	for (int i = 0; i < 2000; i++) {
		if (held[i].mem)
			block_free(held[i]);
		held[i].mem = NULL;
	}
	malloc_trim(0);
	for (int i = 0; i < 20; i++)
		allocate_every_size();
	malloc_trim(0);
}

static void *do_nothing(void *unused)
{
	return unused;
}

static void *work_in_thread(void *unused)
{
	work();
	return unused;
}

static _Noreturn void work_restricted(bool with_threads)
{
	pthread_t threads[THREADS];

	alarm(CHILD_SECONDS);
	free(malloc(1)); /* the start of the allocator, and of libc's threads */
	if (with_threads) {
		MUST(pthread_create(&threads[0], NULL, do_nothing, NULL) == 0);
		MUST(pthread_join(threads[0], NULL) == 0);
	}
	restrict_calls(with_threads);
	work();
	for (int t = 0; with_threads && t < THREADS; t++)
		MUST(pthread_create(&threads[t], NULL, work_in_thread, NULL) == 0);
	for (int t = 0; with_threads && t < THREADS; t++)
		MUST(pthread_join(threads[t], NULL) == 0);
	_exit(0);
}

static void expect_success(pid_t child)
{
	int status = child_wait(child);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		test_skip("this kernel or container has no seccomp filters");
	EXPECT_EQ(status, 0);
}

static void expect_content(bool with_threads)
{
	pid_t child = fork();

	if (child == 0)
		work_restricted(with_threads);
	expect_success(child);
}

TEST(one_thread)
{
	expect_content(false);
}

static _Noreturn void fork_restricted(void)
{
	int status;
	pid_t child;

	alarm(CHILD_SECONDS);
	free(malloc(1));
	restrict_calls(true);
	child = fork();
	MUST(child >= 0);
	work();
	if (child == 0)
		_exit(0);
	MUST(waitpid(child, &status, 0) == child && status == 0);
	_exit(0);
}

TEST(the_child_of_a_fork)
{
	pid_t child = fork();

	if (child == 0)
		fork_restricted();
	expect_success(child);
}

/* Several sizes, each so often, twice the same: what is wanted the second time the heap has. */
static void use_and_free(int blocks)
{
	static void *held[BLOCKS_MOST];

	for (int i = 0; i < blocks; i++)
		held[i] = malloc(64 + (size_t)i % 7 * 100);
	for (int i = 0; i < blocks; i++)
		free(held[i]);
}

/* In strict mode read, write and exit are all that a thread may do; else it is killed. */
static _Noreturn void work_strictly(int blocks)
{
	alarm(CHILD_SECONDS);
	use_and_free(blocks);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
		_exit(77);
	for (int round = 0; round < 20; round++)
		use_and_free(blocks);
	syscall(SYS_exit, 0);
	__builtin_unreachable();
}

/* Before a size is used often enough to get slabs, as it is, and afterwards. */
TEST(strict_mode)
{
	static const int blocks[] = {50, 150, 220, 300, BLOCKS_MOST};

	for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
		pid_t child = fork();
		int status;

		if (child == 0)
			work_strictly(blocks[i]);
		status = child_wait(child);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
			test_skip("this kernel or container has no strict mode");
		if (!EXPECT_EQ(status, 0))
			printf("    with %d blocks\n", blocks[i]);
	}
}

/* glibc alone would fail here: it reads /proc/sys/vm/overcommit_memory when a heap shrinks. */
TEST(many_threads)
{
	expect_content(true);
}
