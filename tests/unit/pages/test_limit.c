/* limit=auto: when the system's limit is read, and how much may be taken before it is again. */
#include "pages/limit.h"

#include "os/memory_limits.h"
#include "os_sim.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "test.h"
#include "claims.h"

static char group_max[32], group_current[32], statm[80];
static char pressure[80] = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";

static const struct os_sim_text texts[] = {
	{"/proc/self/cgroup", "0::/a\n"},
	{"/proc/self/mountinfo", "41 31 0:38 / /sim/cg rw - cgroup2 none rw\n"},
	{"/proc/self/statm", statm},
	{"/sim/cg/a/memory.max", group_max},
	{"/sim/cg/a/memory.current", group_current},
	{"/sim/cg/a/memory.pressure", pressure},
	{NULL, NULL}};

/* The process holds all of its resident bytes, and the group has others beside it. */
static void set(size_t max, size_t held, size_t others)
{
	size_t resident = held / os_page_size();

	retain_live = held;
	retain_retained = retain_idle = 0;
	snprintf(group_max, sizeof group_max, "%zu\n", max);
	snprintf(group_current, sizeof group_current, "%zu\n", held + others);
	snprintf(statm, sizeof statm, "%zu %zu 0 0 0 %zu 0\n", resident, resident, resident);
	os_sim_texts(texts);
	options.limit = LIMIT_AUTO;
}

TEST(half_of_what_is_left_may_be_taken_before_it_is_read_again)
{
	set(128 * MIB, 20 * MIB, 5 * MIB);
	limit_read();
	EXPECT_EQ(retain_limit.known, 120 * MIB); /* 3 are margin, 5 others' */
	EXPECT(allows(50 * MIB));
	EXPECT(!allows(50 * MIB + 1));
	EXPECT(limit_read_for_request());
	EXPECT(allows(100 * MIB));
	EXPECT(!allows(100 * MIB + 1));
	EXPECT(!limit_read_for_request()); /* nothing has changed */
	set(128 * MIB, 20 * MIB, 86 * MIB);
	limit_read();
	EXPECT(!allows(20 * MIB));
	set(128 * MIB, 20 * MIB, 5 * MIB);
	EXPECT(limit_read_for_request());
}

/* 20 MiB are held, and so many bytes are left. */
static void set_left(size_t left)
{
	set(128 * MIB, 20 * MIB, 105 * MIB - left); /* 3 are margin */
	limit_read();
	EXPECT_EQ(retain_limit.known, 20 * MIB + left);
}

TEST(all_of_what_is_left_may_be_taken_where_it_is_512_kib_at_most)
{
	set_left(300 * KIB);
	EXPECT(allows(300 * KIB));
	EXPECT(!allows(300 * KIB + 1));
	set_left(512 * KIB);
	EXPECT(allows(512 * KIB));
	set_left(514 * KIB);
	EXPECT(allows(257 * KIB));
	EXPECT(!allows(257 * KIB + 1));
}

TEST(it_is_due_where_256_kib_were_taken_though_an_eighth_is_less)
{
	set_left(MIB);
	retain_live += 256 * KIB - 1;
	EXPECT(!retain_limit_is_due());
	retain_live++;
	EXPECT(retain_limit_is_due());
	retain_live = 20 * MIB - 256 * KIB;
	EXPECT(!retain_limit_is_due());
	retain_live--;
	EXPECT(retain_limit_is_due());
}

TEST(it_is_due_where_an_eighth_was_taken)
{
	set(128 * MIB, 20 * MIB, 5 * MIB);
	limit_read();
	retain_due = false;
	set(128 * MIB, 32 * MIB, 5 * MIB);
	retain_faults(1);
	EXPECT(!retain_due);
	set(128 * MIB, 33 * MIB, 5 * MIB);
	retain_faults(1);
	EXPECT(retain_due);
}

/* The others may have taken what was given back. */
TEST(it_is_due_where_as_much_was_given_back)
{
	set(128 * MIB, 100 * MIB, 5 * MIB);
	limit_read();
	retain_due = false;
	set(128 * MIB, 98 * MIB, 5 * MIB);
	retain_faults(1);
	EXPECT(!retain_due);
	set(128 * MIB, 60 * MIB, 5 * MIB);
	retain_faults(1);
	EXPECT(retain_due);
}

TEST(over_it_nothing_is_allowed_and_all_that_is_retained_is_too_much)
{
	set(64 * MIB, 60 * MIB, 30 * MIB);
	retain_live = 40 * MIB;
	retain_retained = 20 * MIB;
	limit_read();
	EXPECT(!allows(1));
	EXPECT(!limit_read_for_request());
	EXPECT_EQ(retain_excess(), 20 * MIB);
}

TEST(near_it_less_is_retained)
{
	set(128 * MIB, 100 * MIB, 5 * MIB);
	retain_live = 92 * MIB;
	retain_retained = 8 * MIB;
	retain_regret = 100 * MIB;
	options.retain_share = 8;
	limit_read();
	EXPECT_EQ(retain_excess(), 0);
	retain_live = 110 * MIB; /* 10 are left of it */
	EXPECT_EQ(retain_excess(), 3 * MIB);
}

static size_t excess_under_pressure(const char *percent)
{
	snprintf(pressure, sizeof pressure, "some avg10=%s avg60=0.00 total=1\n", percent);
	limit_read();
	return retain_excess();
}

/* Of 20 MiB retained 15 are learned, and 5 the share of 40 that are live. */
TEST(while_tasks_wait_for_memory_an_eighth_of_the_share_is_retained)
{
	set(1024 * MIB, 60 * MIB, 0);
	retain_live = 40 * MIB;
	retain_retained = 20 * MIB;
	retain_regret = 15 * MIB;
	retain_peak = 80 * MIB;
	options.retain_share = 8;
	EXPECT_EQ(excess_under_pressure("9.99"), 0);
	EXPECT_EQ(excess_under_pressure("10.00"), 20 * MIB - 640 * KIB);
	retain_live = MIB;
	EXPECT_EQ(retain_excess(), 20 * MIB - options.retain_floor / 8);
	options.limit = 1024 * MIB; /* it was read under auto */
	retain_live = 40 * MIB;
	EXPECT_EQ(retain_excess(), 0);
	options.limit = LIMIT_AUTO;
	EXPECT_EQ(excess_under_pressure("0.00"), 0);
}

TEST(mapped_pages_that_hold_no_memory_are_left_of_a_limit_of_addresses)
{
	struct zone_sizes sizes;

	zone_start();
	zone_sizes(&sizes);
	EXPECT(sizes.free_clean > 0);
	set(1024 * MIB, 20 * MIB, 0);
	retain_live = 15 * MIB;
	os_sim_set_address_limits(100 * MIB, SIZE_MAX);
	limit_read();
	EXPECT_EQ(retain_limit.known, 95 * MIB + sizes.free_clean);
	os_sim_set_address_limits(SIZE_MAX, SIZE_MAX);
}

TEST(what_the_system_does_not_say_stays_as_it_was)
{
	set(128 * MIB, 20 * MIB, 5 * MIB);
	limit_read();
	os_sim_refuse(OS_SIM_FILES, 1);
	limit_read();
	os_sim_refuse(OS_SIM_FILES, 0);
	EXPECT_EQ(retain_limit.known, 120 * MIB);
	options.limit = 0;
	EXPECT(allows(SIZE_MAX));
}

static void start_without_files(void *unused)
{
	(void)unused;
	os_sim_refuse(OS_SIM_FILES, 1);
	limit_start();
	abort();
}

TEST(a_limit_that_cannot_be_read_at_the_start_is_said)
{
	retain_limit.known = SIZE_MAX;
	options.limit = LIMIT_AUTO;
	EXPECT_ABORT(start_without_files, NULL,
		     "loam: limit=auto: /proc/self/statm cannot be read: the system's limit is not "
		     "known, and no request is refused until it can be\n");
	options.limit = 0;
}
