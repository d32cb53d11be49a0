/*
 * fork beside threads that hold locks of stdio and allocate: libc takes its lock of the list of
 * streams in fork, behind which a thread in fflush(NULL) waits for a stream, whose holder in
 * getline() waits for memory.  Who forks must not hold what that needs.
 */
#include "test.h"

#include "process.h"

#include <pthread.h>

enum { FORKERS = 4, READERS = 8, LINE = 50000, SECONDS = 3 };

static char path[] = "/tmp/loam-fork-stdio.XXXXXX";
static volatile bool stop;
static int forked, handled; /* atomic */

static void handler(void)
{
	allocate_every_size();
	__atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
}

/* A child may use streams, too, and fork again. */
static _Noreturn void child_lives(void)
{
	pid_t child;

	alarm(CHILD_SECONDS);
	allocate_every_size();
	fflush(NULL);
	child = fork();
	if (child == 0)
		_exit(0);
	_exit(child_wait(child));
}

static void *fork_until_stopped(void *unused)
{
	while (!stop) {
		struct block held = block_new(3000);
		pid_t child = fork();

		if (child == 0) {
			block_free(held);
			child_lives();
		}
		MUST(child_wait(child) == 0);
		block_free(held);
		__atomic_fetch_add(&forked, 1, __ATOMIC_RELAXED);
	}
	return unused;
}

static void *flush_until_stopped(void *unused)
{
	while (!stop)
		fflush(NULL);
	return unused;
}

/* getline() makes the line longer again and again, with the stream locked. */
static void *read_until_stopped(void *unused)
{
	FILE *file = fopen(path, "r");

	MUST(file);
	while (!stop) {
		char *line = NULL;
		size_t room = 0;

		rewind(file);
		MUST(getline(&line, &room, file) == LINE + 1);
		free(line);
	}
	fclose(file);
	return unused;
}

static void write_line(void)
{
	FILE *file = fdopen(mkstemp(path), "w");

	MUST(file);
	for (int i = 0; i < LINE; i++)
		fputc('x', file);
	fputc('\n', file);
	MUST(fclose(file) == 0);
}

static void run(void)
{
	pthread_t threads[FORKERS + READERS + 1];
	int n = 0;

	stop = false;
	for (int i = 0; i < FORKERS; i++)
		MUST(pthread_create(&threads[n++], NULL, fork_until_stopped, NULL) == 0);
	for (int i = 0; i < READERS; i++)
		MUST(pthread_create(&threads[n++], NULL, read_until_stopped, NULL) == 0);
	MUST(pthread_create(&threads[n++], NULL, flush_until_stopped, NULL) == 0);
	sleep(SECONDS);
	stop = true;
	while (n)
		pthread_join(threads[--n], NULL);
}

TEST(fork_beside_threads_in_stdio)
{
	write_line();
	run();
	EXPECT(forked > 3);
}

/* The same with handlers of the program, which allocate before the fork and behind it. */
TEST(fork_with_handlers_beside_threads_in_stdio)
{
	int before = forked;

	MUST(pthread_atfork(handler, handler, handler) == 0);
	run();
	unlink(path);
	EXPECT(forked - before > 3);
	EXPECT(handled >= 2 * (forked - before));
}
