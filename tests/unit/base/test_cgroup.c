/* The kernel's texts on memory cgroups, as both versions write them, and as none does. */
#include "base/cgroup.h"

#include "test.h"

#include <string.h>

#define EXPECT_SAME(text, same) EXPECT(strcmp(text, same) == 0)

static const char *path;

#define GROUP(line) cgroup_group(line, &path)

TEST(the_group_is_found_in_both_versions)
{
	EXPECT_EQ(GROUP("0::/user.slice/a.service"), CGROUP_V2);
	EXPECT_SAME(path, "/user.slice/a.service");
	EXPECT_EQ(GROUP("0::/"), CGROUP_V2);
	EXPECT_SAME(path, "/");
	EXPECT_EQ(GROUP("4:memory:/docker/abc"), CGROUP_V1);
	EXPECT_SAME(path, "/docker/abc");
	EXPECT_EQ(GROUP("12:cpu,memory,pids:/a:b"), CGROUP_V1);
	EXPECT_SAME(path, "/a:b");
}

TEST(other_lines_are_none)
{
	static const char *const lines[] = {"",
					    "4",
					    "4:",
					    "4:memory",
					    "4:memory:",
					    "4:memory:a",
					    ":memory:/a",
					    "1:cpu,cpuacct:/a",
					    "9:name=systemd:/memory",
					    "2:memoryless:/a",
					    "2:hugememory:/a",
					    "3::/a"};

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		EXPECT_EQ(GROUP(lines[i]), CGROUP_NONE);
}

/* As cgroup_mount() reads it; line is changed. */
static enum cgroup_version mount_of(const char *text, const char **ret_root, const char **ret_point)
{
	static char line[400];

	snprintf(line, sizeof line, "%s", text);
	return cgroup_mount(line, ret_root, ret_point);
}

TEST(mounts_of_both_versions)
{
	const char *root, *point;

	EXPECT_EQ(
		mount_of("35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory",
			 &root, &point),
		CGROUP_V1);
	EXPECT_SAME(root, "/");
	EXPECT_SAME(point, "/sys/fs/cgroup/memory");
	EXPECT_EQ(mount_of("30 24 0:27 /../.. /sys/fs/cgroup rw,nosuid shared:9 master:3 - cgroup2 "
			   "cgroup2 rw,nsdelegate,memory_recursiveprot",
			   &root, &point),
		  CGROUP_V2);
	EXPECT_SAME(root, "/../..");
	EXPECT_SAME(point, "/sys/fs/cgroup");
	EXPECT_EQ(mount_of("1 2 0:3 /docker\\040x /mnt/a\\134b\\011c rw - cgroup2 none rw", &root,
			   &point),
		  CGROUP_V2);
	EXPECT_SAME(root, "/docker x");
	EXPECT_SAME(point, "/mnt/a\\b\tc");
}

TEST(other_mounts_are_none)
{
	const char *root, *point;
	static const char *const lines[] = {
		"",
		"35",
		"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime",
		"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime -",
		"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup",
		"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup",
		"35 31 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu",
		"35 31 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,memoryless",
		"31 23 0:28 / /sys/fs/cgroup rw - tmpfs cgroup2 rw,memory",
		"31 23 0:28 / /sys/fs/cgroup rw - cgroup22 x rw,memory",
		"35 31 0:32 cut /sys rw - cgroup2 x rw",
		"35 31 0:32 / cut rw - cgroup2 x rw",
	};

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		EXPECT_EQ(mount_of(lines[i], &root, &point), CGROUP_NONE);
}

static const char *folder_of(const char *point, const char *root, const char *group)
{
	static char folder[100];

	REQUIRE(cgroup_folder(folder, sizeof folder, point, root, group));
	return folder;
}

TEST(the_folder_lies_below_the_mount)
{
	EXPECT_SAME(folder_of("/cg", "/", "/a/b"), "/cg/a/b");
	EXPECT_SAME(folder_of("/cg", "/", "/"), "/cg");
	EXPECT_SAME(folder_of("/cg", "/docker/x", "/docker/x/y"), "/cg/y");
	EXPECT_SAME(folder_of("/cg", "/docker/x", "/docker/x"), "/cg");
}

TEST(of_another_namespace_it_is_the_mount_itself)
{
	EXPECT_SAME(folder_of("/cg", "/docker/x", "/docker/xyz"), "/cg");
	EXPECT_SAME(folder_of("/cg", "/docker/x", "/"), "/cg");
	EXPECT_SAME(folder_of("/cg", "/", "/../other"), "/cg");
	EXPECT_SAME(folder_of("/cg", "/", "/.."), "/cg");
	EXPECT_SAME(folder_of("/cg", "/../..", "/a"), "/cg");
	EXPECT_SAME(folder_of("/cg", "/", "/..x"), "/cg/..x");
}

TEST(one_that_is_too_long_is_none)
{
	char folder[8];

	EXPECT(cgroup_folder(folder, sizeof folder, "/cg", "/", "/abc"));
	EXPECT_SAME(folder, "/cg/abc");
	EXPECT(!cgroup_folder(folder, sizeof folder, "/cg", "/", "/abcd"));
	EXPECT(!cgroup_folder(folder, sizeof folder, "/cgroup/x", "/", "/"));
}

TEST(upwards_to_the_mount_point_and_no_further)
{
	char folder[] = "/cg/x/a/b";

	EXPECT(cgroup_go_up(folder, 5));
	EXPECT_SAME(folder, "/cg/x/a");
	EXPECT(cgroup_go_up(folder, 5));
	EXPECT_SAME(folder, "/cg/x");
	EXPECT(!cgroup_go_up(folder, 5));
	EXPECT_SAME(folder, "/cg/x");
}

TEST(numbers_of_a_limit)
{
	size_t n;

	EXPECT(cgroup_bytes("67108864\n", &n) && n == 64 * MIB);
	EXPECT(cgroup_bytes("0", &n) && n == 0);
	EXPECT(cgroup_bytes("max\n", &n) && n == SIZE_MAX);
	EXPECT(cgroup_bytes("9223372036854771712\n", &n) && n == SIZE_MAX); /* version 1's */
	EXPECT(!cgroup_bytes("", &n));
	EXPECT(!cgroup_bytes("\n", &n));
	EXPECT(!cgroup_bytes("maximum", &n));
	EXPECT(!cgroup_bytes("-1", &n));
	EXPECT(!cgroup_bytes("64M", &n));
	EXPECT(!cgroup_bytes("99999999999999999999", &n)); /* no size */
}

TEST(what_can_be_taken_back)
{
	EXPECT_EQ(cgroup_reclaimable(CGROUP_V2, "inactive_file 4096"), 4096);
	EXPECT_EQ(cgroup_reclaimable(CGROUP_V2, "active_file 8192"), 8192);
	EXPECT_EQ(cgroup_reclaimable(CGROUP_V2, "slab_reclaimable 5"), 5);
	EXPECT_EQ(cgroup_reclaimable(CGROUP_V2, "file 4096"), 0);
	EXPECT_EQ(cgroup_reclaimable(CGROUP_V2, "inactive_anon 4096"), 0);
	EXPECT_EQ(cgroup_reclaimable(CGROUP_V2, "inactive_file"), 0);
	EXPECT_EQ(cgroup_reclaimable(CGROUP_V2, "inactive_file "), 0);
	EXPECT_EQ(cgroup_reclaimable(CGROUP_V1, "inactive_file 4096"), 0);
	EXPECT_EQ(cgroup_reclaimable(CGROUP_V1, "total_inactive_file 4096"), 4096);
	EXPECT_EQ(cgroup_reclaimable(CGROUP_V1, ""), 0);
}

TEST(pressure)
{
	EXPECT_EQ(cgroup_pressure("some avg10=0.99 avg60=50.00 avg300=0.00 total=38219"), 0);
	EXPECT_EQ(cgroup_pressure("some avg10=12.34 avg60=0.00 avg300=0.00 total=38219"), 12);
	EXPECT_EQ(cgroup_pressure("some avg10=100.00"), 100);
	EXPECT_EQ(cgroup_pressure("some avg10=101.00"), 0);
	EXPECT_EQ(cgroup_pressure("some avg10="), 0);
	EXPECT_EQ(cgroup_pressure("full avg10=12.34 avg60=0.00 avg300=0.00 total=11241"), 0);
	EXPECT_EQ(cgroup_pressure(""), 0);
}

/* Whatever is in them, no line is read behind its end. */
TEST(lines_that_are_cut_off_anywhere)
{
	static const char *const lines[] = {
		"4:memory:/docker/abc",
		"0::/user.slice/a",
		"35 31 0:32 /x /sys/fs\\040/cgroup rw shared:9 - cgroup cgroup rw,memory",
		"total_inactive_file 4096",
		"max\n",
		"some avg10=12.34 avg60=0.00"};

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		for (size_t n = 0; n <= strlen(lines[i]); n++) {
			char *cut = malloc(n + 1);
			const char *root, *point;
			size_t nbytes;

			REQUIRE(cut);
			memcpy(cut, lines[i], n);
			cut[n] = '\0';
			(void)cgroup_group(cut, &path);
			(void)cgroup_bytes(cut, &nbytes);
			(void)cgroup_reclaimable(CGROUP_V1, cut);
			(void)cgroup_pressure(cut);
			(void)cgroup_mount(cut, &root, &point);
			free(cut);
		}
}
