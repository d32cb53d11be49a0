/* Stacks: who called, once libc's unwinder is there. */
#include "report/stack.h"

#include "os/os.h"
#include "test.h"

static struct stack seen;

static __attribute__((noinline)) void inner(void)
{
	stack_note(&seen);
	__asm__ volatile("");
}

static __attribute__((noinline)) void outer(void)
{
	inner();
	__asm__ volatile("");
}

TEST(before_the_start_the_thread_alone_is_known)
{
	outer();
	EXPECT_EQ(seen.count, 0);
	EXPECT_EQ(seen.thread, thread_self());
}

static bool is_within(const void *address, void (*function)(void))
{
	return (uintptr_t)address - (uintptr_t)function < 100;
}

TEST(callers_are_found)
{
	bool found = false;

	stack_start(NULL, NULL);
	outer();
	EXPECT(seen.count >= 2);
	for (uint32_t i = 0; i < seen.count; i++)
		found |= is_within(seen.frames[i], outer);
	EXPECT(found);
}

TEST(own_frames_are_left_out)
{
	stack_start(inner, (const char *)inner + 64);
	outer();
	stack_start(NULL, NULL);
	REQUIRE(seen.count >= 1);
	EXPECT(!is_within(seen.frames[0], inner) || is_within(seen.frames[0], outer));
}

static void say(void *unused)
{
	(void)unused;
	stack_say("allocated", &seen);
	os_abort();
}

TEST(a_stack_names_its_files)
{
	EXPECT_ABORT(say, NULL, "loam:   allocated by thread 0x");
	EXPECT_ABORT(say, NULL, "#0 0x");
	EXPECT_ABORT(say, NULL, "unit-report-stack+0x");
	EXPECT_ABORT(say, NULL, " outer+0x");
}
