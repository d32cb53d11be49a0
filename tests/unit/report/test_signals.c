/* Faults ask, and then do what they did before. */
#include "report/signals.h"

#include "os/line.h"
#include "os_sim.h"
#include "test.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static bool explain(const void *address)
{
	line_say("asked about %p", address);
	return true;
}

static void fault(void *mem)
{
	signal(SIGSEGV, SIG_DFL);
	signals_catch(explain);
	*(volatile char *)mem = 1;
}

static int asked, own; /* how often */
static int error;      /* that the handler found */
static sigjmp_buf back;

static bool count(const void *address)
{
	(void)address;
	asked++;
	errno = EDOM;
	return true;
}

static void before(int signal)
{
	(void)signal;
	line_say("the program's own");
	abort();
}

static void count_and_jump(int signal)
{
	(void)signal;
	error = errno;
	own++;
	siglongjmp(back, 1);
}

static void fault_with_a_handler_before(void *mem)
{
	signal(SIGSEGV, before);
	signals_catch(explain);
	*(volatile char *)mem = 1;
}

TEST(the_handler_before_comes_after)
{
	void *mem = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT_ABORT(fault_with_a_handler_before, mem, "asked about 0x");
	EXPECT_ABORT(fault_with_a_handler_before, mem, "the program's own");
}

TEST(the_handler_before_comes_after_every_fault_and_what_is_sent_asks_nothing)
{
	/* Readable, so that memcheck has no word of its own to say. */
	volatile char *mem = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	signal(SIGSEGV, count_and_jump);
	signals_catch(count);
	errno = ENOENT;
	for (volatile int i = 0; i < 3; i++)
		if (!sigsetjmp(back, 1))
			*mem = 1;
	EXPECT_EQ(error, ENOENT); /* as where there is no handler between */
	EXPECT_EQ(asked, 3);
	EXPECT_EQ(own, 3);
	if (!sigsetjmp(back, 1))
		raise(SIGSEGV);
	EXPECT_EQ(asked, 3);
	EXPECT_EQ(own, 4);
	signal(SIGSEGV, SIG_DFL);
}

/* Reads a file that was cut off since it was mapped. */
static void read_behind_a_file(void *unused)
{
	FILE *file = tmpfile();
	volatile char *mem = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(file), 0);

	(void)unused;
	signal(SIGBUS, before);
	signals_catch(explain);
	(void)*mem;
}

TEST(so_it_is_where_a_file_ends)
{
	EXPECT_ABORT(read_behind_a_file, NULL, "asked about 0x");
	EXPECT_ABORT(read_behind_a_file, NULL, "the program's own");
}

static struct sigaction in_place(void)
{
	struct sigaction action;

	sigaction(SIGSEGV, NULL, &action);
	return action;
}

TEST(flags_and_mask_stay_those_of_the_program)
{
	struct sigaction action = {.sa_handler = before, .sa_flags = SA_NODEFER | SA_RESTART};

	sigaddset(&action.sa_mask, SIGUSR1);
	sigaction(SIGSEGV, &action, NULL);
	signals_catch(explain);
	EXPECT(in_place().sa_handler != before);
	action = in_place();
	EXPECT_EQ(action.sa_flags & (SA_NODEFER | SA_RESTART | SA_SIGINFO | SA_ONSTACK),
		  SA_NODEFER | SA_RESTART | SA_SIGINFO);
	EXPECT(sigismember(&action.sa_mask, SIGUSR1));
	EXPECT(!sigismember(&action.sa_mask, SIGUSR2));
	signal(SIGSEGV, SIG_DFL);
}

TEST(what_is_ignored_stays_ignored)
{
	signal(SIGSEGV, SIG_IGN);
	signals_catch(explain);
	EXPECT(in_place().sa_handler == SIG_IGN);
	signal(SIGSEGV, SIG_DFL);
}

static void send(void *unused)
{
	(void)unused;
	signal(SIGSEGV, SIG_DFL);
	signals_catch(explain);
	raise(SIGSEGV);
}

/* The signal that ends a child that does this; 0: none. */
static int ended_by(void (*body)(void *), void *arg)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		body(arg);
		_exit(0);
	}
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST(without_one_the_process_ends_by_the_signal)
{
	void *mem = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT_EQ(ended_by(fault, mem), SIGSEGV);
	EXPECT_EQ(ended_by(send, NULL), SIGSEGV);
}

static bool end_if_asked(const void *address)
{
	(void)address;
	_exit(3);
}

static void fault_without_a_handler(void *mem)
{
	signal(SIGSEGV, before);
	os_sim_refuse(OS_SIM_HANDLERS, EINVAL);
	signals_catch(end_if_asked);
	*(volatile char *)mem = 1;
}

TEST(where_no_handler_can_be_set_faults_go_where_they_went)
{
	void *mem = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT_ABORT(fault_without_a_handler, mem, "the program's own");
	munmap(mem, 4096);
}
