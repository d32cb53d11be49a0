/*
 * How long single calls took: a histogram of ticks.
 *
 * Log-linear, after HdrHistogram (Tene, 2012): 32 slots a doubling, so that a value is known to 3%.
 * The cost of reading the clock is measured at start, and its median taken off each reading.  What
 * remains is more than a call costs in a loop, since the processor finishes what came before, and
 * then the call alone.  The far tail is the machine's too: whoever is preempted within a call reads
 * milliseconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	LATENCY_STEP_BITS = 5,
	LATENCY_STEPS = 1 << LATENCY_STEP_BITS,
	LATENCY_SLOTS = (64 - LATENCY_STEP_BITS + 1) * LATENCY_STEPS,
};

struct latency {
	uint64_t count, sum, most;
	uint32_t slot[LATENCY_SLOTS];
};

/* Measures the clock: how long a tick is, and what reading it costs.  Takes some 20 ms. */
void latency_start(void);

/* What reading the clock twice costs, in ticks. */
extern uint64_t latency_clock_ticks;

static inline unsigned latency_index(uint64_t ticks)
{
	unsigned shift;

	if (ticks < LATENCY_STEPS)
		return (unsigned)ticks;
	shift = 63 - (unsigned)__builtin_clzll(ticks) - LATENCY_STEP_BITS;
	return shift * LATENCY_STEPS + (unsigned)(ticks >> shift);
}

/* Counts a call; ticks is what was read around it. */
static inline void latency_record(struct latency *latency, uint64_t ticks)
{
	ticks = ticks > latency_clock_ticks ? ticks - latency_clock_ticks : 0;
	latency->slot[latency_index(ticks)]++;
	latency->count++;
	latency->sum += ticks;
	if (ticks > latency->most)
		latency->most = ticks;
}

void latency_add(struct latency *to, const struct latency *from);

/* Nanoseconds that the given part of the calls, over 0 and at most 1, did not exceed. */
double latency_quantile(const struct latency *latency, double part);
double latency_mean(const struct latency *latency);
double latency_most(const struct latency *latency);
