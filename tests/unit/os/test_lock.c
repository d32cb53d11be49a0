/* Locks: one holder at a time, children of a fork, and the debug checks. */
#include "os/lock.h"
#include "os/check.h"
#include "os/os.h"
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8
#define ROUNDS	20000

static struct lock lock = LOCK_INIT(LOCK_ZONE);
static struct lock low = LOCK_INIT(LOCK_RING);

/* Runs body in a child; its exit status, or -1 when it did not exit within some seconds. */
static int in_child(int (*body)(void))
{
	int status = 0;
	pid_t child = fork();

	REQUIRE(child >= 0);
	if (child == 0) {
		alarm(100);
		_exit(body());
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static size_t counter; /* under the lock, not atomic */

static void on_alarm(int signal)
{
	(void)signal;
	if (lock_held(&lock))
		return;
	lock_acquire(&lock);
	counter++;
	lock_release(&lock);
}

/* The first tests, before there is a second thread. */
TEST(a_signal_handler_may_come_between_where_no_other_thread_can)
{
	struct itimerval often = {.it_interval.tv_usec = 20, .it_value.tv_usec = 20}, never = {0};

	REQUIRE(is_alone());
	counter = 0;
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &often, NULL);
	while (counter < 100) {
		lock_acquire(&lock);
		lock_release(&lock);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	EXPECT_EQ(lock.word, 0);
}

static void *wait_alone(void *arg)
{
	lock_acquire(&lock);
	store_relaxed((bool *)arg, true);
	lock_release(&lock);
	return NULL;
}

/* Taken by a store, released by an atomic instruction that finds who waits. */
TEST(a_thread_waits_for_a_lock_that_was_taken_before_it_began)
{
	pthread_t thread;
	bool entered = false;

	REQUIRE(is_alone());
	lock_acquire(&lock);
	REQUIRE(pthread_create(&thread, NULL, wait_alone, &entered) == 0);
	while (!(load_relaxed(&lock.word) & LOCK_WAITED))
		sched_yield();
	EXPECT(!load_relaxed(&entered));
	lock_release(&lock);
	pthread_join(thread, NULL);
	EXPECT(entered);
	EXPECT_EQ(lock.word, 0);
}

TEST(a_lock_knows_its_holder)
{
	EXPECT(!lock_held(&lock));
	lock_acquire(&lock);
	EXPECT(lock_held(&lock));
	EXPECT(!lock_try(&lock));
	lock_release(&lock);
	EXPECT(!lock_held(&lock));
	EXPECT(lock_try(&lock));
	EXPECT(lock_held(&lock));
	lock_release(&lock);
}

static void *try_it(void *arg)
{
	(void)arg;
	return (void *)(uintptr_t)(lock_held(&lock) || lock_try(&lock));
}

static bool another_thread_gets_it(void)
{
	pthread_t thread;
	void *got;

	REQUIRE(pthread_create(&thread, NULL, try_it, NULL) == 0);
	pthread_join(thread, &got);
	return got != NULL;
}

TEST(a_held_lock_is_nobody_elses)
{
	lock_acquire(&lock);
	EXPECT(!another_thread_gets_it());
	lock_release(&lock);
}

static void *count(void *arg)
{
	uint64_t state = test_seed() + (uintptr_t)arg * 2;

	for (int i = 0; i < ROUNDS; i++) {
		if (test_random(&state) % 4)
			lock_acquire(&lock);
		else
			while (!lock_try(&lock))
				sched_yield();
		counter++;
		if (test_random(&state) % 512 == 0)
			usleep(1); /* long enough for the others to fall asleep */
		lock_release(&lock);
	}
	return NULL;
}

TEST(threads_that_contend_lose_no_count)
{
	pthread_t threads[THREADS];

	counter = 0;
	test_seed();
	for (uintptr_t i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, count, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(counter, (size_t)THREADS * ROUNDS);
	EXPECT_EQ(lock.word, 0);
}

static void *wait_for_it(void *arg)
{
	lock_acquire(&lock);
	++*(int *)arg;
	lock_release(&lock);
	return NULL;
}

TEST(every_sleeper_wakes)
{
	pthread_t threads[THREADS];
	int entered = 0;

	lock_acquire(&lock);
	for (int i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, wait_for_it, &entered) == 0);
	usleep(50000);
	EXPECT_EQ(load_relaxed(&entered), 0);
	lock_release(&lock);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(entered, THREADS);
}

TEST(who_sleeps_comes_first_where_the_holder_yields)
{
	pthread_t thread;
	bool entered = false;

	lock_acquire(&lock);
	lock_yield(&lock); /* nobody waits */
	EXPECT(lock_held(&lock));
	for (int round = 0; round < 20; round++) {
		store_relaxed(&entered, false);
		REQUIRE(pthread_create(&thread, NULL, wait_alone, &entered) == 0);
		for (int i = 0; i < 1000 && !load_relaxed(&entered); i++) { /* it may wake late */
			while (!(load_relaxed(&lock.word) & LOCK_WAITED) && !load_relaxed(&entered))
				sched_yield();
			lock_yield(&lock);
		}
		EXPECT(load_relaxed(&entered));
		EXPECT(lock_held(&lock));
		lock_release(&lock);
		pthread_join(thread, NULL);
		lock_acquire(&lock);
	}
	lock_release(&lock);
	EXPECT_EQ(lock.word, 0);
}

static void *enter_often(void *entered)
{
	for (int i = 0; i < 200; i++) {
		lock_acquire(&lock);
		++*(int *)entered;
		usleep(10);
		lock_release(&lock);
	}
	return NULL;
}

/* Who yields sleeps as the others do, and must wake the next as they do. */
TEST(every_sleeper_wakes_where_the_holder_yields)
{
	pthread_t threads[THREADS];
	int entered = 0;

	for (int i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, enter_often, &entered) == 0);
	lock_acquire(&lock);
	while (load_relaxed(&entered) < THREADS * 200) {
		lock_yield(&lock);
		if (!(load_relaxed(&lock.word) & LOCK_WAITED))
			usleep(10);
	}
	lock_release(&lock);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(entered, THREADS * 200);
	EXPECT_EQ(lock.word, 0);
}

static bool holding;

static void *hold(void *arg)
{
	lock_acquire(&lock);
	store_release(&holding, true);
	while (load_acquire(&holding))
		sched_yield();
	lock_release(&lock);
	return arg;
}

static int recover_in_child(void)
{
	if (lock_held(&lock) || lock_try(&lock))
		return 1;
	if (!lock_recover(&lock))
		return 2;
	if (lock_recover(&lock)) /* free now */
		return 3;
	lock_acquire(&lock);
	lock_release(&lock);
	return lock.word == 0 ? 0 : 4;
}

TEST(a_child_recovers_what_a_lost_thread_held)
{
	pthread_t holder, waiter;
	int entered = 0;

	REQUIRE(pthread_create(&holder, NULL, hold, NULL) == 0);
	while (!load_acquire(&holding))
		sched_yield();
	EXPECT_EQ(in_child(recover_in_child), 0);
	REQUIRE(pthread_create(&waiter, NULL, wait_for_it, &entered) == 0);
	usleep(20000);
	EXPECT_EQ(in_child(recover_in_child), 0); /* waited for, besides */
	store_release(&holding, false);
	pthread_join(holder, NULL);
	pthread_join(waiter, NULL);
	EXPECT_EQ(entered, 1);
}

static void recover_before_wait(void)
{
	lock_recover(&lock);
}

static int wait_in_child(void)
{
	alarm(60);
	lock_before_wait = recover_before_wait;
	lock_acquire(&lock);
	lock_release(&lock);
	return lock.word == 0 ? 0 : 5;
}

TEST(a_child_that_waits_for_a_lost_thread_is_told_before)
{
	pthread_t holder;

	REQUIRE(pthread_create(&holder, NULL, hold, NULL) == 0);
	while (!load_acquire(&holding))
		sched_yield();
	EXPECT_EQ(in_child(wait_in_child), 0);
	store_release(&holding, false);
	pthread_join(holder, NULL);
}

static int keep_own_in_child(void)
{
	if (lock_recover(&lock) || !lock_held(&lock))
		return 1;
	lock_release(&lock);
	return lock.word == 0 ? 0 : 2;
}

TEST(a_lock_that_the_forking_thread_holds_stays_its_own)
{
	lock_acquire(&lock);
	EXPECT_EQ(in_child(keep_own_in_child), 0);
	EXPECT(lock_held(&lock));
	lock_release(&lock);
	EXPECT(!lock_recover(&lock)); /* free */
}

/* As a fork from a signal handler begins: no lock is waited for if the thread holds one. */
static volatile int found_held;

static void fork_in_handler(int signal)
{
	(void)signal;
	found_held = lock_held(&lock);
	if (found_held)
		return;
	lock_acquire(&lock);
	lock_release(&lock);
}

/* A child that takes and releases the lock, and is interrupted after so many instructions; its
   wait status. */
static int interrupt_after(int steps)
{
	int status = 0;
	pid_t child = fork();

	REQUIRE(child >= 0);
	if (child == 0) {
		signal(SIGUSR1, fork_in_handler);
		alarm(100); /* the default ends a process that waits for ever */
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		lock_acquire(&lock);
		lock_release(&lock);
		_exit(lock.word == 0 ? found_held : 2);
	}
	waitpid(child, &status, 0);
	while (steps-- && WIFSTOPPED(status)) {
		ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
		waitpid(child, &status, 0);
	}
	if (WIFSTOPPED(status)) {
		ptrace(PTRACE_DETACH, child, NULL, (void *)(uintptr_t)SIGUSR1);
		waitpid(child, &status, 0);
	}
	return status;
}

TEST(a_signal_handler_at_any_instruction_does_not_wait_for_its_own_thread)
{
	int held = 0, released = 0;

	if (test_on_valgrind())
		test_skip("valgrind's instructions would be stepped through");
	if (test_emulated)
		test_skip("the emulator has no ptrace");
	if (!test_may_trace())
		test_skip("no process may be traced here");
	for (int steps = 1; steps < 3000 && !(held && released > 20); steps++) {
		int status = interrupt_after(steps);

		REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
		held += WEXITSTATUS(status);
		released = WEXITSTATUS(status) ? 0 : released + 1;
	}
	EXPECT(held > 3);
}

static void take_twice(void *arg)
{
	(void)arg;
	lock_acquire(&lock);
	lock_acquire(&lock);
}

TEST(taking_it_twice_is_reported)
{
	EXPECT_ABORT(take_twice, NULL, "does not hold: !lock_held(lock)");
}

static void take_in_wrong_order(void *arg)
{
	(void)arg;
	lock_acquire(&lock);
	lock_acquire(&low);
}

static void release_anothers(void *arg)
{
	(void)arg;
	lock_release(&lock);
}

TEST(debug_builds_report_wrong_order_and_wrong_release)
{
	if (CONFIG_ASSERT < 1)
		test_skip("assert_level is 0");
	EXPECT_ABORT(take_in_wrong_order, NULL, "lock.c:");
	EXPECT_ABORT(release_anothers, NULL, "does not hold: lock_held(lock)");
	lock_acquire(&low);
	lock_acquire(&lock);
	lock_release(&low);
	lock_release(&lock);
}
