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

static __attribute__((noinline)) void write_on_stack(void)
{
	volatile char stack[4 * KIB];

	for (size_t i = 0; i < sizeof stack; i++)
		stack[i] = 1;
}

TEST(of_a_set_of_signals_nothing_is_left_that_was_on_the_stack)
{
	static const sigset_t none;
	struct sigaction before;

	write_on_stack();
	REQUIRE(os_sigaction(SIGUSR2, NULL, &before));
	EXPECT(memcmp(&before.sa_mask, &none, sizeof none) == 0);
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
