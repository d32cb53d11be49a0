/* How many mappings a process may have, by what the kernel's file says. */
#include "os/mappings.h"

#include "os_sim.h"
#include "test.h"

#include <string.h>

static const char path[] = "/proc/sys/vm/max_map_count";

static size_t budget_by(const char *text)
{
	os_sim_file(path, text, strlen(text));
	mappings_read();
	os_sim_file(path, NULL, 0);
	EXPECT_EQ(os_sim_open_files(), 0);
	return mappings_budget();
}

TEST(it_is_half_of_what_the_kernel_allows)
{
	EXPECT_EQ(budget_by("10000\n"), 5000);
	EXPECT_EQ(budget_by("1048576\n"), 524288);
	EXPECT_EQ(budget_by("2147483647\n"), 1073741823);
}

TEST(what_is_no_number_leaves_the_default)
{
	EXPECT_EQ(budget_by("10000\n"), 5000);
	EXPECT_EQ(budget_by(""), MAPPINGS_BY_DEFAULT / 2);
	EXPECT_EQ(budget_by("many\n"), MAPPINGS_BY_DEFAULT / 2);
	EXPECT_EQ(budget_by("0\n"), MAPPINGS_BY_DEFAULT / 2);
	EXPECT_EQ(budget_by("max\n"), MAPPINGS_BY_DEFAULT / 2);
}

TEST(a_file_that_cannot_be_read_leaves_the_default)
{
	EXPECT_EQ(budget_by("10000\n"), 5000);
	os_sim_refuse(OS_SIM_READS, EIO);
	EXPECT_EQ(budget_by("10000\n"), MAPPINGS_BY_DEFAULT / 2);
	os_sim_refuse(OS_SIM_READS, 0);
	EXPECT_EQ(budget_by("10000\n"), 5000);
	os_sim_refuse(OS_SIM_FILES, EACCES);
	EXPECT_EQ(budget_by("10000\n"), MAPPINGS_BY_DEFAULT / 2);
	os_sim_refuse(OS_SIM_FILES, 0);
}
