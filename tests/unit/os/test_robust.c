/* Robust mutexes: held, busy, released, marked by the kernel, and asked for where it does not
   mark. */
#include "os/robust.h"

#include "base/compiler.h"
#include "test.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct robust mutex;

static void *try(void *unused)
{
	enum robust_state state = robust_try(&mutex);

	(void)unused;
	if (state != ROBUST_BUSY)
		robust_release(&mutex);
	return (void *)(uintptr_t)state;
}

static enum robust_state tried_by_another(void)
{
	pthread_t thread;
	void *state;

	REQUIRE(pthread_create(&thread, NULL, try, NULL) == 0);
	REQUIRE(pthread_join(thread, &state) == 0);
	return (enum robust_state)(uintptr_t)state;
}

static void *hold(void *unused)
{
	(void)unused;
	EXPECT(robust_hold_anew(&mutex));
	return NULL;
}

TEST(before_the_start_it_is_busy)
{
	EXPECT_EQ(robust_try(&mutex), ROBUST_BUSY);
	EXPECT(!robust_hold_anew(&mutex));
	robust_start();
}

TEST(a_fresh_one_is_what_libc_makes)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t by_libc;

	REQUIRE(robust_hold_anew(&mutex));
	robust_release(&mutex);
	memset(&by_libc, 0, sizeof by_libc);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&by_libc, &attributes);
	EXPECT_EQ(pthread_mutex_lock(&by_libc), 0);
	EXPECT_EQ(pthread_mutex_unlock(&by_libc), 0);
	EXPECT_EQ(mutex.mutex.__data.__kind, by_libc.__data.__kind);
	EXPECT(memcmp(&mutex.mutex, &by_libc, sizeof by_libc) == 0);
}

TEST(one_holds_it)
{
	REQUIRE(robust_hold_anew(&mutex));
	EXPECT_EQ(tried_by_another(), ROBUST_BUSY);
	robust_release(&mutex);
	EXPECT_EQ(tried_by_another(), ROBUST_HELD);
}

TEST(the_kernel_marks_what_a_thread_leaves)
{
	pthread_t thread;

	if (test_emulated)
		test_skip("the emulator keeps no list of robust mutexes");
	REQUIRE(pthread_create(&thread, NULL, hold, NULL) == 0);
	REQUIRE(pthread_join(thread, NULL) == 0);
	EXPECT(!robust_is_held(&mutex, false));
	EXPECT_EQ(tried_by_another(), ROBUST_GONE);
	EXPECT_EQ(tried_by_another(), ROBUST_HELD);
}

static void *ask(void *unused)
{
	enum robust_state state = robust_ask(&mutex);

	(void)unused;
	if (state != ROBUST_BUSY)
		robust_release(&mutex);
	return (void *)(uintptr_t)state;
}

static enum robust_state run(void *(*body)(void *), size_t stack)
{
	pthread_attr_t attributes;
	pthread_t thread;
	void *state;

	pthread_attr_init(&attributes);
	if (stack)
		pthread_attr_setstacksize(&attributes, stack);
	REQUIRE(pthread_create(&thread, &attributes, body, NULL) == 0);
	REQUIRE(pthread_join(thread, &state) == 0);
	return (enum robust_state)(uintptr_t)state;
}

TEST(whether_it_is_held_is_seen_without_trying)
{
	EXPECT(robust_hold_anew(&mutex));
	EXPECT(robust_is_held(&mutex, false));
	EXPECT(robust_is_held(&mutex, true));
	robust_release(&mutex);
	EXPECT(!robust_is_held(&mutex, false));
}

/* As where set_robust_list is refused: the kernel does not know what the thread holds. */
static void *hold_unmarked(void *unused)
{
	static struct robust_list_head none = {.list = {&none.list}};

	(void)unused;
	EXPECT(robust_hold_anew(&mutex));
	syscall(SYS_set_robust_list, &none, sizeof none);
	return NULL;
}

TEST(a_thread_that_the_kernel_did_not_mark_is_found_when_it_is_asked_for)
{
	for (int i = 0; i < 3; i++) {
		run(hold_unmarked, 0);
		EXPECT_EQ(tried_by_another(), ROBUST_BUSY);
		EXPECT(robust_is_held(&mutex, false));
		EXPECT(!robust_is_held(&mutex, true));
		EXPECT_EQ(run(ask, 0), ROBUST_GONE);
		EXPECT_EQ(tried_by_another(), ROBUST_HELD);
	}
}

/* What libc does not keep for another thread. */
TEST(it_is_found_where_its_stack_is_unmapped)
{
	if (test_on_valgrind())
		test_skip("valgrind runs threads on what it knows as their stacks");
	run(hold_unmarked, 64 * MIB);
	EXPECT_EQ(robust_try(&mutex), ROBUST_BUSY);
	EXPECT_EQ(robust_ask(&mutex), ROBUST_GONE);
	robust_release(&mutex);
	EXPECT_EQ(tried_by_another(), ROBUST_HELD);
}

enum { MORE_THAN_THE_KERNEL_READS = 2049 };

/* Not by pthread_mutex_lock(), since ThreadSanitizer counts to 64 only. */
static void *hold_too_many(void *unused)
{
	static struct robust others[MORE_THAN_THE_KERNEL_READS];

	(void)unused;
	EXPECT(robust_hold_anew(&mutex));
	for (int i = 0; i < MORE_THAN_THE_KERNEL_READS; i++)
		REQUIRE(robust_hold_anew(&others[i]));
	return NULL;
}

TEST(it_is_found_though_it_held_more_than_the_kernel_reads)
{
	run(hold_too_many, 0);
	EXPECT_EQ(tried_by_another(), ROBUST_BUSY);
	EXPECT_EQ(run(ask, 0), ROBUST_GONE);
	EXPECT_EQ(tried_by_another(), ROBUST_HELD);
}

static pthread_barrier_t meeting;

static void *hold_for_a_while(void *unused)
{
	EXPECT(robust_hold_anew(&mutex));
	pthread_barrier_wait(&meeting);
	pthread_barrier_wait(&meeting);
	robust_release(&mutex);
	pthread_barrier_wait(&meeting);
	pthread_barrier_wait(&meeting);
	return unused;
}

TEST(a_living_holder_keeps_it_and_nothing_is_asked_of_what_is_free)
{
	pthread_t thread;

	pthread_barrier_init(&meeting, NULL, 2);
	REQUIRE(pthread_create(&thread, NULL, hold_for_a_while, NULL) == 0);
	pthread_barrier_wait(&meeting);
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(robust_ask(&mutex), ROBUST_BUSY);
	pthread_barrier_wait(&meeting);
	pthread_barrier_wait(&meeting);
	EXPECT_EQ(robust_ask(&mutex), ROBUST_BUSY);
	pthread_barrier_wait(&meeting);
	pthread_join(thread, NULL);
	EXPECT_EQ(robust_ask(&mutex), ROBUST_BUSY);
	EXPECT_EQ(robust_try(&mutex), ROBUST_HELD);
	EXPECT_EQ(robust_ask(&mutex), ROBUST_BUSY);
	robust_release(&mutex);
}
