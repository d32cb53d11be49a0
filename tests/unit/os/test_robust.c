/* Robust mutexes: held, busy, released, and marked by the kernel. */
#include "os/robust.h"

#include "test.h"

#include <string.h>

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

	REQUIRE(pthread_create(&thread, NULL, hold, NULL) == 0);
	REQUIRE(pthread_join(thread, NULL) == 0);
	EXPECT_EQ(tried_by_another(), ROBUST_GONE);
	EXPECT_EQ(tried_by_another(), ROBUST_HELD);
}
