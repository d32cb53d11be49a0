/* What os/process.h promises, of the real system and of the simulated one. */
#include "os/process.h"

#include "os/os.h"
#include "test.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(a_stack_is_not_read_before_the_start)
{
	void *frames[8];

	EXPECT_EQ(os_backtrace(frames, 8), 0);
	os_backtrace_start();
	EXPECT(os_backtrace(frames, 8) >= 2);
	EXPECT_EQ(os_backtrace(frames, 1), 1);
}

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
