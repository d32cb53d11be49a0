/*
 * An allocator that is 2% slower than libc's, for the trial of bench/compare: it is libc's, and
 * spins for 2% of the time that has passed.  Compiled with SLOW_PERCENT, for that share; with
 * SLOW_SLEEPS it sleeps instead, which costs wall time and hardly any processor time.
 *
 * SLOW_PERCENT of 0 is what to compare with: the way through here costs something too.
 *
 * The clock is read at one call in 64.  The debt of time is paid when it is 100 microseconds; a
 * sleep takes some 50 more than asked for, which counts.
 */
#include <stdint.h>
#include <stddef.h>
#include <time.h>

#ifndef SLOW_PERCENT
#define SLOW_PERCENT 2
#endif
#ifndef SLOW_SLEEPS
#define SLOW_SLEEPS 0
#endif

enum { CALLS_BETWEEN = 64, LEAST_DEBT_NS = 100000 };

extern void *__libc_malloc(size_t size);

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void spend(int64_t ns)
{
	int64_t until = now_ns() + ns;
	struct timespec nap = {0, ns};

	if (SLOW_SLEEPS)
		nanosleep(&nap, NULL);
	else
		while (now_ns() < until)
			;
}

/* What was wasted is no time that has passed, or waste would be made for it too. */
static void pay(void)
{
	static int64_t started, wasted;
	int64_t now = now_ns(), debt;

	if (!started)
		started = now;
	debt = (now - started - wasted) * SLOW_PERCENT / 100 - wasted;
	if (debt < LEAST_DEBT_NS)
		return;
	spend(debt < 100000000 ? debt : 100000000);
	wasted += now_ns() - now;
}

void *malloc(size_t size)
{
	static __attribute__((tls_model("initial-exec"))) _Thread_local unsigned calls;

	if (++calls % CALLS_BETWEEN == 0)
		pay();
	return __libc_malloc(size);
}
