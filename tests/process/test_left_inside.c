/*
 * A signal handler that leaves malloc by longjmp is reported, and the program ends: the call that
 * it interrupted holds what other threads wait for.  Handlers that return may run on any stack, on
 * one above the interrupted call, too.  All blocks are large: the fast path of small ones is not
 * closed to handlers (docs/locking.md).
 */
#include "test.h"

#include "process.h"

#include <setjmp.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <ucontext.h>

enum { STACK = 64 << 10, JUMPS = 20000, TICKS = 2000, LINE = 4096 };

static sigjmp_buf back;
static volatile int ticks;
static ucontext_t interrupted, other;

/* Not rand(), which holds a lock when it is left. */
static size_t some(void)
{
	static volatile uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return state >> 8;
}

static void handle_by(void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	MUST(sigaction(SIGALRM, &action, NULL) == 0);
}

/* Once, so that what is interrupted gets on however slow the machine is. */
static void tick_soon(void)
{
	struct itimerval soon = {.it_value.tv_usec = 1 + (suseconds_t)(some() % 300)};

	MUST(setitimer(ITIMER_REAL, &soon, NULL) == 0);
}

static void allocate(void)
{
	void *chunk = malloc(40000 + some() % 60000), *run = malloc(150000 + some() % 100000);

	free(chunk);
	free(run);
}

static void jump(int signal)
{
	(void)signal;
	if (++ticks == JUMPS)
		_exit(0);
	siglongjmp(back, 1);
}

/* A run that the arena keeps, and gives out again without a slow path. */
static void allocate_kept_run(void)
{
	free(malloc(256 << 10));
}

static void jump_out_of(void (*calls)(void))
{
	calls(); /* loam's start is none of the calls that are meant */
	handle_by(jump, 0);
	sigsetjmp(back, 1);
	for (tick_soon();;)
		calls();
}

static void jump_out_of_malloc(void)
{
	jump_out_of(allocate);
}

static void jump_out_of_the_fast_path_of_runs(void)
{
	jump_out_of(allocate_kept_run);
}

static void be_served(int signal)
{
	void *mem = malloc(40000);

	(void)signal;
	ticks++;
	MUST(mem);
	free(mem);
	tick_soon();
}

/* The handler's stack is in this frame, above those of malloc. */
static void serve_on_a_stack_above(void)
{
	char stack[STACK];
	stack_t above = {.ss_sp = stack, .ss_size = STACK};

	MUST(sigaltstack(&above, NULL) == 0);
	handle_by(be_served, SA_ONSTACK);
	tick_soon();
	while (ticks < TICKS)
		allocate();
}

static void serve_on_another_stack(void)
{
	for (;;) {
		be_served(0);
		swapcontext(&other, &interrupted);
	}
}

static void switch_there(int signal)
{
	(void)signal;
	swapcontext(&interrupted, &other);
}

/* A handler goes on in a coroutine, whose stack lies above, and that comes back. */
static void switch_to_a_coroutine(void)
{
	char stack[STACK];

	MUST(getcontext(&other) == 0);
	other.uc_stack.ss_sp = stack;
	other.uc_stack.ss_size = STACK;
	sigaddset(&other.uc_sigmask, SIGALRM);
	makecontext(&other, serve_on_another_stack, 0);
	handle_by(switch_there, 0);
	tick_soon();
	while (ticks < TICKS)
		allocate();
}

/* What a child that does the work says, and how it ends. */
static int run(void (*work)(void), char said[LINE])
{
	struct rlimit cpu = {.rlim_cur = CHILD_SECONDS,
			     .rlim_max = CHILD_SECONDS}; /* the timer is in use */
	int ends[2], status = 0;
	ssize_t n, length = 0;
	pid_t child;

	MUST(pipe(ends) == 0);
	child = fork();
	if (child == 0) {
		dup2(ends[1], 2);
		setrlimit(RLIMIT_CPU, &cpu);
		work();
		_exit(0);
	}
	close(ends[1]);
	while (length < LINE - 1 &&
	       (n = read(ends[0], said + length, (size_t)(LINE - 1 - length))) > 0)
		length += n;
	said[length] = 0;
	close(ends[0]);
	MUST(waitpid(child, &status, 0) == child);
	return status;
}

static void is_reported(void (*work)(void))
{
	char said[LINE];
	int status = run(work, said);

	EXPECT_EQ(status & 0x7f, SIGABRT);
	EXPECT(strstr(said,
		      "loam: a signal handler left malloc or free in the middle, by longjmp"));
	EXPECT(strchr(said, '\n') == said + strlen(said) - 1);
}

TEST(a_jump_out_of_malloc_is_reported)
{
	is_reported(jump_out_of_malloc);
}

TEST(a_jump_out_of_the_fast_path_of_runs_is_reported)
{
	is_reported(jump_out_of_the_fast_path_of_runs);
}

static void comes_back(void (*work)(void))
{
	char said[LINE];

	if (!EXPECT_EQ(run(work, said), 0))
		printf("    %s\n", said);
}

TEST(a_handler_on_a_stack_above_comes_back)
{
	comes_back(serve_on_a_stack_above);
}

TEST(a_coroutine_on_a_stack_above_comes_back)
{
	comes_back(switch_to_a_coroutine);
}
