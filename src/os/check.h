/*
 * The three levels of trust.
 *
 *	CHECK         always: the heap or the caller is broken, go no further
 *	ASSERT        assert_level 1: pre- and postconditions, constant time
 *	ASSERT_SLOW   assert_level 2: whole structures, any time
 *
 * An x_check() proves the invariants of an x: it says by expect_eq() which one does not hold, and
 * returns false; it never ends the program.
 */
#pragma once

#include "base/compiler.h"
#include "config.h"

_Noreturn COLD void check_failed(const char *cond, const char *file, int line);

/* True when a == b, else says both in one line under the label of the invariant. */
bool check_equal(const char *label, const char *a_text, uint64_t a, const char *b_text, uint64_t b);

/* Of the pointers and the memory of the program, always; but in builds that show what it costs. */
#define IS_WRONG(cond) (CONFIG_CHECKS && UNLIKELY(cond))

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (UNLIKELY(!(cond)))                                                             \
			check_failed(#cond, __FILE__, __LINE__);                                   \
	} while (0)

#define ASSERT(cond)                                                                               \
	do {                                                                                       \
		if (CONFIG_ASSERT >= 1 && UNLIKELY(!(cond)))                                       \
			check_failed(#cond, __FILE__, __LINE__);                                   \
	} while (0)

#define ASSERT_SLOW(cond)                                                                          \
	do {                                                                                       \
		if (CONFIG_ASSERT >= 2 && UNLIKELY(!(cond)))                                       \
			check_failed(#cond, __FILE__, __LINE__);                                   \
	} while (0)

#define expect_eq(label, a, b) check_equal(label, #a, (uint64_t)(a), #b, (uint64_t)(b))
