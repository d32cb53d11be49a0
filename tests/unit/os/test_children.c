/* Which children are seen: from before the fork until they end, or call exec. */
#include "os/children.h"

#include "os/os.h"
#include "os/robust.h"
#include "test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int from_child[2], to_child[2];

/* A child that runs `body` once it has entered. It ends, at the latest, with this process. */
static pid_t fork_child_that(void (*body)(void))
{
	pid_t pid;

	if (test_emulated)
		test_skip("the emulator marks no mutex");
	REQUIRE(pipe(from_child) == 0 && pipe(to_child) == 0);
	children_begin(true);
	EXPECT(children_live());
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid)
		return pid;
	close(to_child[1]);
	children_enter();
	body();
	_exit(0);
}

static void say_and_wait(void)
{
	char c = 'a';

	(void)!write(from_child[1], &c, 1);
	(void)!read(to_child[0], &c, 1);
}

static void wait_for_word(void)
{
	char c;

	EXPECT_EQ(read(from_child[0], &c, 1), 1);
}

static void end(pid_t pid)
{
	close(to_child[1]);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	close(to_child[0]);
	close(from_child[0]);
	close(from_child[1]);
}

TEST(there_is_none_before_a_fork)
{
	robust_start();
	EXPECT(!children_live());
}

TEST(a_child_is_seen_until_it_ends)
{
	pid_t pid;

	pid = fork_child_that(say_and_wait);
	wait_for_word();
	EXPECT(children_live());
	end(pid);
	EXPECT(!children_live());
}

TEST(one_that_is_killed_is_gone)
{
	pid_t pid;

	pid = fork_child_that(say_and_wait);
	wait_for_word();
	kill(pid, SIGKILL);
	end(pid);
	EXPECT(!children_live());
}

static void become_another(void)
{
	dup2(from_child[1], 1);
	dup2(to_child[0], 0);
	execl("/bin/sh", "sh", "-c", "echo a; read line", (char *)NULL);
}

TEST(one_that_calls_exec_shares_nothing)
{
	pid_t pid;

	pid = fork_child_that(become_another);
	wait_for_word();
	EXPECT(!children_live());
	end(pid);
}

/* It has no entry, least of all that of the one before. */
TEST(one_that_is_not_counted_leaves_the_others_alone)
{
	pid_t first, second;

	first = fork_child_that(say_and_wait);
	wait_for_word();
	children_begin(false);
	second = fork();
	if (second == 0) {
		children_enter();
		_exit(0);
	}
	waitpid(second, NULL, 0);
	EXPECT(children_live());
	end(first);
	EXPECT(!children_live());
}

/* Ends with 0 if all is as expected there. */
static void fork_again(void)
{
	pid_t pid;

	if (children_live())
		_exit(1);
	children_begin(true);
	if (!children_live())
		_exit(2);
	pid = fork();
	if (!pid) {
		children_enter();
		_exit(children_live());
	}
	waitpid(pid, NULL, 0);
	_exit(children_live() ? 3 : 0);
}

TEST(a_child_has_a_table_of_its_own)
{
	int status = -1;
	pid_t pid;

	pid = fork_child_that(fork_again);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	close(to_child[1]);
	EXPECT(!children_live());
}

TEST(of_more_than_there_is_room_for_the_last_are_not_seen)
{
	enum { MOST = 200 };
	pid_t pids[MOST];
	int end[2];
	char c;

	if (test_emulated)
		test_skip("the emulator marks no mutex");
	REQUIRE(pipe(end) == 0);
	for (int i = 0; i < MOST; i++) {
		children_begin(true);
		pids[i] = fork();
		REQUIRE(pids[i] >= 0);
		if (pids[i] == 0) {
			close(end[1]);
			children_enter();
			(void)!read(end[0], &c, 1);
			_exit(0);
		}
	}
	EXPECT(children_live());
	close(end[1]);
	for (int i = 0; i < MOST; i++)
		waitpid(pids[i], NULL, 0);
	EXPECT(!children_live());
}
