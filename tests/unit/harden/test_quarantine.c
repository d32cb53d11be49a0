/* Freed objects wait their turn: bounded in bytes and objects, first in, first out. */
#include "harden/quarantine.h"

#include "cache/cache.h"

#include "os_sim.h"
#include "test.h"

#include <unistd.h>

static char object[20000];
static size_t left, left_bytes;

static void leave(void *mem, size_t nbytes)
{
	EXPECT(mem == &object[left]); /* in order */
	left++;
	left_bytes += nbytes;
}

/* What is said where the ring cannot be had. */
static const char *said_without_memory(void)
{
	static char said[200];
	int fds[2], err = dup(2);

	REQUIRE(pipe(fds) == 0 && dup2(fds[1], 2) == 2);
	os_sim_fail_from(1);
	EXPECT(!quarantine_start(MIB));
	os_sim_fail_from(0);
	dup2(err, 2);
	close(fds[1]);
	REQUIRE(read(fds[0], said, sizeof said - 1) >= 0);
	return said;
}

TEST(nothing_stays_before_there_is_a_ring)
{
	left = 0;
	quarantine_put(&object[0], 100, leave);
	EXPECT_EQ(left, 1);
	EXPECT_EQ(quarantine_flush(leave), 0);
	EXPECT_STR(said_without_memory(), "loam: quarantine: no memory for its table; ");
	quarantine_put(&object[1], 100, leave);
	EXPECT_EQ(left, 2);
}

TEST(the_oldest_leave_when_there_is_too_much)
{
	left = left_bytes = 0;
	REQUIRE(quarantine_start(64 * KIB));
	for (size_t i = 0; i < 100; i++)
		quarantine_put(&object[i], 1024, leave);
	EXPECT_EQ(left, 100 - 64);
	EXPECT_EQ(quarantine_flush(leave), 64 * KIB);
	EXPECT_EQ(left, 100);
	EXPECT_EQ(left_bytes, 100 * 1024);
}

TEST(the_oldest_leave_when_there_are_too_many)
{
	left = 0;
	for (size_t i = 0; i < sizeof object; i++)
		quarantine_put(&object[i], 1, leave);
	EXPECT(left > sizeof object - 5000);
	quarantine_flush(leave);
	EXPECT_EQ(left, sizeof object);
}

TEST(what_is_too_large_passes_through)
{
	left = 0;
	quarantine_put(&object[0], 64 * KIB + 1, leave);
	EXPECT_EQ(left, 1);
}

/* However small those are that have to leave for a large one. */
TEST(as_many_leave_as_have_to)
{
	size_t put = 0;

	left = left_bytes = 0;
	for (size_t i = 0; i < 4000; i++, put += 16)
		quarantine_put(&object[i], 16, leave);
	EXPECT_EQ(left, 0);
	quarantine_put(&object[4000], 60 * KIB, leave);
	put += 60 * KIB;
	put -= left_bytes;
	EXPECT(put <= 64 * KIB);
	EXPECT_EQ(quarantine_flush(leave), put);
	EXPECT_EQ(left, 4001);
}

static void leave_and_bring(void *mem, size_t nbytes)
{
	leave(mem, nbytes);
	REQUIRE(left < 1000);
	quarantine_put(mem, nbytes, leave);
}

/* Else the end of a process would wait for its other threads to stop. */
TEST(what_comes_during_a_flush_stays)
{
	left = 0;
	for (size_t i = 0; i < 100; i++)
		quarantine_put(&object[i], 16, leave);
	EXPECT_EQ(quarantine_flush(leave_and_bring), 100 * 16);
	EXPECT_EQ(left, 100);
	left = 0;
	EXPECT_EQ(quarantine_flush(leave), 100 * 16);
}

/* As in a signal handler that interrupted a call. */
TEST(who_holds_the_lock_neither_puts_nor_flushes)
{
	left = 0;
	quarantine_put(&object[2], 16, leave);
	lock_acquire(&quarantine_lock);
	quarantine_put(&object[0], 16, leave);
	EXPECT_EQ(left, 1);
	EXPECT_EQ(quarantine_flush(leave), 0);
	lock_release(&quarantine_lock);
	EXPECT_EQ(left, 1);
	REQUIRE(cache_begin()); /* as in a handler inside loam, which takes no lock */
	quarantine_put(&object[1], 16, leave);
	EXPECT_EQ(left, 2);
	EXPECT_EQ(quarantine_flush(leave), 0);
	cache_end();
	quarantine_flush(leave);
	EXPECT_EQ(left, 3);
}
