/* The file of a heap profile: what it has, its name, and where it cannot be made. */
#include "observe/profile_file.h"

#include "config.h"
#include "observe/samples.h"
#include "os_sim.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char maps[] = "1000-2000 r-xp 00000000 00:01 5 /a program\n";
static char prefix[100], text[400000];

/* That of the nth try, 1 or more. */
static const char *name(int n)
{
	static char buffer[150];

	if (n == 1)
		snprintf(buffer, sizeof buffer, "%s.%d.heap", prefix, (int)getpid());
	else
		snprintf(buffer, sizeof buffer, "%s.%d.%d.heap", prefix, (int)getpid(), n);
	return buffer;
}

static const char *contents(int n)
{
	int fd = open(name(n), O_RDONLY);
	ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

	REQUIRE(length >= 0);
	text[length] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

static void add(const void *mem, size_t asked, uintptr_t frame, uint64_t depth)
{
	struct trail trail = {.depth = depth};

	for (uint64_t i = 0; i < depth; i++)
		trail.frames[i] = (const void *)(frame + i);
	REQUIRE(samples_add(
		&(struct sampled_object){mem, asked, asked + 8, asked, os_clock(), &trail}));
}

TEST(nothing_is_written_where_nothing_was_sampled)
{
	snprintf(prefix, sizeof prefix, "%s/p", test_folder());
	REQUIRE(samples_start(1)); /* every object stands for itself */
	profile_write(prefix);
	EXPECT(access(name(1), F_OK) != 0);
}

TEST(it_has_sums_stacks_and_mappings)
{
	os_sim_file("/proc/self/maps", maps, sizeof maps - 1);
	add((void *)16, 100, 0x1000, 2);
	add((void *)32, 300, 0x1000, 2);
	samples_remove((void *)16, os_clock());
	profile_write(prefix);
	EXPECT_STR(contents(1), "heap profile: 1: 300 [2: 400] @ heapprofile\n"
				"# loam " CONFIG_VERSION " prof=1 samples 2 lost 0 after ");
	EXPECT_STR(text, "\n1: 300 [2: 400] @ 0x1000 0x1001\n"
			 "# peak 2: 400 given 308 416 416 lives 1 0 0 0 0 0 0 0 pinned 0: 0\n"
			 "\nMAPPED_LIBRARIES:\n1000-2000 r-xp 00000000 00:01 5 /a program\n");
	EXPECT_EQ(os_sim_open_files(), 0);
}

TEST(one_that_is_there_stays)
{
	profile_write(prefix);
	EXPECT_STR(contents(2), "heap profile: 1: 300 [2: 400]");
	unlink(name(2));
}

TEST(stacks_of_any_depth_and_number_are_written_whole)
{
	const char *at;
	int n = 0;

	for (uintptr_t i = 0; i < 300; i++)
		add((void *)(4096 + 16 * i), 16, 0x7fff00000000 + 100 * i, TRAIL_MOST);
	unlink(name(1));
	profile_write(prefix);
	at = contents(1);
	for (uintptr_t i = 0; i < 300; i++) {
		char line[100];

		snprintf(line, sizeof line, " %#zx\n# peak 1: 16 given 24 24 24 lives 0",
			 0x7fff00000000 + 100 * i + TRAIL_MOST - 1);
		n += strstr(at, line) != NULL;
	}
	EXPECT_EQ(n, 300);
	unlink(name(1));
}

static void write_it(void *arg)
{
	profile_write(arg);
	unlink(name(1));
	abort();
}

TEST(where_there_is_no_room_a_line_says_so)
{
	os_sim_refuse(OS_SIM_WRITES, ENOSPC);
	EXPECT_ABORT(write_it, prefix, "heap is cut off: No space left on device");
	os_sim_refuse(OS_SIM_WRITES, 0);
}

TEST(where_none_can_be_made_a_line_says_so)
{
	os_sim_refuse(OS_SIM_FILES, EACCES);
	EXPECT_ABORT(write_it, prefix,
		     "heap cannot be made: Permission denied; name a file that can");
	os_sim_refuse(OS_SIM_FILES, 0);
}

/* An object of as many bytes as the rate stands for 1.58. */
TEST(counts_are_rounded_and_time_ends_with_the_profile)
{
	snprintf(prefix, sizeof prefix, "%s/stopped", test_folder());
	REQUIRE(samples_start(1600));
	add((void *)48, 1600, 0x1000, 1);
	os_sim_advance(7 * OS_SECOND);
	samples_stop();
	os_sim_advance(90 * OS_SECOND);
	profile_write(prefix);
	EXPECT_STR(contents(1),
		   "heap profile: 2: 2531 [2: 2531] @ heapprofile\n"
		   "# loam " CONFIG_VERSION " prof=1600 samples 1 lost 0 after 7 seconds\n");
	EXPECT(!strstr(text, "0: 0 [0: 0]")); /* sites of the profiles before */
}
