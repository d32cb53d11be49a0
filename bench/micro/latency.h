/*
 * How long single calls take: a stopwatch around a call, and a histogram of what it read.
 *
 * The histogram is log-linear, after HdrHistogram (Tene, 2012): 64 slots a doubling, so that a
 * value is known to 1.6%, from one tick of the clock to hours, in 15 KiB of static memory.  Nothing
 * is allocated while calls are timed.
 *
 * What a stopwatch reads is more than a call costs in a loop: the processor finishes all that came
 * before, and then the call alone, so that nothing overlaps.  The cost of the stopwatch itself is
 * measured at start, and its median taken off each reading.  A reading is a multiple of the clock's
 * grain: 10 ns on some processors, 40 on others, so a p50 below a few grains says little.
 *
 * On a shared machine the far tail is not the allocator's alone.  A thread that is preempted within
 * a call reads milliseconds, an interrupt microseconds, and a page that the kernel must clear is in
 * there by right.  So the most is the least of the figures: it says what happened once.  A
 * percentile is reported only where at least 10 samples lie above it, and the runner takes the
 * median over repetitions, which drops what befell one of them.
 */
#pragma once

#include <cmath>
#include <cstdint>
#include <ctime>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace micro
{

inline uint64_t clock_ns()
{
	timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return uint64_t(t.tv_sec) * 1000000000 + uint64_t(t.tv_nsec);
}

/* Ticks of the clock: before a call when all earlier work is done, after it when it is done. */
#if defined(__x86_64__)
inline uint64_t ticks_before()
{
	_mm_lfence();
	uint64_t ticks = __rdtsc();
	_mm_lfence();
	return ticks;
}

inline uint64_t ticks_after()
{
	unsigned cpu;
	uint64_t ticks = __rdtscp(&cpu);

	_mm_lfence();
	return ticks;
}
#else
inline uint64_t ticks_before()
{
	return clock_ns();
}

inline uint64_t ticks_after()
{
	return clock_ns();
}
#endif

class histogram
{
      public:
	void clear()
	{
		*this = histogram();
	}

	void record(uint64_t ticks)
	{
		slot[index(ticks)]++;
		count++;
		if (ticks > most)
			most = ticks;
	}

	void add(const histogram &other)
	{
		for (unsigned i = 0; i < SLOTS; i++)
			slot[i] += other.slot[i];
		count += other.count;
		if (other.most > most)
			most = other.most;
	}

	uint64_t samples() const
	{
		return count;
	}

	uint64_t largest() const
	{
		return most;
	}

	/* Ticks that the given part of the samples, over 0 and at most 1, does not exceed. */
	uint64_t quantile(double part) const
	{
		uint64_t wanted = uint64_t(std::ceil(part * double(count)));
		uint64_t seen = 0;
		unsigned i = 0;

		while (i < SLOTS - 1 && (seen += slot[i]) < wanted)
			i++;
		return middle(i) < most ? middle(i) : most;
	}

	/*
	 * The slot of a value, and the value in the middle of a slot: values under 64 have slots of
	 * their own, and those from 2^e on share 64 slots of 2^(e - 6) values each.
	 */
	static unsigned index(uint64_t ticks)
	{
		unsigned shift;

		if (ticks < STEPS)
			return unsigned(ticks);
		shift = 63 - unsigned(__builtin_clzll(ticks)) - STEP_BITS;
		return shift * STEPS + unsigned(ticks >> shift);
	}

	static uint64_t middle(unsigned i)
	{
		unsigned shift;

		if (i < STEPS)
			return i;
		shift = i / STEPS - 1;
		return (uint64_t(STEPS + i % STEPS) << shift) + ((uint64_t(1) << shift) >> 1);
	}

      private:
	static constexpr unsigned STEP_BITS = 6;
	static constexpr unsigned STEPS = 1 << STEP_BITS;
	static constexpr unsigned SLOTS = (64 - STEP_BITS + 1) * STEPS;

	uint64_t count = 0;
	uint64_t most = 0;
	uint32_t slot[SLOTS] = {};
};

/* What calibrate() found. */
inline double tick_ns = 1;
inline uint64_t stopwatch_ticks;
inline uint64_t clock_grain = UINT64_MAX; /* the least step that was seen, in ticks */

/* Reads from its birth to its death; what lies between is the call. */
class stopwatch
{
      public:
	explicit stopwatch(histogram &to) : to(to), start(ticks_before())
	{
	}

	~stopwatch()
	{
		uint64_t ticks = ticks_after() - start;

		to.record(ticks > stopwatch_ticks ? ticks - stopwatch_ticks : 0);
	}

      private:
	histogram &to;
	uint64_t start;
};

/* A moment on both clocks: of many readings, the one that was least interrupted. */
struct moment {
	uint64_t ns;
	uint64_t ticks;
};

inline moment both_clocks()
{
	moment best = {};
	uint64_t shortest = UINT64_MAX;

	for (int i = 0; i < 100; i++) {
		uint64_t before = ticks_before();
		uint64_t ns = clock_ns();
		uint64_t took = ticks_after() - before;

		if (took < shortest) {
			shortest = took;
			best = {ns, before + took / 2};
		}
	}
	return best;
}

inline void calibrate()
{
	static histogram empty;
	const uint64_t long_enough_ns = 20000000;
	moment first = both_clocks();
	moment last;

	for (int i = 0; i < 100000; i++) {
		uint64_t before = ticks_before();
		uint64_t step = ticks_before() - before;

		if (step && step < clock_grain)
			clock_grain = step;
		stopwatch watch(empty);
	}
	stopwatch_ticks = empty.quantile(0.5);
	do
		last = both_clocks();
	while (last.ns - first.ns < long_enough_ns);
	tick_ns = double(last.ns - first.ns) / double(last.ticks - first.ticks);
}

} // namespace micro
