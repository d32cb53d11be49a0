/*
 * Ways in which SIGSEGV and SIGBUS come: sent, by faults, to handlers of the program's own that were set
 * before or after loam's. argv[1] names one; tests/process/faults.py compares with libc alone.
 */
#include "process.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

static sigjmp_buf env;
static volatile int hits;
static struct sigaction old;

static void touch(uintptr_t address)
{
	volatile int *volatile place = (volatile int *)address; /* which the compiler does not look at */

	*place = 1;
}

static void jump(int signal)
{
	(void)signal;
	hits++;
	siglongjmp(env, 1);
}

/* Calls the handler that it replaced, as the manual has it. */
static void chain(int signal, siginfo_t *info, void *context)
{
	hits++;
	if (old.sa_flags & SA_SIGINFO)
		old.sa_sigaction(signal, info, context);
	siglongjmp(env, 1);
}

/* Allocates enough that some objects are sampled. */
static void sample(void)
{
	for (int i = 0; i < 1000; i++)
		free(malloc((size_t)i));
}

static void raise_segv(void)
{
	raise(SIGSEGV);
}

static void raise_bus(void)
{
	raise(SIGBUS);
}

static void kill_self(void)
{
	kill(getpid(), SIGSEGV);
}

static void queue(void)
{
	sigqueue(getpid(), SIGSEGV, (union sigval){0});
}

static void killed_by_another(void)
{
	pid_t parent = getpid(), child = fork();

	if (child == 0) {
		kill(parent, SIGSEGV);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	sleep(1);
}

static void fault_five_times(void)
{
	for (volatile int i = 0; i < 5; i++)
		if (!sigsetjmp(env, 1))
			touch(8);
	printf("%d of 5\n", hits);
}

static void own_handler(void)
{
	struct sigaction action = {.sa_handler = jump, .sa_flags = SA_NODEFER};

	sigaction(SIGSEGV, &action, NULL);
	fault_five_times();
}

static void own_handler_before(void)
{
	struct sigaction action = {.sa_handler = jump, .sa_flags = SA_NODEFER};

	sigaction(SIGSEGV, &action, NULL);
	sample();
	fault_five_times();
}

static void chaining_handler(void)
{
	struct sigaction action = {.sa_sigaction = chain, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSEGV, &action, &old);
	fault_five_times();
}

static void ignored(void)
{
	signal(SIGSEGV, SIG_IGN);
	raise(SIGSEGV);
	puts("ignored");
}

static void ignored_before(void)
{
	signal(SIGBUS, SIG_IGN);
	sample();
	raise(SIGBUS);
	puts("ignored");
}

static void ignored_by_a_fault(void)
{
	signal(SIGSEGV, SIG_IGN);
	sample();
	touch(8);
}

static void fault(void)
{
	touch(8);
}

static void fault_of_no_address(void)
{
	touch(0x4141414141414141);
}

static void trap(void)
{
	__builtin_trap();
}

static void put_back(void)
{
	void (*handler)(int) = signal(SIGSEGV, SIG_DFL);

	signal(SIGSEGV, handler);
	raise(SIGSEGV);
}

static void put_back_and_fault(void)
{
	void (*handler)(int) = signal(SIGSEGV, SIG_DFL);

	signal(SIGSEGV, handler);
	touch(8);
}

static void looked_for(void)
{
	struct sigaction action;

	sigaction(SIGSEGV, NULL, &action);
	puts(action.sa_handler == SIG_DFL ? "default" : "a handler");
}

static const struct {
	const char *name;
	void (*run)(void);
	bool samples; /* first */
} ways[] = {
	{"raise_segv", raise_segv, true},
	{"raise_bus", raise_bus, true},
	{"kill_self", kill_self, true},
	{"queue", queue, true},
	{"killed_by_another", killed_by_another, true},
	{"own_handler", own_handler, true},
	{"own_handler_before", own_handler_before, false},
	{"chaining_handler", chaining_handler, true},
	{"ignored", ignored, true},
	{"ignored_before", ignored_before, false},
	{"ignored_by_a_fault", ignored_by_a_fault, false},
	{"fault", fault, true},
	{"fault_of_no_address", fault_of_no_address, true},
	{"trap", trap, true},
	{"put_back", put_back, true},
	{"put_back_and_fault", put_back_and_fault, true},
	{"looked_for", looked_for, false},
};

/* Without an argument: prints the names. */
int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		if (argc < 2) {
			puts(ways[i].name);
		} else if (strcmp(argv[1], ways[i].name) == 0) {
			if (ways[i].samples)
				sample();
			ways[i].run();
			puts("survived");
		}
	}
	return 0;
}
