/* What lies on a stack: the initial thread's, another's, a coroutine's, a signal handler's. */
#include "report/frame.h"

#include "base/bits.h"
#include "os_sim.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { STACK = 1 << 20 };

/* A place that is asked about, and the answer. */
static char *place;
static volatile bool held;

static NOINLINE void ask_of_local(void)
{
	char local[64] ALIGNED(16) = {0};

	__asm__ volatile("" : : "r"(local) : "memory");
	held = frame_holds(local + 16);
}

/* The word before it is no size of a block: what a caller saved, say. */
static NOINLINE void ask_of_local_behind_an_address(void)
{
	uintptr_t local[8] ALIGNED(16) = {[3] = (uintptr_t)&place & ~(uintptr_t)15};

	__asm__ volatile("" : : "r"(local) : "memory");
	held = frame_holds(local + 4);
}

static NOINLINE void ask_of_place(void)
{
	held = frame_holds(place);
}

static ucontext_t back, coroutine;

/* Calls body on a stack that the program made. */
static void on_own_stack(char *stack, void (*body)(void))
{
	getcontext(&coroutine);
	coroutine.uc_stack.ss_sp = stack;
	coroutine.uc_stack.ss_size = STACK;
	coroutine.uc_link = &back;
	makecontext(&coroutine, body, 0);
	swapcontext(&back, &coroutine);
}

/* Twice a stack, of which the second half is other memory. */
static char *map(void)
{
	char *mem =
		mmap(NULL, 2 * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(mem != MAP_FAILED);
	return mem;
}

static void *in_both(void *arg)
{
	char *stack = map();

	held = false;
	ask_of_local();
	EXPECT(held);
	held = false;
	on_own_stack(stack, ask_of_local);
	EXPECT(held);
	held = false;
	on_own_stack(stack, ask_of_local_behind_an_address);
	EXPECT(held);
	munmap(stack, 2 * STACK);
	return arg;
}

TEST(a_local_lies_on_the_stack_of_a_thread_and_of_a_coroutine)
{
	pthread_t thread;

	in_both(NULL);
	REQUIRE(pthread_create(&thread, NULL, in_both, NULL) == 0);
	pthread_join(thread, NULL);
}

static void on_signal(int unused)
{
	(void)unused;
	ask_of_local();
}

TEST(a_local_of_a_signal_handler_does_on_a_stack_of_its_own)
{
	static char alternate[64 << 10];
	char *mapped = map();
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	stack_t stacks[] = {{.ss_sp = alternate, .ss_size = sizeof alternate},
			    {.ss_sp = mapped, .ss_size = STACK}},
		none = {.ss_flags = SS_DISABLE};

	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < 2; i++) {
		REQUIRE(sigaltstack(&stacks[i], NULL) == 0);
		held = false;
		raise(SIGUSR1);
		EXPECT(held);
	}
	sigaltstack(&none, NULL);
	signal(SIGUSR1, SIG_DFL);
	munmap(mapped, 2 * STACK);
}

/* What another allocator has right behind the coroutine's stack, and farther on. */
static void *ask_of_what_follows(void *arg)
{
	char *stack = map(), *block = stack + STACK + 16;

	((size_t *)block)[-1] = (300016 & ~15) | 2;
	for (size_t distance = 0; distance < STACK / 2; distance = distance * 2 + 4096) {
		place = block + distance;
		((size_t *)place)[-1] = 4096 | 1;
		held = true;
		on_own_stack(stack, ask_of_place);
		EXPECT(!held);
	}
	place = stack; /* below */
	on_own_stack(stack, ask_of_place);
	EXPECT(!held);
	munmap(stack, 2 * STACK);
	return arg;
}

TEST(what_follows_a_coroutines_stack_does_not)
{
	pthread_t thread;

	ask_of_what_follows(NULL);
	REQUIRE(pthread_create(&thread, NULL, ask_of_what_follows, NULL) == 0);
	pthread_join(thread, NULL);
}

TEST(nor_do_static_data_and_unmapped_addresses)
{
	static char data[64];

	EXPECT(!frame_holds(data));
	EXPECT(!frame_holds(NULL));
	EXPECT(!frame_holds((void *)(uintptr_t)0xffff888000000010u));
}

/* A coroutine's stack, behind which nothing can be read. */
TEST(a_stack_that_ends_at_a_page_without_access_is_not_left)
{
	char *stack = map();

	mprotect(stack + STACK, STACK, PROT_NONE);
	for (int distance = -16; distance <= 4096; distance += 8) {
		place = stack + STACK + distance;
		held = true;
		on_own_stack(stack, ask_of_place);
		EXPECT(distance < 0 || !held);
	}
	munmap(stack, 2 * STACK);
}

TEST(where_the_maps_say_nothing_nothing_is_held)
{
	os_sim_refuse(OS_SIM_FILES, EMFILE);
	held = true;
	ask_of_local();
	EXPECT(!held);
	os_sim_refuse(OS_SIM_FILES, 0);
	os_sim_file("/proc/self/maps", "7ff", 3);
	held = true;
	ask_of_local();
	EXPECT(!held);
	os_sim_file(NULL, NULL, 0);
	ask_of_local();
	EXPECT(held);
}

/* As it is when the system did not say. */
TEST(without_a_known_end_of_the_stack_what_is_near_is_still_told)
{
	os_sim_set_stack_end(1);
	held = false;
	ask_of_local();
	EXPECT(held);
	os_sim_set_stack_end(0);
}
