#include "latency.h"

#include "ticks.h"

#include <string.h>
#include <time.h>

uint64_t latency_clock_ticks;
static double tick_ns = 1;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct moment {
	uint64_t ns, ticks;
};

/* A moment on both clocks: of many readings, the one that was least interrupted. */
static struct moment both_clocks(void)
{
	struct moment best = {0};
	uint64_t shortest = UINT64_MAX;

	for (int i = 0; i < 100; i++) {
		uint64_t before = ticks_before(), ns = now_ns(), took = ticks_after() - before;

		if (took < shortest) {
			shortest = took;
			best = (struct moment){ns, before + took / 2};
		}
	}
	return best;
}

/* The middle of a slot's values. */
static uint64_t value(unsigned i)
{
	unsigned shift;

	if (i < LATENCY_STEPS)
		return i;
	shift = i / LATENCY_STEPS - 1;
	return ((uint64_t)(LATENCY_STEPS + i % LATENCY_STEPS) << shift) +
	       (((uint64_t)1 << shift) >> 1);
}

static uint64_t quantile_ticks(const struct latency *latency, double part)
{
	double wanted = part * (double)latency->count;
	uint64_t seen = 0;
	unsigned i = 0;

	while (i < LATENCY_SLOTS - 1 && (double)(seen += latency->slot[i]) < wanted)
		i++;
	return value(i) < latency->most ? value(i) : latency->most;
}

void latency_start(void)
{
	static struct latency empty;
	struct moment first = both_clocks(), last;

	for (int i = 0; i < 100000; i++) {
		uint64_t before = ticks_before();

		latency_record(&empty, ticks_after() - before);
	}
	latency_clock_ticks = quantile_ticks(&empty, 0.5);
	do
		last = both_clocks();
	while (last.ns - first.ns < 20000000);
	tick_ns = (double)(last.ns - first.ns) / (double)(last.ticks - first.ticks);
}

void latency_add(struct latency *to, const struct latency *from)
{
	to->count += from->count;
	to->sum += from->sum;
	to->most = to->most > from->most ? to->most : from->most;
	for (unsigned i = 0; i < LATENCY_SLOTS; i++)
		to->slot[i] += from->slot[i];
}

double latency_quantile(const struct latency *latency, double part)
{
	return (double)quantile_ticks(latency, part) * tick_ns;
}

double latency_mean(const struct latency *latency)
{
	return latency->count ? (double)latency->sum / (double)latency->count * tick_ns : 0;
}

double latency_most(const struct latency *latency)
{
	return (double)latency->most * tick_ns;
}
