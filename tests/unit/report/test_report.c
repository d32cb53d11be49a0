/* Last words: what each report prints, and that it is one line and then SIGABRT. */
#include "report/report.h"
#include "os/check.h"
#include "base/options.h"
#include "os/files.h"
#include "os/line.h"
#include "os_sim.h"
#include "report/stack.h"
#include "test.h"
#include "unwind/backtrace.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

	snprintf(line, sizeof line, "loam: free(): %s: %p%s (thread %p)\n", before, m.about.mem,
		 after, (void *)thread_self());
	EXPECT_ABORT(misuse, &m, line);
}

TEST(a_double_free_names_the_object)
{
	struct misuse m = {report_double_free, {.mem = object, .kind = "object", .usable = 48}};

	expect_misuse(m, "double free detected", ": object of 48 bytes, free");
}

TEST(what_is_not_known_is_left_out)
{
	struct misuse m = {report_double_free, {.mem = object, .kind = "chunk"}};

	expect_misuse(m, "double free detected", ": chunk, free");
	m.about.kind = NULL;
	expect_misuse(m, "double free detected", ", free");
}

TEST(an_interior_pointer_says_how_far_inside_what)
{
	struct misuse m = {report_interior_pointer,
			   {.mem = object + 16, .kind = "object", .usable = 48, .start = object}};
	char after[128];

	snprintf(after, sizeof after, ": 16 bytes inside the object of 48 bytes at %p",
		 (void *)object);
	expect_misuse(m, "invalid pointer", after);
}

TEST(each_wrong_pointer_has_words_of_its_own)
{
	struct misuse m = {report_misaligned_pointer, {.mem = object + 1}};

	expect_misuse(m, "invalid pointer", ", misaligned");
	m.about.mem = object;
	m.report = report_stack_pointer;
	expect_misuse(m, "invalid pointer", ": on the caller's stack");
	m.report = report_metadata_pointer;
	expect_misuse(m, "invalid pointer", ": in loam's own memory");
	m.report = report_unknown_pointer;
	expect_misuse(m, "invalid pointer", ": no allocator gave it, or it was freed long ago");
}

static void report_freed_object(const char *call, struct report_about about)
{
	report_free_memory(call, about, true);
}

static void report_freed_place(const char *call, struct report_about about)
{
	report_free_memory(call, about, false);
}

TEST(free_memory_is_named_by_its_size_if_that_is_known)
{
	struct misuse m = {report_freed_object, {.mem = object, .usable = 4096}};

	expect_misuse(m, "double free detected", ": in free memory of 4096 bytes");
	m = (struct misuse){report_freed_place, {.mem = object}};
	expect_misuse(m, "invalid pointer", ": in free memory");
}

static void touch_around(void *arg)
{
	report_access("use after free",
		      (struct report_about){
			      .mem = arg, .kind = "object", .usable = 48, .start = object + 8});
	abort();
}

TEST(a_place_is_before_inside_or_behind)
{
	EXPECT_ABORT(touch_around, object, ": 8 bytes before the object of 48 bytes at 0x");
	EXPECT_ABORT(touch_around, object + 55, ": 47 bytes inside the object of 48 bytes at 0x");
	EXPECT_ABORT(touch_around, object + 56, ": 0 bytes behind the object of 48 bytes at 0x");
}

static void report_to_standard_error(void)
{
	struct os_file file = {.fd = 2};

	REQUIRE(os_identify(2, &file.device, &file.inode));
	report_to(&file, "/dev/null");
}

static struct stack one_frame(const void *frame)
{
	return (struct stack){.thread = 0x70, .count = 1, .frames = {frame}};
}

static void report_stacks(void *arg)
{
	struct stack allocated = one_frame((const void *)(uintptr_t)report_stacks),
		     freed = one_frame((void *)16);

	report_to_standard_error();
	report_double_free("free", (struct report_about){
					   .mem = arg, .allocated = &allocated, .freed = &freed});
}

TEST(a_report_has_the_stacks_that_are_known)
{
	EXPECT_ABORT(report_stacks, object, "loam:   allocated by thread 0x70\nloam:     #0 0x");
	EXPECT_ABORT(report_stacks, object, "loam:   freed by thread 0x70\nloam:     #0 0x10\n");
	EXPECT_ABORT(report_stacks, object, ",\"allocated\":{\"thread\":\"0x70\",\"frames\":[\"/");
	EXPECT_ABORT(report_stacks, object,
		     ",\"freed\":{\"thread\":\"0x70\",\"frames\":[\"0x10\"]}}\n");
}

static void corrupt(void *arg)
{
	report_corruption(
		"corrupted size vs. prev_size",
		(struct report_about){.mem = arg, .kind = "header of a chunk", .arena = 7});
}

TEST(corruption_names_what_was_overwritten)
{
	char line[200];

	snprintf(line, sizeof line,
		 "loam: corrupted size vs. prev_size: %p: header of a chunk (arena 7, thread %p)\n",
		 (void *)object, (void *)thread_self());
	EXPECT_ABORT(corrupt, object, line);
}

static void overflow(void *arg)
{
	report_overflow("free", (struct report_about){.mem = arg, .kind = "object", .usable = 40},
			43);
}

static void underflow(void *arg)
{
	report_underflow("free", (struct report_about){.mem = arg, .kind = "object", .usable = 40},
			 3);
}

static void free_as_of_99(void *arg)
{
	report_wrong_size("free_sized",
			  (struct report_about){.mem = arg, .kind = "object", .usable = 40}, 99);
}

TEST(a_number_says_what_it_is)
{
	EXPECT_ABORT(overflow, object, "free(): heap buffer overflow: 0x");
	EXPECT_ABORT(overflow, object, ": object of 40 bytes, overwritten at byte 43 (");
	EXPECT_ABORT(underflow, object, "free(): heap buffer underflow: 0x");
	EXPECT_ABORT(underflow, object, ": object of 40 bytes, overwritten at byte -3 (");
	EXPECT_ABORT(free_as_of_99, object, "free_sized(): invalid size: 0x");
	EXPECT_ABORT(free_as_of_99, object, ", freed as one of 99 (");
}

static void warn_and_end(void *arg)
{
	options.harden_action = HARDEN_WARN;
	overflow(arg);
	line_say("came through");
	abort();
}

static void ignore_and_end(void *arg)
{
	options.harden = 0;
	overflow(arg);
	line_say("came through");
	abort();
}

static void warn_of_corruption(void *arg)
{
	options.harden_action = HARDEN_WARN;
	corrupt(arg);
}

TEST(options_say_what_follows)
{
	EXPECT_ABORT(warn_and_end, object, "heap buffer overflow");
	EXPECT_ABORT(warn_and_end, object, "loam: came through\n");
	EXPECT_ABORT(ignore_and_end, object, "loam: came through\n");
	EXPECT_ABORT(warn_of_corruption, object, "corrupted size vs. prev_size");
}

static void to_file(void *arg)
{
	report_to_standard_error();
	overflow(arg);
}

TEST(the_same_is_written_as_json)
{
	char line[300];

	snprintf(line, sizeof line,
		 "{\"allocator\":\"loam\",\"call\":\"free\",\"what\":\"heap buffer overflow\","
		 "\"pointer\":\"%p\",\"kind\":\"object\",\"bytes\":40,"
		 "\"note\":\"overwritten at byte 43\",\"number\":43,\"thread\":\"%p\"}\n",
		 (void *)object, (void *)thread_self());
	EXPECT_ABORT(to_file, object, line);
}

static void interior_to_file(void *arg)
{
	report_to_standard_error();
	report_interior_pointer("free", (struct report_about){.mem = (char *)arg + 16,
							      .kind = "object",
							      .usable = 48,
							      .start = arg,
							      .state = "in use",
							      .arena = 3});
}

TEST(json_has_the_object_that_a_pointer_lies_in)
{
	char part[128];

	snprintf(part, sizeof part,
		 ",\"bytes\":48,\"start\":\"%p\",\"state\":\"in use\",\"arena\":3,",
		 (void *)object);
	EXPECT_ABORT(interior_to_file, object, part);
}

/* The program puts another file in its place; returns its descriptor. */
static int close_report_file(const char *path)
{
	struct os_file file;

	REQUIRE(os_create_aside(&file, path, OS_APPEND) == 0);
	report_to(&file, path);
	REQUIRE(dup2(open("/dev/null", O_WRONLY), file.fd) == file.fd);
	return file.fd;
}

static void to_file_that_was_closed(void *path)
{
	close_report_file(path);
	overflow(object);
}

static void warn_to_file_that_was_closed(void *path)
{
	int fd = close_report_file(path);

	options.harden_action = HARDEN_WARN;
	overflow(object);
	if (fcntl(fd + 1, F_GETFD) < 0)
		line_say("nothing is left open");
	abort();
}

static size_t bytes_of(const char *path)
{
	struct stat about;

	REQUIRE(stat(path, &about) == 0);
	unlink(path);
	return (size_t)about.st_size;
}

TEST(a_file_that_the_program_closed_is_opened_anew)
{
	char path[64], part[] = "part";

	REQUIRE(chdir(test_folder()) == 0); /* and back at the end */
	snprintf(path, sizeof path, "%s/whole", test_folder());
	EXPECT_ABORT(to_file_that_was_closed, path, "heap buffer overflow");
	EXPECT(bytes_of(path) > 100);
	EXPECT_ABORT(to_file_that_was_closed, part, "heap buffer overflow");
	EXPECT_EQ(bytes_of(part), 0); /* the program may be in another folder by now */
	EXPECT_ABORT(warn_to_file_that_was_closed, path, "loam: nothing is left open\n");
	REQUIRE(chdir("/") == 0);
}

static char long_names[400];

/* All frames lie in a file with a name of quotes, each of which takes two bytes. */
static void report_long_stacks(void *path)
{
	static struct stack full = {.thread = 0x70, .count = STACK_FRAMES};
	static void *frames[STACK_FRAMES];
	struct os_file file;

	for (size_t i = 0; i < STACK_FRAMES; i++)
		full.frames[i] = frames[i] = (void *)(0x2000 + i);
	REQUIRE(os_create_aside(&file, path, OS_APPEND) == 0);
	report_to(&file, path);
	os_sim_file("/proc/self/maps", long_names, strlen(long_names));
	backtrace_start();
	os_sim_backtrace(frames, STACK_FRAMES);
	report_double_free(
		"free", (struct report_about){.mem = object, .allocated = &full, .freed = &full});
}

TEST(long_names_in_one_stack_leave_room_for_the_others)
{
	static const char *const stacks[] = {"called", "allocated", "freed"};
	char path[64], start[64];
	static char text[20000];
	FILE *file;

	memset(long_names, '"', 300);
	memcpy(long_names, "1000-3000 r-xp 00000000 00:01 5 ", 32);
	long_names[300] = '\n';
	snprintf(path, sizeof path, "%s/report", test_folder());
	EXPECT_ABORT(report_long_stacks, path, "double free detected");
	file = fopen(path, "r");
	REQUIRE(file);
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	for (size_t i = 0; i < 3; i++) {
		const char *at;

		snprintf(start, sizeof start, "\"%s\":{\"thread\":\"0x", stacks[i]);
		at = strstr(text, start);
		REQUIRE(at);
		at = strstr(at, "\"frames\":[");
		EXPECT(at && at[10] == '"');
	}
	EXPECT_STR(text, "]}}\n");
}

static size_t detailed;

static void details(const void *mem, const void *at)
{
	detailed++;
	line_say("  details of %p, seen at %zu", mem,
		 (size_t)((const char *)at - (const char *)mem));
}

static void report_at_length(void *arg)
{
	report_details = details;
	options.report = REPORT_FULL;
	overflow(arg);
}

TEST(a_full_report_has_details)
{
	EXPECT_ABORT(report_at_length, object, "loam:   details of 0x");
	EXPECT_ABORT(report_at_length, object, ", seen at 43\n");
}

static void report_twice(void *arg)
{
	options.harden_action = HARDEN_WARN;
	report_details = details;
	options.report = REPORT_FULL;
	overflow(arg);
	overflow(arg);
	line_say("%zu had details", detailed);
	abort();
}

TEST(so_has_the_next_one_where_the_program_goes_on)
{
	EXPECT_ABORT(report_twice, object, "loam: 2 had details\n");
}

static void warn_by_line(void *arg)
{
	options.harden_action = HARDEN_WARN;
	report_details = details;
	overflow(arg);
	line_say("%zu had details", detailed);
	abort();
}

TEST(a_report_of_a_line_has_no_details)
{
	EXPECT_ABORT(warn_by_line, object, "loam: 0 had details\n");
}

/* As where memory is unmapped while it is described. */
static void report_what_was_touched(const void *mem, const void *at)
{
	(void)at;
	touch_around((void *)(uintptr_t)mem);
}

static void report_in_details(void *arg)
{
	report_details = report_what_was_touched;
	options.report = REPORT_FULL;
	overflow(arg);
}

TEST(who_faults_in_details_reports_without)
{
	EXPECT_ABORT(report_in_details, object, "loam: use after free: 0x");
}

/* A child that is forked while another thread is in its report. */
static void report_in_child(const void *mem, const void *at)
{
	int status;

	(void)mem, (void)at;
	if (fork() == 0) {
		report_details = details;
		report_recover();
		overflow(object);
	}
	wait(&status);
}

static void report_around_a_fork(void *arg)
{
	report_details = report_in_child;
	options.report = REPORT_FULL;
	overflow(arg);
}

TEST(a_child_of_a_fork_reports_in_full)
{
	EXPECT_ABORT(report_around_a_fork, object, "loam:   details of 0x");
}

static void end_by_signal(int signal)
{
	_exit(signal);
}

static void signal_oneself(const void *mem, const void *at)
{
	(void)mem, (void)at;
	raise(SIGUSR1);
}

static void leave_inside(void *unused)
{
	(void)unused;
	signal(SIGUSR1, end_by_signal);
	report_details = signal_oneself;
	options.report = REPORT_FULL;
	report_left_inside();
}

/* It would leave the report as it left the call before. */
TEST(no_handler_leaves_the_report_of_a_call_that_one_left)
{
	EXPECT_ABORT(leave_inside, NULL, "a signal handler left malloc or free in the middle");
}

static void check_false(void *arg)
{
	CHECK(arg != NULL);
}

static void check_true(void *arg)
{
	CHECK(arg == NULL);
	line_say("came through");
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
	line_say("<%6zu|%-6zu|%4s|%p|%%>", (size_t)42, (size_t)43, "ab", (const void *)arg);
}

TEST(a_line_knows_numbers_strings_and_pointers)
{
	EXPECT(strcmp(caught(say_each, (void *)0x1f0), "loam: <    42|43    |  ab|0x1f0|%>\n") ==
	       0);
}

static void say_much(void *arg)
{
	line_say("%s", (const char *)arg);
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
