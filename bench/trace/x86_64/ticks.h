/* The processor's clock: before a call once all earlier work is done, after it once it is done. */
#pragma once

#include <stdint.h>
#include <x86intrin.h>

static inline uint64_t ticks_before(void)
{
	uint64_t ticks;

	_mm_lfence();
	ticks = __rdtsc();
	_mm_lfence();
	return ticks;
}

static inline uint64_t ticks_after(void)
{
	unsigned cpu;
	uint64_t ticks = __rdtscp(&cpu);

	_mm_lfence();
	return ticks;
}
