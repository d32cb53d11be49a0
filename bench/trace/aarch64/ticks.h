/*
 * The processor's clock: before a call once all earlier work is done, after it once it is done.
 * It is a slow one, of 25 MHz to 1 GHz: what it times is a multiple of its tick.
 */
#pragma once

#include <stdint.h>

static inline uint64_t ticks_before(void)
{
	uint64_t ticks;

	__asm__ volatile("isb; mrs %0, cntvct_el0; isb" : "=r"(ticks) : : "memory");
	return ticks;
}

static inline uint64_t ticks_after(void)
{
	return ticks_before();
}
