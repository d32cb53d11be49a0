/* Stacks by call frame information: those that libc's backtrace() finds. */
#include "unwind/unwind.h"

#include "os/os.h"
#include "os/process.h"
#include "test.h"

#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { MOST = 40 };

static int seen;

__attribute__((constructor)) static void start(void)
{
	void *frames[2];
	bool is_whole;

	EXPECT(unwind_stack(frames, 2, &is_whole) == 0 && !is_whole);
	REQUIRE(unwind_start());
	backtrace(frames, 2); /* loads what it needs */
}

/* Emulators have signal handlers return to code without call frame information. */
static bool ends_at_signal(void *const *frames, int n)
{
	return os_is_emulated() && n && unwind_is_sigreturn(frames[n - 1]);
}

/* Below the caller, whose line is another for each. The second time rules of frames are
   remembered. */
static void compare(void)
{
	void *own[MOST], *libcs[MOST];
	int all = backtrace(libcs, MOST);

	for (int time = 0; time < 2; time++) {
		bool is_whole;
		int n = unwind_stack(own, MOST, &is_whole);

		EXPECT(n == all || ends_at_signal(own, n));
		EXPECT(is_whole || ends_at_signal(own, n));
		EXPECT(n > 1);
		for (int i = 1; i < n && i < all; i++)
			EXPECT(own[i] == libcs[i]);
	}
	seen++;
}

/* More than a register's worth of arguments, and a frame of a size known at run time. */
static NOINLINE int deep(int n, int a, int b, int c, int d, int e, int f, int g)
{
	volatile char *room = __builtin_alloca((size_t)(16 + 100 * n));

	room[0] = (char)g;
	if (n)
		return deep(n - 1, b, c, d, e, f, g, a) + room[0];
	compare();
	return room[0];
}

TEST(of_calls)
{
	compare();
	deep(1, 1, 2, 3, 4, 5, 6, 7);
	deep(20, 1, 2, 3, 4, 5, 6, 7);
	deep(100, 1, 2, 3, 4, 5, 6, 7); /* cut off */
	EXPECT_EQ(seen, 4);
}

static int order(const void *a, const void *b)
{
	static bool done;

	if (!done)
		compare();
	done = true;
	return *(const int *)a - *(const int *)b;
}

TEST(through_libc)
{
	int numbers[] = {3, 1, 2};

	seen = 0;
	qsort(numbers, 3, sizeof numbers[0], order);
	EXPECT_EQ(seen, 1);
}

static void handle(int signal)
{
	(void)signal;
	deep(3, 1, 2, 3, 4, 5, 6, 7);
}

static void *in_thread(void *arg)
{
	(void)arg;
	compare();
	raise(SIGUSR1);
	return NULL;
}

static void *in_thread_with_stack(void *stack)
{
	struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};

	REQUIRE(sigaltstack(stack, NULL) == 0);
	REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
	return in_thread(NULL);
}

/* On the stack that it interrupted, and on one that lies elsewhere. */
TEST(in_signal_handlers_and_threads)
{
	static char other[64 * 1024];
	stack_t stack = {.ss_sp = other, .ss_size = sizeof other};
	struct sigaction action = {.sa_handler = handle};
	pthread_t thread;

	seen = 0;
	REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
	raise(SIGUSR1);
	REQUIRE(pthread_create(&thread, NULL, in_thread, NULL) == 0);
	pthread_join(thread, NULL);
	REQUIRE(sigaltstack(&stack, NULL) == 0);
	action.sa_flags = SA_ONSTACK;
	REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
	raise(SIGUSR1);
	EXPECT_EQ(seen, 4);
}

/* A handler whose stack lies above the one that it interrupted. */
TEST(in_a_signal_handler_on_a_stack_above)
{
	static char low[256 * 1024] __attribute__((aligned(4096)));
	char high[64 * 1024];
	stack_t stack = {.ss_sp = high, .ss_size = sizeof high};
	pthread_attr_t attributes;
	pthread_t thread;

	REQUIRE((uintptr_t)high > (uintptr_t)low);
	seen = 0;
	REQUIRE(pthread_attr_init(&attributes) == 0);
	REQUIRE(pthread_attr_setstack(&attributes, low, sizeof low) == 0);
	REQUIRE(pthread_create(&thread, &attributes, in_thread_with_stack, &stack) == 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(seen, 2);
}

TEST(no_more_than_there_is_room_for)
{
	void *frames[3] = {NULL, NULL, (void *)1};
	bool is_whole;

	EXPECT(unwind_stack(frames, 2, &is_whole) == 2 && is_whole);
	EXPECT(frames[1] && frames[2] == (void *)1);
}
