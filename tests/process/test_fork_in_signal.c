/*
 * fork in a signal handler that interrupted the allocator.  A child that leaves at once, by
 * _exit or exec, must be able to from a process of one thread and of many; a child of one thread
 * also allocates and frees, as crash reporters do.
 */
#include "test.h"

#include "process.h"

#include <pthread.h>
#include <sys/time.h>

enum { CHILDREN = 300, BUSY = 3, TICK_MICROSECONDS = 2000 };

static volatile int children, failed, aborted;
static volatile bool may_abort;
static void (*volatile child_does)(void);
static pthread_t main_thread;
static volatile bool stop;

static void do_nothing(void)
{
}

static void do_exec(void)
{
	execl("/bin/true", "true", (char *)NULL);
}

static void do_allocate(void)
{
	dup2(open("/dev/null", O_WRONLY), 2);
	for (size_t n = 1; n < 3000000; n *= 5)
		free(malloc(n));
}

static void on_tick(int signal)
{
	int status = -1, saved = errno;
	pid_t child;

	if (!pthread_equal(pthread_self(), main_thread)) {
		pthread_kill(main_thread, signal);
		return;
	}
	if (children >= CHILDREN)
		return;
	child = fork();
	if (child == 0) {
		alarm(CHILD_SECONDS);
		child_does();
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		failed++;
	else if (may_abort && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
		aborted++;
	else if (status != 0)
		failed++;
	children++;
	errno = saved;
}

/* Blocks of all sizes come and go until the handler has had its children. */
static void loop_interrupted(void (*what)(void))
{
	struct itimerval tick = {{0, TICK_MICROSECONDS}, {0, TICK_MICROSECONDS}};
	static const struct itimerval never;
	struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	static struct block held[256];
	uint64_t state = test_seed();

	main_thread = pthread_self();
	child_does = what;
	may_abort = what == do_allocate;
	children = failed = aborted = 0;
	sigaction(SIGPROF, &action, NULL);
	setitimer(ITIMER_PROF, &tick, NULL);
	while (children < CHILDREN && failed == 0) {
		uint64_t r = test_random(&state);
		struct block *b = &held[r % 256];

		if (b->mem)
			block_free(*b);
		*b = block_new(1 + (r >> 32) % (r >> 8 & 63 ? 4000 : 900000));
	}
	setitimer(ITIMER_PROF, &never, NULL);
	for (int i = 0; i < 256; i++)
		if (held[i].mem)
			block_free(held[i]);
	memset(held, 0, sizeof held);
	EXPECT_EQ(failed, 0);
	EXPECT(aborted < children);
}

static void *allocate_until_stopped(void *unused)
{
	while (!stop)
		allocate_every_size();
	return unused;
}

static void loop_among_threads(void (*what)(void))
{
	pthread_t threads[BUSY];

	stop = false;
	for (int t = 0; t < BUSY; t++)
		REQUIRE(pthread_create(&threads[t], NULL, allocate_until_stopped, NULL) == 0);
	loop_interrupted(what);
	stop = true;
	for (int t = 0; t < BUSY; t++)
		pthread_join(threads[t], NULL);
}

TEST(child_exits)
{
	loop_interrupted(do_nothing);
}

TEST(child_execs)
{
	loop_interrupted(do_exec);
}

TEST(child_allocates)
{
	loop_interrupted(do_allocate);
}

TEST(child_exits_among_threads)
{
	loop_among_threads(do_nothing);
}

TEST(child_execs_among_threads)
{
	loop_among_threads(do_exec);
}
