/* The time, with and without the vdso, and not by the program's clock_gettime. */
#include "os/clock.h"

#include "test.h"

#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

static int called;

int clock_gettime(clockid_t clock, struct timespec *time)
{
	(void)clock, (void)time;
	called++;
	return -1;
}

static uint64_t by_the_system(clockid_t clock)
{
	struct timespec now;

	REQUIRE(syscall(SYS_clock_gettime, clock, &now) == 0);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void expect_the_time(void)
{
	static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE};

	for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
		uint64_t before = by_the_system(clocks[i]), now = clock_read(clocks[i]);

		EXPECT(now >= before && now <= by_the_system(clocks[i]));
	}
	EXPECT_EQ(called, 0);
}

TEST(before_the_start)
{
	expect_the_time();
}

TEST(without_a_vdso)
{
	clock_start(0);
	expect_the_time();
}

TEST(by_the_vdso)
{
	if (!getauxval(AT_SYSINFO_EHDR))
		test_skip("no vdso");
	clock_start(getauxval(AT_SYSINFO_EHDR));
	expect_the_time();
}
