/* How often whole structures are proved; built at assert_level 2 alone. */
#include "os/steps.h"
#include "os_sim.h"

#include <sys/wait.h>
#include <unistd.h>

/* Runs body in a child, which has its own environment; what it returns. */
static int in_child(int (*body)(const char *entry), const char *entry)
{
	int status = 0;
	pid_t child = fork();

	REQUIRE(child >= 0);
	if (child == 0)
		_exit(body(entry));
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* How many of 100 steps are due, of a structure of 160 parts. */
static int due(const char *entry)
{
	const char *environment[] = {entry, NULL};
	uint32_t left = 0;
	int found = 0;

	os_sim_environment(environment);
	for (int i = 0; i < 100; i++)
		found += step_is_due(&left, 160);
	return found;
}

TEST(the_environment_turns_steps_off)
{
	EXPECT_EQ(in_child(due, NULL), 10);
	EXPECT_EQ(in_child(due, "LOAM_STEPS=0"), 0);
	EXPECT_EQ(in_child(due, "LOAM_STEPS=1"), 10);
	EXPECT_EQ(in_child(due, "LOAM_STEPS="), 10);
}

TEST(a_small_structure_is_proved_at_each_step)
{
	uint32_t left = 0;

	for (size_t parts = 0; parts < STEP_PARTS; parts++)
		EXPECT(step_is_due(&left, parts));
}

TEST(each_place_counts_for_itself)
{
	const size_t two = (size_t)2 * STEP_PARTS;
	uint32_t one = 0, other = 0;

	EXPECT(step_is_due(&one, two));
	EXPECT(step_is_due(&other, STEP_PARTS));
	EXPECT(!step_is_due(&other, STEP_PARTS));
	EXPECT(step_is_due(&other, STEP_PARTS));
	EXPECT(!step_is_due(&one, two));
	EXPECT(!step_is_due(&one, two));
	EXPECT(step_is_due(&one, two));
}
