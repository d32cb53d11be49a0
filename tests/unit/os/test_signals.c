/* Faults ask, and then do what they did before. */
#include "os/signals.h"

#include "base/report.h"
#include "test.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static bool explain(const void *address)
{
	report_line("asked about %p", address);
	return true;
}

static void fault(void *mem)
{
	signal(SIGSEGV, SIG_DFL);
	signals_catch(explain);
	*(volatile char *)mem = 1;
}

static void before(int signal)
{
	(void)signal;
	report_line("the program's own");
	abort();
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

TEST(without_one_the_process_ends_by_the_signal)
{
	void *mem = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();
	int status;

	if (child == 0) {
		fault(mem);
		_exit(0);
	}
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}
