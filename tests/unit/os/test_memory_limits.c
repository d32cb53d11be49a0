/* What the system lets a process have, by texts of both versions, where it refuses, and in a
   child. */
#include "os/memory_limits.h"

#include "os/files.h"
#include "os_sim.h"
#include "test.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOUNT_V1 "35 31 0:32 / /sim/mem rw,relatime - cgroup cgroup rw,memory\n"
#define MOUNT_V2 "41 31 0:38 / /sim/cg rw,relatime - cgroup2 cgroup2 rw\n"

/* Pages of the process: mapped, resident, shared, and of data. */
static char statm[80];

static void set_sizes(size_t mapped, size_t anonymous, size_t data)
{
	size_t page = os_page_size();

	snprintf(statm, sizeof statm, "%zu %zu 10 5 0 %zu 0\n", mapped / page,
		 anonymous / page + 10, data / page);
}

/* Each test finds the places anew. */
static void begin(const struct os_sim_text *texts)
{
	memory_limits_recover();
	os_sim_texts(texts);
}

static size_t read_now(size_t held)
{
	size_t allowed = 1;

	REQUIRE(memory_limits_read(held, 0, &allowed));
	EXPECT_EQ(os_sim_open_files(), 0);
	return allowed;
}

#define PROCESS(groups, mounts)                                                                    \
	{"/proc/self/cgroup", groups}, {"/proc/self/mountinfo", mounts},                           \
	{                                                                                          \
		"/proc/self/statm", statm                                                          \
	}

TEST(nothing_limits_it)
{
	static const struct os_sim_text texts[] = {PROCESS("0::/a\n", MOUNT_V2),
						   {"/sim/cg/a/memory.max", "max\n"},
						   {"/sim/cg/a/memory.high", "max\n"},
						   {NULL, NULL}};

	set_sizes(100 * MIB, 10 * MIB, 50 * MIB);
	begin(texts);
	EXPECT_EQ(read_now(9 * MIB), SIZE_MAX);
}

/* 64 MiB, 2 of it margin, 30 used, of which 4 can be taken back and 10 are the caller's. */
TEST(a_group_of_version_2)
{
	static const struct os_sim_text texts[] = {
		PROCESS("4:cpu:/x\n0::/a\n", MOUNT_V1 MOUNT_V2),
		{"/sim/cg/a/memory.max", "67108864\n"},
		{"/sim/cg/a/memory.high", "max\n"},
		{"/sim/cg/a/memory.current", "31457280\n"},
		{"/sim/cg/a/memory.stat",
		 "anon 5\nfile 6\ninactive_file 1048576\nactive_file 2097152\nslab_reclaimable "
		 "1048576\n"},
		{NULL, NULL}};

	set_sizes(100 * MIB, 12 * MIB, 50 * MIB);
	begin(texts);
	EXPECT_EQ(read_now(10 * MIB), 62 * MIB - 16 * MIB);
	EXPECT_EQ(read_now(40 * MIB),
		  62 * MIB - 14 * MIB); /* what nobody has touched is in no usage */
}

TEST(a_group_of_version_1_and_one_above_it)
{
	static const struct os_sim_text texts[] = {
		PROCESS("0::/\n3:memory:/a/b/c\n", MOUNT_V2 MOUNT_V1),
		{"/sim/mem/a/b/c/memory.limit_in_bytes", "9223372036854771712\n"},
		{"/sim/mem/a/b/memory.limit_in_bytes", "134217728\n"},
		{"/sim/mem/a/b/memory.usage_in_bytes", "67108864\n"},
		{"/sim/mem/a/b/memory.stat", "inactive_file 4096\ntotal_inactive_file 33554432\n"},
		{"/sim/mem/a/memory.limit_in_bytes", "1073741824\n"},
		{"/sim/mem/a/memory.usage_in_bytes", "1065353216\n"},
		{"/sim/mem/a/memory.stat", "total_active_file 0\n"},
		{"/sim/mem/memory.limit_in_bytes", "9223372036854771712\n"},
		{NULL, NULL}};

	set_sizes(100 * MIB, 20 * MIB, 50 * MIB);
	begin(texts);
	/* The group leaves 125 - (32 - 20), the one above 1007 - (1016 - 20), which is less. */
	EXPECT_EQ(read_now(20 * MIB), 11 * MIB);
}

TEST(the_lower_one_of_max_and_high)
{
	static const struct os_sim_text texts[] = {
		PROCESS("0::/a\n", "1 2 0:3 /a /sim/cg rw - cgroup2 none rw\n"),
		{"/sim/cg/memory.max", "max\n"},
		{"/sim/cg/memory.high", "33554432\n"},
		{"/sim/cg/memory.current", "20971520\n"},
		{NULL, NULL}};

	set_sizes(100 * MIB, 20 * MIB, 50 * MIB);
	begin(texts); /* in a namespace, the mount is the group */
	EXPECT_EQ(read_now(20 * MIB), 31 * MIB);
}

TEST(limits_of_addresses)
{
	static const struct os_sim_text texts[] = {PROCESS("", ""), {NULL, NULL}};
	size_t allowed;

	set_sizes(60 * MIB, 10 * MIB, 50 * MIB);
	begin(texts);
	os_sim_set_address_limits(100 * MIB, SIZE_MAX);
	EXPECT_EQ(read_now(10 * MIB), 50 * MIB);
	REQUIRE(memory_limits_read(10 * MIB, 30 * MIB,
				   &allowed)); /* spare memory is the caller's */
	EXPECT_EQ(allowed, 80 * MIB);
	os_sim_set_address_limits(100 * MIB, 70 * MIB);
	EXPECT_EQ(read_now(10 * MIB), 30 * MIB);
	os_sim_set_address_limits(SIZE_MAX, 40 * MIB);
	EXPECT_EQ(read_now(10 * MIB), 0);
	os_sim_set_address_limits(SIZE_MAX, SIZE_MAX);
}

TEST(where_the_system_refuses_the_last_value_stands)
{
	static const struct os_sim_text texts[] = {PROCESS("0::/a\n", MOUNT_V2),
						   {"/sim/cg/a/memory.max", "67108864\n"},
						   {"/sim/cg/a/memory.current", "0\n"},
						   {NULL, NULL}};
	static const struct os_sim_text gone[] = {{"/proc/self/statm", statm}, {NULL, NULL}};
	size_t allowed = 5;

	set_sizes(60 * MIB, 10 * MIB, 50 * MIB);
	begin(texts);
	EXPECT_EQ(read_now(0), 62 * MIB);
	os_sim_refuse(OS_SIM_FILES, EPERM); /* a filter of system calls, or no descriptor */
	EXPECT(!memory_limits_read(0, 0, &allowed));
	os_sim_refuse(OS_SIM_FILES, 0);
	os_sim_texts(gone); /* in another root */
	EXPECT(!memory_limits_read(0, 0, &allowed));
	os_sim_texts(texts);
	os_sim_refuse(OS_SIM_LIMITS, ENOSYS);
	EXPECT(!memory_limits_read(0, 0, &allowed));
	os_sim_refuse(OS_SIM_LIMITS, 0);
	EXPECT_EQ(allowed, 5);
	EXPECT_EQ(read_now(0), 62 * MIB);
}

TEST(lines_longer_than_any_and_reads_of_a_byte)
{
	static char mounts[30000];
	static struct os_sim_text texts[] = {PROCESS("0::/a\n", mounts),
					     {"/sim/cg/a/memory.max", "67108864\n"},
					     {"/sim/cg/a/memory.current", "0\n"},
					     {NULL, NULL}};

	memset(mounts, 'x', 20000);
	snprintf(mounts + 20000, 5000, "\n%s", MOUNT_V2);
	set_sizes(60 * MIB, 10 * MIB, 50 * MIB);
	os_sim_read_most(1);
	begin(texts);
	EXPECT_EQ(read_now(0), 62 * MIB);
	os_sim_read_most(SIZE_MAX);
}

#define SOME(percent) "some avg10=" percent " avg60=0.00 avg300=0.00 total=1\nfull avg10=90.00\n"

TEST(pressure_in_the_group_or_else_in_the_system)
{
	static const struct os_sim_text texts[] = {PROCESS("0::/a\n", MOUNT_V2),
						   {"/proc/pressure/memory", SOME("70.00")},
						   {"/sim/cg/a/memory.pressure", SOME("12.50")},
						   {NULL, NULL}};
	static const struct os_sim_text older[] = {PROCESS("3:memory:/a\n", MOUNT_V1),
						   {"/proc/pressure/memory", SOME("70.00")},
						   {NULL, NULL}};

	set_sizes(60 * MIB, 10 * MIB, 50 * MIB);
	begin(texts);
	EXPECT_EQ(memory_limits_pressure(), 0); /* the group is not known yet */
	EXPECT_EQ(read_now(0), SIZE_MAX);
	EXPECT_EQ(memory_limits_pressure(), 12);
	begin(older);
	EXPECT_EQ(read_now(0), SIZE_MAX);
	EXPECT_EQ(memory_limits_pressure(), 70);
	os_sim_refuse(OS_SIM_FILES, EPERM);
	EXPECT_EQ(memory_limits_pressure(), 0);
	os_sim_refuse(OS_SIM_FILES, 0);
	REQUIRE(lock_try(&memory_limits_lock));
	EXPECT_EQ(memory_limits_pressure(), 0);
	lock_release(&memory_limits_lock);
	EXPECT_EQ(os_sim_open_files(), 0);
}

static void read_twice(void *texts)
{
	size_t allowed;

	begin(texts);
	for (int i = 0; i < 2; i++)
		if (!memory_limits_read(0, 0, &allowed) || allowed != SIZE_MAX)
			return;
	abort();
}

TEST(what_is_no_number_is_said_and_limits_nothing)
{
	static struct os_sim_text texts[] = {PROCESS("0::/a\n", MOUNT_V2),
					     {"/sim/cg/a/memory.max", "64 apples\n"},
					     {NULL, NULL}};

	set_sizes(60 * MIB, 10 * MIB, 50 * MIB);
	EXPECT_ABORT(
		read_twice, texts,
		"loam: limit=auto: /sim/cg/a/memory.max says '64 apples', which is no size; it "
		"is ignored\n");
}

TEST(a_group_that_no_mount_shows_is_said)
{
	static struct os_sim_text texts[] = {PROCESS("0::/a\n", "20 1 8:1 / / rw - ext4 x rw\n"),
					     {NULL, NULL}};

	set_sizes(60 * MIB, 10 * MIB, 50 * MIB);
	EXPECT_ABORT(read_twice, texts,
		     "loam: limit=auto: the process's memory cgroup is not mounted here; its limit "
		     "is unknown, and only ulimit -v and -d are obeyed\n");
}

TEST(one_reader_at_a_time)
{
	static const struct os_sim_text texts[] = {PROCESS("", ""), {NULL, NULL}};
	size_t allowed = 5;

	set_sizes(60 * MIB, 10 * MIB, 50 * MIB);
	begin(texts);
	REQUIRE(lock_try(&memory_limits_lock));
	EXPECT(!memory_limits_read(0, 0, &allowed));
	EXPECT_EQ(allowed, 5);
	lock_release(&memory_limits_lock);
	EXPECT_EQ(read_now(0), SIZE_MAX);
}
