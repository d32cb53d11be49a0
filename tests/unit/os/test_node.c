/* Where a thread runs, with and without the vdso. */
#include "os/node.h"

#include "test.h"

#include <sched.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

TEST(before_the_start_and_without_a_vdso_it_is_the_first)
{
	for (int i = 0; i < 2; i++) {
		unsigned cpu = 7, node = 7;

		node_read(&cpu, &node);
		EXPECT_EQ(cpu + node, 0);
		node_start(0);
	}
}

/* On each processor in turn that the process may run on. */
TEST(it_is_what_the_system_says)
{
	cpu_set_t all, one;

	if (!getauxval(AT_SYSINFO_EHDR))
		test_skip("there is no vdso");
	node_start(getauxval(AT_SYSINFO_EHDR));
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
		node_read(&cpu, &node);
#if defined(__x86_64__)
		EXPECT_EQ(cpu, cpu_there);
		EXPECT_EQ(node, node_there);
#else
		EXPECT((cpu == cpu_there && node == node_there) || (cpu == 0 && node == 0));
#endif
	}
	sched_setaffinity(0, sizeof all, &all);
}
