/* The file of metrics: its text, when it is written, and what is said where it cannot be. */
#include "observe/metrics.h"

#include "base/options.h"
#include "cache/cache.h"
#include "cache/upkeep.h"
#include "observe/counters.h"
#include "os/os.h"
#include "os_sim.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <loam/loam.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECOND = 1000000000 };

static char path[100], text[1 << 16];

static const char *path_of(const char *name)
{
	snprintf(path, sizeof path, "%s/%s", test_folder(), name);
	return path;
}

/* From now on the file of that name is written; its path has to stay. */
static void start(const char *name)
{
	static char kept[sizeof path];

	metrics_start(strcpy(kept, path_of(name)));
}

/* Reads the file and removes it; false: there is none. */
static bool take(const char *name)
{
	FILE *file = fopen(path_of(name), "r");
	size_t n;

	if (!file)
		return false;
	n = fread(text, 1, sizeof text - 1, file);
	text[n] = '\0';
	fclose(file);
	unlink(path);
	return true;
}

static void tick(void)
{
	struct cache *c = cache_enter();

	c->ticks = UINT8_MAX;
	cache_tick(c);
	cache_leave(c);
}

static char nowhere[] = "/nowhere/x";

static void say_and_end(void *name)
{
	metrics_start(name);
	os_abort();
}

TEST(a_file_that_cannot_be_written_is_said)
{
	EXPECT_ABORT(say_and_end, nowhere,
		     "loam: metrics: /nowhere/x cannot be written: No such file or directory");
}

static void fail_twice(void *name)
{
	dprintf(2, "BEGIN\n");
	metrics_start(name);
	metrics_finish();
	dprintf(2, "END\n");
	os_abort();
}

static void fail_before_and_after(void *name)
{
	metrics_start(name);
	for (int i = 0; i < 2; i++) {
		os_sim_refuse(OS_SIM_WRITES, ENOSPC);
		dprintf(2, "BEGIN\n");
		metrics_finish();
		dprintf(2, "END\n");
		os_sim_refuse(OS_SIM_WRITES, 0);
		metrics_finish();
	}
	os_abort();
}

TEST(an_error_is_said_once_until_it_was_written)
{
	char said[300];

	EXPECT_ABORT(
		fail_twice, nowhere,
		"BEGIN\nloam: metrics: /nowhere/x cannot be written: No such file or directory\n"
		"END\n");
	path_of("again.prom");
	snprintf(said, sizeof said,
		 "END\nBEGIN\nloam: metrics: %s cannot be written: No space left on device\nEND\n",
		 path);
	EXPECT_ABORT(fail_before_and_after, path, said);
	EXPECT(take("again.prom"));
}

TEST(a_child_is_named_by_its_own_number)
{
	char name[40], label[40];
	int status = -1;
	pid_t child;

	start("%p.child.prom");
	snprintf(name, sizeof name, "%d.child.prom", (int)getpid());
	EXPECT(take(name));
	REQUIRE((child = fork()) >= 0);
	if (child == 0) {
		metrics_finish();
		_exit(0);
	}
	EXPECT(waitpid(child, &status, 0) == child);
	EXPECT_EQ(status, 0);
	snprintf(name, sizeof name, "%d.child.prom", (int)child);
	snprintf(label, sizeof label, "pid=\"%d\"", (int)child);
	REQUIRE(take(name));
	EXPECT_STR(text, label);
}

/* A daemon has closed it, and opened a file of its own. */
TEST(nothing_is_said_into_a_file_that_took_the_place_of_standard_error)
{
	static char name[sizeof path];
	int before = dup(2), other = open(path_of("other"), O_RDWR | O_CREAT, 0600);

	metrics_start(strcpy(name, path_of("x.prom")));
	REQUIRE(take("x.prom") && dup2(other, 2) == 2);
	strcpy(name, "/nowhere/x");
	metrics_finish();
	dup2(before, 2);
	EXPECT_EQ(lseek(other, 0, SEEK_END), 0);
	close(other);
	unlink(path_of("other"));
}

TEST(openmetrics_has_units_and_an_end)
{
	char line[100];

	loam_free(loam_malloc(1));
	start("loam.om");
	REQUIRE(take("loam.om"));
	EXPECT_STR(text,
		   "# HELP loam_arenas Arenas.\n# TYPE loam_arenas gauge\nloam_arenas{program=\"");
	EXPECT(!strstr(text, "program=\"/")); /* as loam metrics has it */
	EXPECT_STR(text, "# TYPE loam_runs_made counter\n");
	EXPECT_STR(text, "# UNIT loam_live_bytes bytes\nloam_live_bytes{");
	snprintf(line, sizeof line, ",pid=\"%d\"} ", getpid());
	EXPECT_STR(text, line);
	EXPECT_STR(text, "\nloam_runs_made_total{");
	EXPECT(strcmp(text + strlen(text) - 6, "# EOF\n") == 0);
}

TEST(the_text_format_names_counters_as_their_values)
{
	start("loam.prom");
	REQUIRE(take("loam.prom"));
	EXPECT_STR(text,
		   "# HELP loam_runs_made_total Runs made.\n# TYPE loam_runs_made_total counter\n"
		   "loam_runs_made_total{");
	EXPECT(!strstr(text, "# UNIT") && !strstr(text, "# EOF"));
}

TEST(it_is_written_once_in_an_interval)
{
	options.metrics_interval = 5;
	os_sim_advance(10 * (uint64_t)SECOND);
	start("often.prom");
	REQUIRE(take("often.prom"));
	tick();
	EXPECT(!take("often.prom"));
	os_sim_advance(4 * (uint64_t)SECOND);
	tick();
	EXPECT(!take("often.prom"));
	os_sim_advance(2 * (uint64_t)SECOND);
	tick();
	EXPECT(take("often.prom"));
	tick();
	EXPECT(!take("often.prom"));
	metrics_finish();
	EXPECT(take("often.prom"));
	EXPECT_EQ(os_sim_open_files(), 0);
}

/* Of two threads that pass, one may have looked at the clock before the other wrote. */
TEST(a_look_at_the_clock_before_the_last_write_writes_nothing)
{
	start("earlier.prom");
	REQUIRE(take("earlier.prom"));
	upkeep_look(os_clock() - 1);
	EXPECT(!take("earlier.prom"));
}

TEST(the_number_of_the_process_stands_for_p)
{
	char name[60];

	start("a-%p-b-%p");
	snprintf(name, sizeof name, "a-%d-b-%d", getpid(), getpid());
	EXPECT(take(name));
}

/* What a write of that process has left, or is at. */
static void leave_half(const char *name, int process)
{
	char new_name[60];
	FILE *file;

	snprintf(new_name, sizeof new_name, "%s.%d.new", name, process);
	file = fopen(path_of(new_name), "w");
	REQUIRE(file);
	fputs("half", file);
	fclose(file);
}

static bool take_half(const char *name, int process)
{
	char new_name[60];

	snprintf(new_name, sizeof new_name, "%s.%d.new", name, process);
	return take(new_name);
}

TEST(a_file_that_was_left_half_written_is_replaced)
{
	leave_half("left.prom", getpid());
	start("left.prom");
	EXPECT(take("left.prom"));
	EXPECT(!take_half("left.prom", getpid()));
}

TEST(what_another_process_is_writing_stays_its_own)
{
	leave_half("shared.prom", 1);
	start("shared.prom");
	EXPECT(take("shared.prom"));
	EXPECT(take_half("shared.prom", 1));
	EXPECT(strcmp(text, "half") == 0);
}

TEST(the_old_file_stays_where_there_is_no_room)
{
	start("full.prom");
	os_sim_refuse(OS_SIM_WRITES, ENOSPC);
	path_of("full.prom");
	EXPECT_ABORT(say_and_end, path, "full.prom cannot be written: No space left on device");
	metrics_finish();
	os_sim_refuse(OS_SIM_WRITES, 0);
	EXPECT(!take_half("full.prom", getpid()));
	REQUIRE(take("full.prom"));
	EXPECT_STR(text, "loam_live_bytes{");
}

TEST(a_link_or_pipe_is_not_replaced)
{
	struct stat about;

	REQUIRE(symlink("/dev/null", path_of("link")) == 0);
	EXPECT_ABORT(say_and_end, path,
		     "link is a link, device or pipe, and is not replaced: nothing is written");
	start("link");
	metrics_finish();
	EXPECT(lstat(path_of("link"), &about) == 0 && S_ISLNK(about.st_mode));
	unlink(path);
	REQUIRE(mkfifo(path_of("pipe.prom"), 0600) == 0);
	start("pipe.prom");
	metrics_finish();
	EXPECT(lstat(path_of("pipe.prom"), &about) == 0 && S_ISFIFO(about.st_mode));
	unlink(path);
	start("plain.prom"); /* for the tests behind this one */
	EXPECT(take("plain.prom"));
}

TEST(nothing_stays_where_it_cannot_be_renamed)
{
	REQUIRE(mkdir(path_of("folder.prom"), 0700) == 0);
	start("folder.prom"); /* the line is not looked at */
	EXPECT(!take_half("folder.prom", getpid()));
	rmdir(path_of("folder.prom"));
}
