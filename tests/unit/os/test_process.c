/* What os/process.h promises, of the real system and of the simulated one. */
#include "os/process.h"

#include "os/os.h"
#include "test.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

TEST(a_stack_is_not_read_before_the_start)
{
	void *frames[8];

	EXPECT_EQ(os_backtrace(frames, 8), 0);
	os_backtrace_start();
	EXPECT(os_backtrace(frames, 8) >= 2);
	EXPECT_EQ(os_backtrace(frames, 1), 1);
}

#if defined(__x86_64__)

/* Code without call frame information. */
void call_from_nowhere(void (*callee)(void));
__asm__(".text\n"
	"call_from_nowhere:\n"
	"subq $8, %rsp\n"
	"call *%rdi\n"
	"addq $8, %rsp\n"
	"ret\n"
	".byte 0x90, 0x90\n");

void __register_frame(void *records);
void __deregister_frame(void *records);

/* Of that code: the CFA is the stack pointer plus 16. */
static struct {
	uint32_t length, id;
	uint8_t rest[12];
	uint32_t fde_length, back;
	uint64_t code, nbytes;
	uint8_t rules[4];
	uint32_t end;
} __attribute__((packed, aligned(8))) records = {
	.length = 16,
	.rest = {1, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1},
	.fde_length = 24,
	.back = 24,
	.nbytes = 16,
	.rules = {0x0e, 16},
};

static int depth;

static NOINLINE void count_frames(void)
{
	void *frames[64];

	depth = os_backtrace(frames, 64);
}

/* As compilers at run time do it. */
TEST(code_that_was_registered_with_the_unwinder_of_libc_is_passed)
{
	int below;

	os_backtrace_start();
	count_frames();
	below = depth;
	records.code = (uint64_t)(uintptr_t)call_from_nowhere;
	__register_frame(&records);
	call_from_nowhere(count_frames);
	__deregister_frame(&records);
	EXPECT_EQ(depth, below + 1);
}

#endif

static void *is_initial(void *ret_child)
{
	pid_t child = fork();

	if (child == 0)
		_exit(os_is_initial_thread() ? 0 : 1);
	waitpid(child, ret_child, 0);
	return os_is_initial_thread() ? ret_child : NULL;
}

TEST(the_initial_thread_is_told_from_others)
{
	pthread_t thread;
	int child = -1;
	void *result;

	EXPECT_EQ(os_process(), getpid());
	EXPECT(os_is_initial_thread());
	REQUIRE(pthread_create(&thread, NULL, is_initial, &child) == 0);
	pthread_join(thread, &result);
	EXPECT(!result);
	EXPECT_EQ(child, 0); /* the child of a thread begins with that */
}

static struct {
	char name[16];
	bool blocked, initial;
	bool done; /* atomic */
} seen;

static void look_around(void)
{
	sigset_t set;

	pthread_sigmask(SIG_SETMASK, NULL, &set);
	seen.blocked = sigismember(&set, SIGUSR1) == 1 && sigismember(&set, SIGTERM) == 1;
	seen.initial = os_is_initial_thread();
	do
		pthread_getname_np(pthread_self(), seen.name, sizeof seen.name);
	while (strcmp(seen.name, "some name") != 0);
	__atomic_store_n(&seen.done, true, __ATOMIC_RELEASE);
}

TEST(a_thread_has_its_name_and_takes_no_signal)
{
	sigset_t set;

	REQUIRE(os_thread("some name", look_around));
	while (!__atomic_load_n(&seen.done, __ATOMIC_ACQUIRE))
		os_sleep(1000000);
	EXPECT(seen.blocked && !seen.initial);
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	EXPECT(!sigismember(&set, SIGUSR1));
}

TEST(a_sleep_takes_its_time)
{
	struct timespec before, after;
	int64_t milliseconds;

	clock_gettime(CLOCK_MONOTONIC, &before);
	os_sleep(1020 * 1000 * 1000);
	clock_gettime(CLOCK_MONOTONIC, &after);
	milliseconds =
		(after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
	EXPECT(milliseconds >= 1020);
}

static volatile int came;
static volatile int code;

static void note(int signal, siginfo_t *info, void *context)
{
	(void)context;
	came = signal;
	code = info->si_code;
}

TEST(a_signal_is_sent_again_as_it_came)
{
	struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO}, before;
	siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};

	if (test_on_valgrind())
		test_skip("valgrind says of its own signals how they came");
	REQUIRE(os_sigaction(SIGUSR1, &action, &before));
	EXPECT(before.sa_handler == SIG_DFL);
	os_send_signal(SIGUSR1, &info);
	EXPECT_EQ(came, SIGUSR1);
	EXPECT_EQ(code, SI_QUEUE);
	os_send_signal(SIGUSR1, NULL);
	EXPECT_EQ(code, SI_TKILL);
	REQUIRE(os_sigaction(SIGUSR1, &before, &action));
	EXPECT(action.sa_sigaction == note);
	EXPECT(!os_sigaction(SIGKILL, &before, NULL));
}

static void write_to(void *mem)
{
	int status = 0;

	signal(SIGSEGV, SIG_DFL);
	if (fork() == 0) {
		*(volatile char *)mem = 1;
		_exit(0);
	}
	wait(&status);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
		os_write(2, "refused", 7);
	os_abort();
}

TEST(what_is_protected_can_be_read_alone)
{
	char *mem = os_map(os_page_size(), OS_METADATA);

	*mem = 7;
	EXPECT(os_protect(mem, os_page_size()));
	EXPECT_EQ(*mem, 7);
	EXPECT_ABORT(write_to, mem, "refused");
	os_unmap(mem, os_page_size());
	EXPECT(!os_protect(mem, os_page_size())); /* not there any more */
}

TEST(what_was_in_ram_is_known)
{
	EXPECT(os_most_resident() >= 100 * KIB);
}
