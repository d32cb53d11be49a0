/*
 * Signal handlers that allocate, resize and free large blocks of all kinds, in the middle of every
 * call of the allocator's, while another thread is at it too: what the handler gets is whole, and
 * the call that it interrupted goes on as if nothing had been.  Small ones come by the fast path,
 * which is not closed to handlers (docs/locking.md).
 */
#include "test.h"

#include "process.h"

#include <malloc.h>
#include <pthread.h>
#include <time.h>

enum { INTERRUPTIONS = 200, MOST_NANOSECONDS = 200 * 1000, LARGEST_CLASS = 32 << 10, LEAVERS = 3 };

bool loam_check(void) __attribute__((weak));

static volatile int interruptions;
static bool stop; /* atomic */
static uint64_t state;
static timer_t timer;

/* So late that the interrupted call goes on for a while. */
static void interrupt_again(void)
{
	struct itimerspec next = {.it_value.tv_nsec =
					  1000 + (long)(test_random(&state) % MOST_NANOSECONDS)};

	timer_settime(timer, 0, &next, NULL);
}

static void allocate_large(void)
{
	for (int i = 0; i < EVERY_SIZE; i++) {
		struct block b, zeroed;

		if (every_size[i] <= LARGEST_CLASS)
			continue;
		b = block_new(every_size[i]);
		zeroed = (struct block){calloc(1, every_size[i] / 8 * 9), every_size[i] / 8 * 9};
		MUST(zeroed.mem && block_holds(zeroed.mem, zeroed.nbytes, 0));
		b = block_grow(b);
		free(zeroed.mem);
		block_free(b);
	}
}

static void on_tick(int signal)
{
	int saved = errno;

	(void)signal;
	allocate_large();
	interruptions++;
	interrupt_again();
	errno = saved;
}

static void leave_signals_to_others(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static void *allocate_until_stopped(void *unused)
{
	leave_signals_to_others();
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		allocate_every_size();
	return unused;
}

/* Repeats a call until it was interrupted often enough. */
static void interrupt(void (*call)(void))
{
	struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	pthread_t other;

	state = test_seed();
	stop = false;
	REQUIRE(pthread_create(&other, NULL, allocate_until_stopped, NULL) == 0);
	sigaction(SIGUSR1, &action, NULL);
	REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	interruptions = 0;
	interrupt_again();
	while (interruptions < INTERRUPTIONS)
		call();
	timer_delete(timer);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(other, NULL);
	EXPECT(!loam_check || loam_check());
}

/* Of mappings and runs, some of which stay where they are and some of which move. */
static void call_resize(void)
{
	void *large = malloc(6 << 20), *run = malloc(500000);

	for (size_t i = 1; i < 8; i++) {
		large = realloc(large, (i % 3 + 1) * (5 << 20));
		run = realloc(run, (i % 3 + 1) * 300000);
		MUST(large && run);
	}
	free(large);
	free(run);
}

/* Runs that the arena keeps, more than it can. */
static void call_runs(void)
{
	void *run[40];

	for (int i = 0; i < 40; i++)
		MUST(run[i] = malloc(150000 + (size_t)i * 4096));
	for (int i = 0; i < 40; i++)
		free(run[i]);
}

static void call_info(void)
{
	static char text[1 << 20];
	FILE *stream = fmemopen(text, sizeof text, "w");

	malloc_info(0, stream);
	fclose(stream);
}

static void call_mallinfo(void)
{
	mallinfo2();
}

static pthread_barrier_t all_live;

static void *leave_something(void *unused)
{
	leave_signals_to_others();
	allocate_every_size();
	pthread_barrier_wait(&all_live);
	return unused;
}

/* What threads that have ended left behind, too, each an arena. */
static void call_trim(void)
{
	pthread_t threads[LEAVERS];

	pthread_barrier_init(&all_live, NULL, LEAVERS);
	for (int i = 0; i < LEAVERS; i++)
		MUST(pthread_create(&threads[i], NULL, leave_something, NULL) == 0);
	for (int i = 0; i < LEAVERS; i++)
		pthread_join(threads[i], NULL);
	interrupt_again();
	malloc_trim(0);
}

static void call_check(void)
{
	EXPECT(!loam_check || loam_check());
}

static void call_aligned(void)
{
	for (int i = 0; i < EVERY_SIZE; i++) {
		void *mem = every_size[i] > LARGEST_CLASS ? memalign(8192, every_size[i]) : NULL;

		EXPECT(!mem || malloc_usable_size(mem) >= every_size[i]);
		free(mem);
	}
}

TEST(allocation_and_resizing_are_interrupted)
{
	interrupt(allocate_large);
}

TEST(aligned_allocation_is_interrupted)
{
	interrupt(call_aligned);
}

TEST(resizing_of_large_blocks_is_interrupted)
{
	interrupt(call_resize);
}

TEST(runs_are_kept_and_taken_interrupted)
{
	interrupt(call_runs);
}

TEST(trimming_is_interrupted)
{
	interrupt(call_trim);
}

TEST(mallinfo_is_interrupted)
{
	interrupt(call_mallinfo);
}

TEST(malloc_info_is_interrupted)
{
	interrupt(call_info);
}

TEST(the_check_is_interrupted)
{
	interrupt(call_check);
}
