/*
 * The three levels of trust.
 *
 *	CHECK         always: the heap or the caller is broken, go no further
 *	ASSERT        assert_level 1: pre- and postconditions, constant time
 *	ASSERT_SLOW   assert_level 2: whole structures, any time
 *
 * An x_check() proves the invariants of an x.  It says which one does not hold
 * through expect() and returns false; it never ends the program itself, so that
 * tests and loam_check() can call it.
 */
#pragma once

#include "base/compiler.h"
#include "base/report.h"
#include "config.h"

/* Of the pointers and the memory of the program, always; but in builds that show what it costs. */
#define IS_WRONG(cond) (CONFIG_CHECKS && UNLIKELY(cond))

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (UNLIKELY(!(cond)))                                                             \
			report_check(#cond, __FILE__, __LINE__);                                   \
	} while (0)

#define ASSERT(cond)                                                                               \
	do {                                                                                       \
		if (CONFIG_ASSERT >= 1 && UNLIKELY(!(cond)))                                       \
			report_check(#cond, __FILE__, __LINE__);                                   \
	} while (0)

#define ASSERT_SLOW(cond)                                                                          \
	do {                                                                                       \
		if (CONFIG_ASSERT >= 2 && UNLIKELY(!(cond)))                                       \
			report_check(#cond, __FILE__, __LINE__);                                   \
	} while (0)

/*
 * For x_check() functions: true when a == b; else prints the invariant's label
 * with the pair that disagrees, and is false.
 */
#define expect_eq(label, a, b) report_expect(label, #a, (uint64_t)(a), #b, (uint64_t)(b))
