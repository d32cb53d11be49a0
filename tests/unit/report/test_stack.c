/* Stacks: who called, once libc's unwinder is there. */
#include "report/stack.h"

#include "os/os.h"
#include "os_sim.h"
#include "test.h"
#include "unwind/backtrace.h"

#include <errno.h>

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

	backtrace_start();
	outer();
	EXPECT(seen.count >= 2);
	for (uint32_t i = 0; i < seen.count; i++)
		found |= is_within(seen.frames[i], outer);
	EXPECT(found);
}

TEST(own_frames_are_left_out)
{
	stack_own_code(inner, (const char *)inner + 64);
	outer();
	stack_own_code(NULL, NULL);
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

static void say_where_nothing_is_mapped(void *unused)
{
	static void *const frames[] = {(void *)0x10, (void *)0x20};

	(void)unused;
	os_sim_backtrace(frames, 2);
	stack_note(&seen);
	stack_say("freed", &seen);
	os_abort();
}

TEST(an_address_in_nothing_is_said_as_it_is)
{
	EXPECT_ABORT(say_where_nothing_is_mapped, NULL, "loam:     #0 0x10\n");
	EXPECT_ABORT(say_where_nothing_is_mapped, NULL, "loam:     #1 0x20\n");
}

/* As code that was made at run time. */
TEST(an_address_in_no_file_is_said_as_it_is)
{
	char *mem = os_map(os_page_size(), OS_METADATA), line[64];

	seen = (struct stack){.thread = 0x70, .count = 1, .frames = {mem + 16}};
	snprintf(line, sizeof line, "loam:     #0 %p\n", (void *)(mem + 16));
	EXPECT_ABORT(say, NULL, line);
	os_unmap(mem, os_page_size());
}

static void say_without_files(void *unused)
{
	os_sim_refuse(OS_SIM_FILES, EMFILE);
	say(unused);
}

TEST(where_no_file_can_be_opened_addresses_are_said)
{
	outer();
	EXPECT_ABORT(say_without_files, NULL, "loam:   allocated by thread 0x");
	EXPECT_ABORT(say_without_files, NULL, "loam:     #0 0x");
}

TEST(a_deep_stack_is_cut_off_and_an_empty_one_is_none)
{
	static void *frames[4 * STACK_FRAMES];
	static char code[4 * STACK_FRAMES + 16]; /* is read, for a signal handler's return */

	for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
		frames[i] = code + i;
	os_sim_backtrace(frames, sizeof frames / sizeof *frames);
	stack_note(&seen);
	EXPECT_EQ(seen.count, STACK_FRAMES);
	EXPECT(seen.frames[STACK_FRAMES - 1] == frames[STACK_FRAMES - 1]);
	stack_own_code(code, code + 3);
	stack_note(&seen);
	EXPECT_EQ(seen.count, STACK_FRAMES); /* of the caller's */
	EXPECT(seen.frames[0] == frames[3]);
	os_sim_backtrace(frames, 0);
	stack_note(&seen);
	EXPECT_EQ(seen.count, 0);
	stack_own_code(code, code + sizeof code); /* all are loam's own */
	os_sim_backtrace(frames, 5);
	stack_note(&seen);
	EXPECT_EQ(seen.count, 0);
	os_sim_backtrace(NULL, 0);
	stack_own_code(NULL, NULL);
}
