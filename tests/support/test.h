/*
 * The harness of every C test: a test is a function, a file is a program.
 *
 *	TEST(name) { EXPECT_EQ(1 + 1, 2); }
 *
 * The program runs its tests in the order of the file, or those named on its
 * command line, and exits with 0 when all expectations held, 77 when a test
 * asked to be skipped (with its reason) and none failed, else 1.  A failed
 * expectation prints both values and the test goes on; REQUIRE ends the test
 * program at once.  Nothing here allocates, so that an allocator can be
 * under test, preloaded or not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define TEST(name)                                                                                 \
	static void name(void);                                                                    \
	__attribute__((constructor)) static void register_##name(void)                             \
	{                                                                                          \
		test_register(#name, name);                                                        \
	}                                                                                          \
	static void name(void)

#define EXPECT(cond) test_expect(!!(cond), #cond, __FILE__, __LINE__)
#define REQUIRE(cond)                                                                              \
	do {                                                                                       \
		if (!EXPECT(cond))                                                                 \
			test_stop();                                                               \
	} while (0)

/* Integers and pointers of any width; both values are printed when they differ. */
#define EXPECT_EQ(a, b)                                                                            \
	test_expect_eq((intmax_t)(a), (intmax_t)(b), #a " == " #b, __FILE__, __LINE__)
#define EXPECT_STR(text, part) test_expect_str(text, part, __FILE__, __LINE__)

/* Runs body(arg) in a child with standard error caught: it must die by SIGABRT and have printed
   part. */
#define EXPECT_ABORT(body, arg, part) test_expect_abort(body, arg, part, __FILE__, __LINE__)

void test_register(const char *name, void (*body)(void));
bool test_expect(bool held, const char *what, const char *file, int line);
bool test_expect_eq(intmax_t a, intmax_t b, const char *what, const char *file, int line);
bool test_expect_str(const char *text, const char *part, const char *file, int line);
bool test_expect_abort(void (*body)(void *), void *arg, const char *part, const char *file,
		       int line);

/* Expectations of the running test that did not hold so far: for children, whose parent cannot
   see. */
int test_failures(void);

/* Ends this test program as failed. */
_Noreturn void test_stop(void);

/* Ends the running test as skipped, for the reason that is printed. */
_Noreturn void test_skip(const char *reason);

/* Whether a child may be traced here. */
bool test_may_trace(void);

/* Whether reading mem ends a child by a fault. */
bool test_is_unreadable(const char *mem);

/* Whether the program runs on valgrind. */
bool test_on_valgrind(void);

/* Whether the test's program runs under qemu-user, which lacks some of what a kernel does. */
extern const bool test_emulated;

/* The seed of this run: LOAM_TEST_SEED, else from the clock; printed when first asked for. */
uint64_t test_seed(void);

/* A folder for files, made when it is first asked for, and removed with its files when all tests
   have run. A test whose children write there asks for it before it forks. */
const char *test_folder(void);

/* The next number of a xorshift generator; state must not be zero. */
static inline uint64_t test_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}
