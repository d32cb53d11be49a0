/*
 * The built library, and the system refuses: each of its calls in turn, once or from then on, with
 * each error that the kernel may give.  A program under ptrace is told so in the kernel's place.
 * malloc may fail then; what it gave keeps its bytes, and the heap stays sound and serves again.
 */
#include "test.h"

#include "process.h"

#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#if defined(__x86_64__)

/* The preloaded library's. */
bool loam_check(void) __attribute__((weak));

enum { OBJECTS = 24, MOST_CALLS = 2000 };

static const size_t sizes[] = {24, 200, 3000, 20000, 100000, 300000, 3 << 20, 9 << 20};

static char *mem[OBJECTS];
static size_t size_of[OBJECTS];

/* Fifty bytes of each are looked at. */
static size_t stride(size_t size)
{
	return 1 + size / 50;
}

static void keep(int i, char *new, size_t size)
{
	mem[i] = new;
	size_of[i] = size;
	for (size_t k = 0; new &&k < size; k += stride(size))
		new[k] = (char)(i + 1);
}

static void check_bytes(const char *bytes, size_t size, int i)
{
	for (size_t k = 0; bytes && k < size; k += stride(size))
		MUST(bytes[k] == (char)(i + 1));
}

static void check(int i)
{
	check_bytes(mem[i], size_of[i], i);
}

static void *allocate_in_thread(void *unused)
{
	for (int i = 0; i < 200; i++)
		free(malloc(100));
	return unused;
}

/* All that leads to calls of the system: growth, reuse, remapping, trimming, another thread's
 * arena. */
static void use_the_heap(void)
{
	pthread_t thread;

	for (int i = 0; i < OBJECTS; i++)
		keep(i, malloc(sizes[i % 8]), sizes[i % 8]);
	for (int i = 0; i < OBJECTS; i += 2) {
		size_t size = size_of[i] * 3 / 2;
		char *moved;

		check(i);
		moved = mem[i] ? realloc(mem[i], size) : NULL;
		check_bytes(moved, size_of[i], i);
		if (moved)
			keep(i, moved, size);
		check(i);
	}
	for (int i = 0; i < OBJECTS; i += 3) {
		check(i);
		free(mem[i]);
		mem[i] = NULL;
	}
	if (pthread_create(&thread, NULL, allocate_in_thread, NULL) == 0)
		pthread_join(thread, NULL);
	malloc_trim(0);
	for (int i = 0; i < OBJECTS; i++) {
		check(i);
		free(mem[i]);
	}
	malloc_trim(0);
}

static void child(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	use_the_heap();
	raise(SIGSTOP); /* from here on nothing is refused */
	use_the_heap();
	MUST(loam_check());
	for (int i = 0; i < OBJECTS; i++)
		MUST(malloc(sizes[i % 8]));
	_exit(0);
}

static bool is_loams(long call)
{
	return call == SYS_mmap || call == SYS_munmap || call == SYS_mremap ||
	       call == SYS_madvise || call == SYS_brk;
}

/* The call that the child is about to make is not made.  The kernel's refusal of brk is no error,
   but the break as it was, which brk(0) says. */
static void refuse(pid_t pid, const struct user_regs_struct *asked, long error)
{
	struct user_regs_struct r = *asked;
	bool is_brk = r.orig_rax == SYS_brk;
	int status;

	if (is_brk)
		r.rdi = 0;
	else
		r.orig_rax = (unsigned long long)-1;
	ptrace(PTRACE_SETREGS, pid, NULL, &r);
	ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	waitpid(pid, &status, 0);
	ptrace(PTRACE_GETREGS, pid, NULL, &r);
	r.rdi = asked->rdi;
	if (!is_brk)
		r.rax = (unsigned long long)-error;
	ptrace(PTRACE_SETREGS, pid, NULL, &r);
}

/* Whether the child came through while its nth call was refused, or all from that on; *ret_calls:
   how many it made. */
static bool run(size_t n, bool once, long error, size_t *ret_calls)
{
	struct user_regs_struct r;
	bool entry = true;
	size_t calls = 0;
	int status, stops = 0;
	pid_t pid = fork();

	if (pid == 0)
		child();
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == SIGSTOP) {
			ptrace(PTRACE_SETOPTIONS, pid, NULL,
			       PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
			if (++stops == 2)
				break;
			entry = true;
		} else if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			ptrace(PTRACE_GETREGS, pid, NULL, &r);
			if (entry && is_loams((long)r.orig_rax) && ++calls >= n &&
			    (!once || calls == n)) {
				refuse(pid, &r, error);
				entry = !entry;
			}
			entry = !entry;
		} else {
			ptrace(PTRACE_CONT, pid, NULL, WSTOPSIG(status)); /* its end */
			continue;
		}
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	}
	*ret_calls = calls;
	if (stops < 2)
		return false;
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void refuse_each(bool once)
{
	static const long errors[] = {ENOMEM, EAGAIN, EINTR};
	size_t calls, n = 1;

	if (!test_may_trace())
		test_skip("no process may be traced here");
	do {
		for (int e = 0; e < 3; e++)
			if (!EXPECT(run(n, once, errors[e], &calls)))
				printf("    call %zu, error %ld\n", n, errors[e]);
		n++;
	} while (calls >= n && n < MOST_CALLS);
	EXPECT(n > 20);
	printf("    %zu calls\n", n);
}

TEST(each_call_is_refused_once)
{
	refuse_each(true);
}

TEST(all_calls_are_refused_from_each_on)
{
	refuse_each(false);
}

#else

TEST(each_call_is_refused_once)
{
	test_skip("the registers of this processor are not known here");
}

#endif
