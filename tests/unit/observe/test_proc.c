/* What the kernel says of this process. */
#include "observe/proc.h"

#include "os_sim.h"
#include "test.h"

#include <errno.h>
#include <string.h>

TEST(the_program_has_a_name)
{
	char name[256], cut[5];

	proc_program(name, sizeof name);
	EXPECT_STR(name, "proc");
	proc_program(cut, sizeof cut);
	EXPECT_EQ(strlen(cut), 4);
}

TEST(what_is_touched_is_resident)
{
	/* or nothing would be written to what nobody reads */
	static volatile char touched[8 * MIB];
	size_t before, now, most;

	proc_resident(&before, &most);
	for (size_t i = 0; i < sizeof touched; i += 4096)
		touched[i] = 1;
	proc_resident(&now, &most);
	EXPECT(now >= before + 7 * MIB);
	EXPECT(most >= now);
}

TEST(where_no_file_can_be_opened_nothing_is_said_of_it)
{
	char name[16] = "x";
	size_t now = 1, most = 1;

	os_sim_refuse(OS_SIM_FILES, EMFILE);
	proc_program(name, sizeof name);
	EXPECT(!strcmp(name, "/sim/program"));
	proc_program(name, 5);
	EXPECT(!strcmp(name, "/sim"));
	proc_resident(&now, &most);
	EXPECT_EQ(now, 0);
	EXPECT(most > 0); /* that is no file's */
	EXPECT_EQ(proc_threads(), 0);
	os_sim_refuse(OS_SIM_FILES, 0);
}

TEST(a_file_that_breaks_off_counts_as_nothing)
{
	size_t now = 1, most;

	os_sim_file("/proc/self/statm", "12345", 5);
	proc_resident(&now, &most);
	EXPECT_EQ(now, 0);
	os_sim_file("/proc/self/statm", "12345 ", 6);
	proc_resident(&now, &most);
	EXPECT_EQ(now, 0);
	os_sim_file("/proc/self/statm", "12345 678 9", 11);
	proc_resident(&now, &most);
	EXPECT_EQ(now, 678 * os_page_size());
	EXPECT(most >= now);
	os_sim_file(NULL, NULL, 0);
	EXPECT_EQ(os_sim_open_files(), 0);
}

static size_t threads_said_by(const char *stat)
{
	size_t n;

	os_sim_file("/proc/self/stat", stat, strlen(stat));
	n = proc_threads();
	os_sim_file(NULL, NULL, 0);
	return n;
}

TEST(threads_are_counted_whatever_the_program_is_called)
{
	if (!test_emulated) /* qemu-user says 0 */
		EXPECT(proc_threads() >= 1);
	EXPECT_EQ(threads_said_by("7 (a) b) S 1 2 3 4 -1 6 7 8 9 10 11 12 13 14 20 -5 12 0"), 12);
	EXPECT_EQ(threads_said_by("7 (a) S 1 2 3 4 -1 6 7 8 9 10 11 12 13 14 20 0"), 0);
	EXPECT_EQ(threads_said_by(""), 0);
}
