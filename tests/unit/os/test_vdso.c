/* The time and where a thread runs, with and without the vdso, and not by the program's
   clock_gettime. */
#include "os/vdso.h"

#include "test.h"

#include <sched.h>
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
		uint64_t before = by_the_system(clocks[i]), now = vdso_clock(clocks[i]);

		EXPECT(now >= before && now <= by_the_system(clocks[i]));
	}
	EXPECT_EQ(called, 0);
}

TEST(the_time_before_the_start)
{
	expect_the_time();
}

TEST(the_processor_is_the_first_before_the_start_and_without_a_vdso)
{
	for (int i = 0; i < 2; i++) {
		unsigned cpu = 7, node = 7;

		vdso_where(&cpu, &node);
		EXPECT_EQ(cpu + node, 0);
		vdso_start(0);
	}
}

TEST(the_time_without_a_vdso)
{
	vdso_start(0);
	expect_the_time();
}

TEST(the_time_by_the_vdso)
{
	if (!getauxval(AT_SYSINFO_EHDR))
		test_skip("no vdso");
	vdso_start(getauxval(AT_SYSINFO_EHDR));
	expect_the_time();
}

/* On each processor in turn that the process may run on. */
TEST(the_processor_is_what_the_system_says)
{
	cpu_set_t all, one;

	if (!getauxval(AT_SYSINFO_EHDR))
		test_skip("there is no vdso");
	vdso_start(getauxval(AT_SYSINFO_EHDR));
	REQUIRE(sched_getaffinity(0, sizeof all, &all) == 0);
	for (unsigned i = 0; i < CPU_SETSIZE; i++) {
		unsigned cpu, node, cpu_there, node_there;

		if (!CPU_ISSET(i, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		if (sched_setaffinity(0, sizeof one, &one) != 0)
			continue; /* it was taken away meanwhile */
		REQUIRE(syscall(SYS_getcpu, &cpu_there, &node_there, NULL) == 0);
		vdso_where(&cpu, &node);
#if defined(__x86_64__)
		EXPECT_EQ(cpu, cpu_there);
		EXPECT_EQ(node, node_there);
#else
		EXPECT((cpu == cpu_there && node == node_there) || (cpu == 0 && node == 0));
#endif
	}
	sched_setaffinity(0, sizeof all, &all);
}
