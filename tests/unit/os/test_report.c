/* Last words: what each report prints, and that it is one line and then SIGABRT. */
#include "base/report.h"
#include "base/check.h"
#include "test.h"

#include <string.h>
#include <unistd.h>

static char object[64];

/* The reports of misuse, to be run one by one in a child. */
struct misuse {
	void (*report)(const char *call, struct report_about about);
	struct report_about about;
};

static void misuse(void *arg)
{
	const struct misuse *m = arg;

	m->report("free", m->about);
}

/* What the line must say after the pointer; `before` is what it says up to it. */
static void expect_misuse(struct misuse m, const char *before, const char *after)
{
	char line[512];

	snprintf(line, sizeof line, "loam: free(): %s %p%s (thread %p)\n", before, m.about.mem,
		 after, (void *)thread_self());
	EXPECT_ABORT(misuse, &m, line);
}

TEST(a_double_free_names_the_object)
{
	struct misuse m = {report_double_free, {.mem = object, .kind = "object", .usable = 48}};

	expect_misuse(m, "double free of", ": object of 48 bytes");
}

TEST(what_is_not_known_is_left_out)
{
	struct misuse m = {report_double_free, {.mem = object, .kind = "chunk"}};

	expect_misuse(m, "double free of", ": chunk");
	m.about.kind = NULL;
	expect_misuse(m, "double free of", "");
}

TEST(an_interior_pointer_says_how_far_inside_what)
{
	struct misuse m = {report_interior_pointer, {object + 16, "object", 48, object}};
	char after[128];

	snprintf(after, sizeof after, ": 16 bytes inside the object of 48 bytes at %p",
		 (void *)object);
	expect_misuse(m, "invalid pointer", after);
}

TEST(each_wrong_pointer_has_words_of_its_own)
{
	struct misuse m = {report_misaligned_pointer, {.mem = object + 1}};

	expect_misuse(m, "misaligned pointer", "");
	m.report = report_stack_pointer;
	expect_misuse(m, "invalid pointer", ": on the caller's stack");
	m.report = report_metadata_pointer;
	expect_misuse(m, "invalid pointer", ": in loam's own memory");
	m.report = report_unknown_pointer;
	expect_misuse(m, "invalid pointer", ": no allocator gave it, or it was freed long ago");
}

static void corrupt(void *arg)
{
	report_corruption("chunk header", (struct report_about){.mem = arg, .kind = "chunk"});
}

TEST(corruption_names_what_was_overwritten)
{
	char line[128];

	snprintf(line, sizeof line, "loam: heap corruption: chunk header %p: chunk (thread %p)\n",
		 (void *)object, (void *)thread_self());
	EXPECT_ABORT(corrupt, object, line);
}

static void check_false(void *arg)
{
	CHECK(arg != NULL);
}

static void check_true(void *arg)
{
	CHECK(arg == NULL);
	report_line("came through");
	abort();
}

TEST(a_check_that_does_not_hold_says_where)
{
	EXPECT_ABORT(check_false, NULL, "test_report.c:");
	EXPECT_ABORT(check_false, NULL, ": does not hold: arg != NULL\n");
	EXPECT_ABORT(check_true, NULL, "loam: came through\n");
}

/* Standard error of body(arg), which returns. */
static const char *caught(void (*body)(void *), void *arg)
{
	static char text[2048];
	int ends[2], kept = dup(2);
	ssize_t got;

	REQUIRE(pipe(ends) == 0 && kept >= 0);
	dup2(ends[1], 2);
	body(arg);
	dup2(kept, 2);
	close(kept);
	close(ends[1]);
	got = read(ends[0], text, sizeof text - 1);
	close(ends[0]);
	text[got > 0 ? got : 0] = '\0';
	return text;
}

static void compare(void *arg)
{
	size_t a = *(const size_t *)arg, b = 4;

	*(bool *)((size_t *)arg + 1) = expect_eq("B2", a, b);
}

TEST(an_expectation_prints_the_pair_that_disagrees)
{
	size_t args[2] = {3, true};

	EXPECT(strcmp(caught(compare, args), "loam: B2 does not hold: a is 3, b is 4\n") == 0);
	EXPECT_EQ(*(bool *)&args[1], false);
	args[0] = 4;
	EXPECT(strcmp(caught(compare, args), "") == 0);
	EXPECT_EQ(*(bool *)&args[1], true);
}

static void say_each(void *arg)
{
	report_line("<%6zu|%-6zu|%4s|%p|%%>", (size_t)42, (size_t)43, "ab", (const void *)arg);
}

TEST(a_line_knows_numbers_strings_and_pointers)
{
	EXPECT(strcmp(caught(say_each, (void *)0x1f0), "loam: <    42|43    |  ab|0x1f0|%>\n") ==
	       0);
}

static void say_much(void *arg)
{
	report_line("%s", (const char *)arg);
}

TEST(a_line_is_cut_at_500_bytes_and_still_ends)
{
	char much[1000];
	const char *text;

	memset(much, 'x', sizeof much - 1);
	much[sizeof much - 1] = '\0';
	text = caught(say_much, much);
	EXPECT_EQ(strlen(text), 500);
	EXPECT_EQ(text[499], '\n');
	EXPECT_EQ(text[498], 'x');
	EXPECT(strncmp(text, "loam: xxx", 9) == 0);
}
