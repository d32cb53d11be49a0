/*
 * A malloc in front of loam's (front_malloc.c) sees what C++ allocates and what reallocarray does,
 * as it sees it with libc and libstdc++; in threads that began hot as well.
 */
#include "every_operator.h"
extern "C" {
#define _Noreturn [[noreturn]] /* the harness is C */
#include "test.h"
}

#include <cstdlib>
#include <dlfcn.h>
#include <pthread.h>

enum { ROUNDS = 1000 };

static long count(const char *name)
{
	long *found = static_cast<long *>(dlsym(RTLD_DEFAULT, name));

	return found ? *found : -1;
}

static void expect_all_seen()
{
	long allocated = count("front_allocated"), freed = count("front_freed");

	for (int i = 0; i < ROUNDS; i++)
		call_every_operator(std::size_t(i % 200));
	EXPECT_EQ(count("front_allocated") - allocated, ROUNDS * OPERATOR_PAIRS);
	EXPECT_EQ(count("front_freed") - freed, ROUNDS * OPERATOR_PAIRS);
}

TEST(every_operator_is_seen)
{
	expect_all_seen();
}

static void *in_a_thread(void *unused)
{
	for (int i = 0; i < ROUNDS; i++)
		std::free(std::malloc(100));
	expect_all_seen();
	return unused;
}

TEST(every_operator_is_seen_in_a_thread)
{
	pthread_t thread;

	REQUIRE(pthread_create(&thread, nullptr, in_a_thread, nullptr) == 0);
	pthread_join(thread, nullptr);
}

TEST(reallocarray_is_seen)
{
	long allocated = count("front_allocated");
	void *volatile mem = reallocarray(nullptr, 10, 10);

	EXPECT_EQ(count("front_allocated") - allocated, 1);
	std::free(mem);
}

TEST(memory_runs_out_as_ever)
{
	volatile std::size_t impossible = std::size_t(-1) / 2;
	bool thrown = false;

	EXPECT(operator new(impossible, std::nothrow) == nullptr);
	try {
		operator_result = operator new[](impossible);
	} catch (const std::bad_alloc &) {
		thrown = true;
	}
	EXPECT(thrown);
}
