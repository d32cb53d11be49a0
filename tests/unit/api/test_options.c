/*
 * The options: every source, which of them wins, every line that is said, and
 * that no string, however wrong, leaves a value out of its range.
 */
#include "api/options.h"

#include "api/options_table.h"
#include "os_sim.h"
#include "test.h"

#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a child left: the values in force, and what else its test wrote. */
struct left {
	struct options options;
	size_t calls; /* of the system, by options_read */
	int results[16];
	char string[256];
};

static struct left *left; /* shared with the children */
static char said[1 << 16];

static void read_all(int end)
{
	size_t length = 0;
	char rest[4096];
	ssize_t got;

	do {
		bool full = length == sizeof said - 1;

		got = read(end, full ? rest : said + length,
			   full ? sizeof rest : sizeof said - 1 - length);
		length += full || got < 0 ? 0 : (size_t)got;
	} while (got > 0);
	said[length] = '\0';
}

/* Runs body in a child, as options are read once a process; false when it died. */
static bool in_child(void (*body)(const void *), const void *arg)
{
	int ends[2], status = 0;
	pid_t child;

	if (!left)
		left = mmap(NULL, sizeof *left, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	memset(left, 0, sizeof *left);
	fflush(stdout);
	REQUIRE(pipe(ends) == 0);
	child = fork();
	REQUIRE(child >= 0);
	if (child == 0) {
		dup2(ends[1], 2);
		body(arg);
		left->options = options;
		_exit(0);
	}
	close(ends[1]);
	read_all(ends[0]);
	close(ends[0]);
	waitpid(child, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void read_environment(const void *environment)
{
	os_sim_environment(environment);
	os_sim_fail_from(1);
	options_read();
	left->calls = os_sim_calls();
}

/* Reads the options from these strings "NAME=value". */
#define READ(...) EXPECT(in_child(read_environment, (const char *const[]){__VA_ARGS__, NULL}))

/* Exactly this was said. */
static void expect_said(const char *lines)
{
	EXPECT_STR(said, lines);
	EXPECT_EQ(strlen(said), strlen(lines));
}

static size_t lines_said(void)
{
	size_t n = 0;

	for (const char *c = said; *c; c++)
		n += *c == '\n';
	return n;
}

static bool in_ranges(const struct options *values)
{
	for (unsigned i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];
		size_t offset = (size_t)((char *)o->value - (char *)&options);
		size_t value = *(const size_t *)((const char *)values + offset);

		if (o->type == LIMIT && value == LIMIT_AUTO)
			continue;
		if (o->type != TEXT && (value < o->least || value > o->most))
			return false;
	}
	return true;
}

/* --- the table ----------------------------------------------------------------------------- */

TEST(defaults_hold_and_lie_in_their_ranges)
{
	struct options defaults = options;

	EXPECT(in_ranges(&defaults));
	READ("HOME=/");
	EXPECT(memcmp(&left->options, &defaults, sizeof defaults) == 0);
	expect_said("");
}

TEST(every_name_is_found_and_no_other)
{
	for (unsigned i = 0; i < option_count; i++)
		EXPECT(option_find(word_of(option_table[i].name)) == &option_table[i]);
	EXPECT(!option_find(word_of("")));
	EXPECT(!option_find(word_of("arena_ma")));
	EXPECT(!option_find(word_of("arena_max_")));
}

/* --- LOAM_OPTIONS -------------------------------------------------------------------------- */

TEST(settings_stand_between_commas_and_colons)
{
	READ("LOAM_OPTIONS=arena_max=3,retain_share=4:promote_after=5");
	EXPECT_EQ(left->options.arena_max, 3);
	EXPECT_EQ(left->options.retain_share, 4);
	EXPECT_EQ(left->options.promote_after, 5);
	expect_said("");
	READ("LOAM_OPTIONS= , arena_max = 3 ,:\tretain_share= 4 \n");
	EXPECT_EQ(left->options.arena_max, 3);
	EXPECT_EQ(left->options.retain_share, 4);
	expect_said("");
}

TEST(a_later_setting_wins)
{
	READ("LOAM_OPTIONS=arena_max=3,arena_max=4");
	EXPECT_EQ(left->options.arena_max, 4);
}

TEST(sizes_have_units)
{
	static const struct {
		const char *setting;
		size_t value;
	} sizes[] = {
		{"LOAM_OPTIONS=retain_floor=0", 0},
		{"LOAM_OPTIONS=retain_floor=12345", 12345},
		{"LOAM_OPTIONS=retain_floor=7K", 7 * KIB},
		{"LOAM_OPTIONS=retain_floor=7k", 7 * KIB},
		{"LOAM_OPTIONS=retain_floor=7KB", 7 * KIB},
		{"LOAM_OPTIONS=retain_floor=7KiB", 7 * KIB},
		{"LOAM_OPTIONS=retain_floor=7M", 7 * MIB},
		{"LOAM_OPTIONS=retain_floor=7MiB", 7 * MIB},
		{"LOAM_OPTIONS=retain_floor=64G", 64 * GIB},
		{"LOAM_OPTIONS=retain_floor=64GB", 64 * GIB},
	};

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		READ(sizes[i].setting);
		EXPECT_EQ(left->options.retain_floor, sizes[i].value);
		expect_said("");
	}
}

TEST(a_flag_is_said_in_many_ways)
{
	static const char *const yes[] = {"verbose",	"verbose=1",	"verbose=yes",
					  "verbose=on", "verbose=true", "VERBOSE=Yes"};
	static const char *const no[] = {"verbose,verbose=0", "verbose,verbose=no",
					 "verbose,verbose=off", "verbose,verbose=false"};
	char entry[64];

	for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
		snprintf(entry, sizeof entry, "LOAM_OPTIONS=%s", yes[i]);
		READ(entry);
		EXPECT_EQ(left->options.verbose, 1);
		expect_said("");
	}
	for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
		snprintf(entry, sizeof entry, "LOAM_OPTIONS=%s", no[i]);
		READ(entry);
		EXPECT_EQ(left->options.verbose, 0);
		expect_said("");
	}
}

TEST(a_profile_alone_has_a_rate)
{
	READ("LOAM_OPTIONS=prof");
	EXPECT_EQ(left->options.prof, PROF_ALONE);
	expect_said("");
}

TEST(a_word_is_one_of_its_row)
{
	READ("LOAM_OPTIONS=stats=exit");
	EXPECT_EQ(left->options.stats, STATS_EXIT);
	READ("LOAM_OPTIONS=stats=exit,stats=never");
	EXPECT_EQ(left->options.stats, STATS_NEVER);
	expect_said("");
}

TEST(a_text_is_kept_and_an_empty_one_is_refused)
{
	READ("LOAM_OPTIONS=record=/a/b c.trace,confirm");
	EXPECT_STR(said, "record=/a/b c.trace (LOAM_OPTIONS)");
	READ("LOAM_OPTIONS=record=");
	EXPECT_EQ(left->options.record, 0);
	EXPECT_STR(said, "record= is not a name of at most 1000 bytes; it stays none");
}

TEST(each_text_may_have_1000_bytes)
{
	static char entry[5000], name[1002];

	memset(name, 'x', 1000);
	snprintf(entry, sizeof entry,
		 "LOAM_OPTIONS=metrics=%s,report_file=%s,prof_file=%s,record=%s", name, name, name,
		 name);
	READ(entry);
	expect_said("");
	EXPECT(left->options.metrics && left->options.record);
	strcat(entry, ",record=y"); /* beyond what is kept of names */
	READ(entry);
	EXPECT_STR(said, "record=y is not a name of at most 1000 bytes; it stays xxx");
	name[1000] = 'x';
	snprintf(entry, sizeof entry, "LOAM_OPTIONS=metrics=%s", name);
	READ(entry);
	EXPECT_STR(said, " is not a name of at most 1000 bytes; it stays none");
}

TEST(the_ends_of_a_range_belong_to_it)
{
	READ("LOAM_OPTIONS=mmap_threshold=4K,arena_max=65536");
	EXPECT_EQ(left->options.mmap_threshold, 4 * KIB);
	EXPECT_EQ(left->options.arena_max, 65536);
	READ("LOAM_OPTIONS=mmap_threshold=4M");
	EXPECT_EQ(left->options.mmap_threshold, 4 * MIB);
	expect_said("");
}

TEST(reading_asks_the_system_for_nothing)
{
	READ("LOAM_OPTIONS=help,confirm,verbose,nonsense", "MALLOC_CHECK_=3", "LOAM_OPTION=");
	EXPECT_EQ(left->calls, 0);
}

/* --- complaints ---------------------------------------------------------------------------- */

TEST(what_is_not_understood_is_said_in_one_line)
{
	static const struct {
		const char *settings, *line;
	} slips[] = {
		{"arenamax=2", "no option 'arenamax'; did you mean 'arena_max'?"},
		{"stat=exit", "no option 'stat'; did you mean 'stats'?"},
		{"RETAIN-FLOOR=1M", "no option 'RETAIN-FLOOR'; did you mean 'retain_floor'?"},
		{"verbos", "no option 'verbos'; did you mean 'verbose'?"},
		{"trim=1M", "no option 'trim'; did you mean 'trim_threshold'?"},
		{"=help", "no option ''; LOAM_OPTIONS=help names them all"},
		{"nonsense", "no option 'nonsense'; LOAM_OPTIONS=help names them all"},
		{"lg_prof_sample=19",
		 "no option 'lg_prof_sample', which is jemalloc's; here: prof"},
		{"dirty_decay_ms=0", "no option 'dirty_decay_ms', which is jemalloc's; here: "
				     "decay_ms, retain_floor"},
		{"tcache=false",
		 "no option 'tcache', which is jemalloc's; here is nothing like it"},
		{"v\x1b\xc3"
		 "bose",
		 "no option 'v??bose'; did you mean 'verbose'?"},
		{"arena_max=x", "arena_max=x is not a number from 0 to 65536; it stays 0"},
		{"arena_max=", "arena_max= is not a number from 0 to 65536; it stays 0"},
		{"arena_max", "arena_max= is not a number from 0 to 65536; it stays 0"},
		{"arena_max=-1", "arena_max=-1 is not a number from 0 to 65536; it stays 0"},
		{"arena_max=65537", "arena_max=65537 is not a number from 0 to 65536; it stays 0"},
		{"arena_max=1K", "arena_max=1K is not a number from 0 to 65536; it stays 0"},
		{"arena_max=2=3", "arena_max=2=3 is not a number from 0 to 65536; it stays 0"},
		{"promote_after=0", "promote_after=0 is not a number from 1 to 65535; it stays 32"},
		{"top_pad=1T", "top_pad=1T is not a size from 0 to 1G; it stays 128K"},
		{"top_pad=1KBB", "top_pad=1KBB is not a size from 0 to 1G; it stays 128K"},
		{"top_pad=1 K", "top_pad=1 K is not a size from 0 to 1G; it stays 128K"},
		{"top_pad=K", "top_pad=K is not a size from 0 to 1G; it stays 128K"},
		{"top_pad=1025M", "top_pad=1025M is not a size from 0 to 1G; it stays 128K"},
		/* These wrap to 0 where digits or units are not watched. */
		{"top_pad=18446744073709551616",
		 "top_pad=18446744073709551616 is not a size from 0 to 1G; it stays 128K"},
		{"top_pad=17179869184G",
		 "top_pad=17179869184G is not a size from 0 to 1G; it stays 128K"},
		{"mmap_threshold=4095",
		 "mmap_threshold=4095 is not a size from 4K to 4M; it stays 36K"},
		{"verbose=2", "verbose=2 is not yes or no; it stays no"},
		{"verbose=", "verbose= is not yes or no; it stays no"},
		{"stats=always", "stats=always is not one of never|exit; it stays never"},
		{"stats=never|exit", "stats=never|exit is not one of never|exit; it stays never"},
		{"stats", "stats= is not one of never|exit; it stays never"},
	};
	struct options defaults = options;
	char entry[256], line[256];

	for (size_t i = 0; i < sizeof slips / sizeof slips[0]; i++) {
		snprintf(entry, sizeof entry, "LOAM_OPTIONS=%s", slips[i].settings);
		snprintf(line, sizeof line, "loam: LOAM_OPTIONS: %s\n", slips[i].line);
		READ(entry);
		expect_said(line);
		EXPECT(memcmp(&left->options, &defaults, sizeof defaults) == 0);
	}
}

TEST(a_slip_spoils_nothing_beside_it)
{
	READ("LOAM_OPTIONS=arena_max=3,arena_max=x,nonsense=1,top_pad=1M");
	EXPECT_EQ(left->options.arena_max, 3);
	EXPECT_EQ(left->options.top_pad, MIB);
	EXPECT_STR(said, "arena_max=x is not a number from 0 to 65536; it stays 3\n");
	EXPECT_EQ(lines_said(), 2);
}

TEST(of_names_that_are_near_the_nearest_is_named)
{
	READ("LOAM_OPTIONS=prof_=1");
	EXPECT_STR(said, "did you mean 'prof'?");
	READ("LOAM_OPTIONS=prof_fil=x");
	EXPECT_STR(said, "did you mean 'prof_file'?");
}

TEST(a_long_name_is_cut)
{
	char entry[400] = "LOAM_OPTIONS=";

	memset(entry + strlen(entry), 'x', 300);
	READ(entry);
	EXPECT_EQ(lines_said(), 1);
	EXPECT(strlen(said) < 120);
}

TEST(variables_that_are_slips_are_named)
{
	READ("LOAM_OPTIONS=verbose", "LOAM_OPTION=help", "LOAM_OPTOINS=help", "LOAM_HARDEN=2",
	     "LOAM_ARENAMAX=2");
	expect_said("loam: nothing reads the variable 'LOAM_OPTION'; did you mean 'LOAM_OPTIONS'?\n"
		    "loam: nothing reads the variable 'LOAM_OPTOINS'; "
		    "did you mean 'LOAM_OPTIONS'?\n"
		    "loam: nothing reads the variable 'LOAM_HARDEN'; "
		    "did you mean 'LOAM_OPTIONS=harden'?\n"
		    "loam: nothing reads the variable 'LOAM_ARENAMAX'; "
		    "did you mean 'LOAM_OPTIONS=arena_max'?\n");
	EXPECT_EQ(left->options.help, 0);
}

#define OF_OTHERS                                                                                  \
	"LOAM_HOME=/opt/loam", "LOAM_TOKEN=1", "LOAM_=", "LOAMY=1", "LOAM_VERSION=3", "LOAM_PORT=80"

TEST(variables_of_other_products_are_nobodys_slips)
{
	READ(OF_OTHERS, "LOAM_OPTIONS=verbose");
	expect_said("");
	READ("LOAM_SO=x", "LOAM_TEST_SEED=1", "LOAM_OPTIONS=verbose");
	expect_said("");
}

TEST(who_sets_no_options_is_told_of_no_variable)
{
	READ(OF_OTHERS, "LOAM_HARDEN=2", "LOAM_OPTION=");
	expect_said("");
}

/* --- what is set for glibc ----------------------------------------------------------------- */

TEST(glibc_variables_are_obeyed)
{
	READ("MALLOC_ARENA_MAX=2", "MALLOC_TRIM_THRESHOLD_=100000", "MALLOC_TOP_PAD_=65536",
	     "MALLOC_MMAP_THRESHOLD_=8192", "MALLOC_PERTURB_=90");
	EXPECT_EQ(left->options.arena_max, 2);
	EXPECT_EQ(left->options.trim_threshold, 100000);
	EXPECT_EQ(left->options.top_pad, 65536);
	EXPECT_EQ(left->options.mmap_threshold, 8192);
	EXPECT_EQ(left->options.perturb, 90);
	expect_said("");
}

TEST(glibc_tunables_are_obeyed)
{
	READ("GLIBC_TUNABLES=glibc.malloc.arena_max=2:glibc.rtld.nns=4:glibc.malloc.top_pad=65536:"
	     "glibc.malloc.trim_threshold=100000:glibc.malloc.mmap_threshold=8192:"
	     "glibc.malloc.perturb=90");
	EXPECT_EQ(left->options.arena_max, 2);
	EXPECT_EQ(left->options.trim_threshold, 100000);
	EXPECT_EQ(left->options.top_pad, 65536);
	EXPECT_EQ(left->options.mmap_threshold, 8192);
	EXPECT_EQ(left->options.perturb, 90);
	expect_said("");
}

TEST(glibc_numbers_have_glibc_syntax)
{
	static const struct {
		const char *setting;
		size_t value;
	} numbers[] = {
		{"MALLOC_TOP_PAD_=100", 100},	 {"MALLOC_TOP_PAD_=0x1aF", 0x1af},
		{"MALLOC_TOP_PAD_=0X10", 16},	 {"MALLOC_TOP_PAD_=010", 8},
		{"MALLOC_TOP_PAD_=0", 0},	 {"MALLOC_TOP_PAD_= \t7", 7},
		{"MALLOC_TOP_PAD_=+7", 7},	 {"MALLOC_TOP_PAD_=", 128 * KIB},
		{"MALLOC_TOP_PAD_=-1", 1 * GIB}, {"MALLOC_TOP_PAD_=0x10000000000000000", 1 * GIB},
	};

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		READ(numbers[i].setting);
		EXPECT_EQ(left->options.top_pad, numbers[i].value);
		expect_said("");
	}
}

TEST(glibc_values_beyond_the_range_become_its_end)
{
	READ("MALLOC_MMAP_THRESHOLD_=1073741824", "MALLOC_ARENA_MAX=99999999",
	     "MALLOC_TRIM_THRESHOLD_=-1", "MALLOC_PERTURB_=99999999999999999999999");
	EXPECT_EQ(left->options.mmap_threshold, 4 * MIB);
	EXPECT_EQ(left->options.arena_max, 65536);
	EXPECT_EQ(left->options.trim_threshold, 64 * GIB);
	EXPECT_EQ(left->options.perturb, 255);
	READ("GLIBC_TUNABLES=glibc.malloc.mmap_threshold=1");
	EXPECT_EQ(left->options.mmap_threshold, 4 * KIB);
	expect_said("");
}

TEST(glibc_zeros_keep_their_meaning)
{
	READ("MALLOC_TRIM_THRESHOLD_=0", "MALLOC_ARENA_MAX=3",
	     "GLIBC_TUNABLES=glibc.malloc.arena_max=0");
	EXPECT_EQ(left->options.trim_threshold, 1);
	EXPECT_EQ(left->options.arena_max, 3);
	expect_said("");
}

TEST(glibc_settings_that_are_no_numbers_are_said)
{
	READ("MALLOC_ARENA_MAX=two");
	expect_said("loam: MALLOC_ARENA_MAX: arena_max=two is not a number from 0 to 65536; "
		    "it stays 0\n");
	READ("MALLOC_TOP_PAD_=08");
	expect_said(
		"loam: MALLOC_TOP_PAD_: top_pad=08 is not a size from 0 to 1G; it stays 128K\n");
	READ("MALLOC_TOP_PAD_=0x");
	EXPECT_EQ(lines_said(), 1);
	READ("MALLOC_TOP_PAD_=-");
	EXPECT_EQ(lines_said(), 1);
	READ("GLIBC_TUNABLES=glibc.malloc.top_pad=1M:glibc.malloc.perturb=3");
	expect_said("loam: GLIBC_TUNABLES: top_pad=1M is not a size from 0 to 1G; it stays 128K\n");
	EXPECT_EQ(left->options.perturb, 3);
}

TEST(broken_tunables_are_passed_over)
{
	struct options defaults = options;

	READ("GLIBC_TUNABLES=:::=:glibc.malloc.:glibc.malloc.arena_max:glibc.malloc.arena_max=:"
	     "arena_max=5:glibc.malloc.arena_maxi=5:glibc.malloc=5:glibc.malloc.arena_ma=5");
	EXPECT(memcmp(&left->options, &defaults, sizeof defaults) == 0);
	expect_said("");
}

#define MEANINGLESS_VARIABLES                                                                      \
	"MALLOC_ARENA_TEST=8", "MALLOC_MMAP_MAX_=1", "MALLOC_CHECK_=3", "MALLOC_TCACHE_COUNT=0",   \
		"MALLOC_TCACHE_MAX=0", "MALLOC_TCACHE_UNSORTED_LIMIT=0"
#define MEANINGLESS_TUNABLES                                                                       \
	"GLIBC_TUNABLES=glibc.malloc.arena_test=8:glibc.malloc.mmap_max=1:glibc.malloc.check=3:"   \
	"glibc.malloc.tcache_count=0:glibc.malloc.tcache_max=0:"                                   \
	"glibc.malloc.tcache_unsorted_limit=0:glibc.malloc.mxfast=0:glibc.malloc.hugetlb=1"

TEST(what_has_no_meaning_is_named_once_when_asked)
{
	static const char *const variables[] = {"ARENA_TEST", "MMAP_MAX_",
						"CHECK_",     "TCACHE_COUNT",
						"TCACHE_MAX", "TCACHE_UNSORTED_LIMIT"};
	static const char *const tunables[] = {"arena_test", "mmap_max",
					       "check",	     "tcache_count",
					       "tcache_max", "tcache_unsorted_limit",
					       "mxfast",     "hugetlb"};
	char line[128];

	READ(MEANINGLESS_VARIABLES, MEANINGLESS_TUNABLES);
	expect_said("");
	READ(MEANINGLESS_VARIABLES, "LOAM_OPTIONS=verbose");
	for (size_t i = 0; i < 6; i++) {
		snprintf(line, sizeof line, "loam: MALLOC_%s has no meaning here\n", variables[i]);
		EXPECT_STR(said, line);
	}
	EXPECT_EQ(lines_said(), 6);
	READ(MEANINGLESS_TUNABLES, "LOAM_OPTIONS=verbose");
	for (size_t i = 0; i < 8; i++) {
		snprintf(line, sizeof line,
			 "loam: GLIBC_TUNABLES: glibc.malloc.%s has no meaning here\n",
			 tunables[i]);
		EXPECT_STR(said, line);
	}
	EXPECT_EQ(lines_said(), 8);
}

/* --- which source wins --------------------------------------------------------------------- */

#define FROM_OPTIONS  "LOAM_OPTIONS=confirm,arena_max=4"
#define FROM_VARIABLE "MALLOC_ARENA_MAX=3"
#define FROM_TUNABLE  "GLIBC_TUNABLES=glibc.malloc.arena_max=2"

TEST(a_later_source_wins_and_is_named)
{
	READ("LOAM_OPTIONS=confirm");
	EXPECT_STR(said, "loam: arena_max=0 (default)\n");
	EXPECT_STR(said, "loam: confirm=yes (LOAM_OPTIONS)\n");
	READ("LOAM_OPTIONS=confirm", FROM_VARIABLE);
	EXPECT_STR(said, "loam: arena_max=3 (MALLOC_ARENA_MAX)\n");
	READ("LOAM_OPTIONS=confirm", FROM_VARIABLE, FROM_TUNABLE);
	EXPECT_STR(said, "loam: arena_max=2 (GLIBC_TUNABLES)\n");
	READ(FROM_OPTIONS, FROM_VARIABLE, FROM_TUNABLE);
	EXPECT_STR(said, "loam: arena_max=4 (LOAM_OPTIONS)\n");
	EXPECT_EQ(left->options.arena_max, 4);
}

TEST(what_hardening_decides_is_confirmed)
{
	READ("LOAM_OPTIONS=confirm,harden=2,hugetlb,promote_after=7");
	EXPECT_STR(said, "loam: promote_after=1 (harden)\n");
	EXPECT_STR(said, "loam: hugetlb=no (harden)\n");
	READ("LOAM_OPTIONS=confirm,harden=1,hugetlb,promote_after=7");
	EXPECT_STR(said, "loam: promote_after=7 (LOAM_OPTIONS)\n");
	EXPECT_STR(said, "loam: hugetlb=yes (LOAM_OPTIONS)\n");
}

static void read_and_mallopt(const void *environment)
{
	read_environment(environment);
	options_mallopt(M_ARENA_MAX, 5);
	options_read();
}

TEST(mallopt_wins_and_is_named)
{
	static const char *const environment[] = {"LOAM_OPTIONS=confirm", NULL};

	EXPECT(in_child(read_and_mallopt, environment));
	EXPECT_STR(said, "loam: arena_max=5 (mallopt)\n");
	EXPECT_EQ(left->options.arena_max, 5);
}

static void read_securely(const void *environment)
{
	os_sim_set_secure(true);
	read_environment(environment);
}

TEST(a_program_with_more_rights_than_its_user_reads_nothing)
{
	static const char *const all[] = {FROM_OPTIONS, FROM_VARIABLE, FROM_TUNABLE,
					  "LOAM_OPTION=", NULL};
	struct options defaults = options;

	EXPECT(in_child(read_securely, all));
	EXPECT(memcmp(&left->options, &defaults, sizeof defaults) == 0);
	expect_said("");
}

TEST(an_unknown_environment_is_an_empty_one)
{
	struct options defaults = options;

	EXPECT(in_child(read_environment, NULL));
	EXPECT(memcmp(&left->options, &defaults, sizeof defaults) == 0);
	expect_said("");
}

/* --- help and confirm ---------------------------------------------------------------------- */

TEST(help_has_a_line_an_option)
{
	char start[64];

	READ("LOAM_OPTIONS=help");
	for (unsigned i = 0; i < option_count; i++) {
		snprintf(start, sizeof start, "loam: %-15s ", option_table[i].name);
		EXPECT_STR(said, start);
	}
	EXPECT_EQ(lines_said(), option_count);
	EXPECT_STR(said, "(a number from 0 to 65536; default 0)\n");
	EXPECT_STR(said, "(a size from 4K to 4M; default 36K)\n");
	EXPECT_STR(said, "(yes or no; default no)\n");
	EXPECT_STR(said, "statistics per floor (one of never|exit; default never)\n");
}

TEST(confirm_has_a_line_an_option)
{
	char start[64];

	READ("LOAM_OPTIONS=confirm,stats=exit,top_pad=1025,retain_floor=3M,trim_threshold=2G");
	for (unsigned i = 0; i < option_count; i++) {
		snprintf(start, sizeof start, "loam: %s=", option_table[i].name);
		EXPECT_STR(said, start);
	}
	EXPECT_EQ(lines_said(), option_count);
	EXPECT_STR(said, "loam: help=no (default)\n");
	EXPECT_STR(said, "loam: stats=exit (LOAM_OPTIONS)\n");
	EXPECT_STR(said, "loam: top_pad=1025 (LOAM_OPTIONS)\n");
	EXPECT_STR(said, "loam: retain_floor=3M (LOAM_OPTIONS)\n");
	EXPECT_STR(said, "loam: trim_threshold=2G (LOAM_OPTIONS)\n");
}

/* --- mallopt ------------------------------------------------------------------------------- */

static void mallopt_grid(const void *parameter)
{
	static const int values[] = {-2147483647 - 1, -1, 0, 1, 64, 160, 161, 1 << 30, 2147483647};

	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		left->results[i] = options_mallopt(*(const int *)parameter, values[i]);
}

/* As glibc 2.36 on the same values; only M_MXFAST refuses any. */
TEST(mallopt_returns_what_glibc_returns)
{
	static const int mxfast[] = {0, 0, 1, 1, 1, 1, 0, 0, 0};

	for (int parameter = -10; parameter <= 3; parameter++) {
		EXPECT(in_child(mallopt_grid, &parameter));
		for (size_t i = 0; i < sizeof mxfast / sizeof mxfast[0]; i++)
			EXPECT_EQ(left->results[i], parameter == M_MXFAST ? mxfast[i] : 1);
		EXPECT(in_ranges(&left->options));
		expect_said("");
	}
}

static void mallopt_call(const void *call)
{
	const int *c = call;

	left->results[0] = options_mallopt(c[0], c[1]);
}

/* The options after one call. */
static const struct options *after_mallopt(int parameter, int value)
{
	EXPECT(in_child(mallopt_call, (const int[]){parameter, value}));
	EXPECT_EQ(left->results[0], 1);
	return &left->options;
}

TEST(mallopt_sets_what_it_stands_for)
{
	EXPECT_EQ(after_mallopt(M_ARENA_MAX, 2)->arena_max, 2);
	EXPECT_EQ(after_mallopt(M_ARENA_MAX, 1 << 30)->arena_max, 65536);
	EXPECT_EQ(after_mallopt(M_TRIM_THRESHOLD, 123456)->trim_threshold, 123456);
	EXPECT_EQ(after_mallopt(M_TRIM_THRESHOLD, 0)->trim_threshold, 1);
	EXPECT_EQ(after_mallopt(M_TRIM_THRESHOLD, -1)->trim_threshold, 64 * GIB);
	EXPECT_EQ(after_mallopt(M_TOP_PAD, 0)->top_pad, 0);
	EXPECT_EQ(after_mallopt(M_MMAP_THRESHOLD, 8192)->mmap_threshold, 8192);
	EXPECT_EQ(after_mallopt(M_MMAP_THRESHOLD, 1 << 30)->mmap_threshold, 4 * MIB);
	EXPECT_EQ(after_mallopt(M_MMAP_THRESHOLD, 0)->mmap_threshold, 4 * KIB);
	EXPECT_EQ(after_mallopt(M_PERTURB, 0x5a)->perturb, 0x5a);
	EXPECT_EQ(after_mallopt(M_PERTURB, 0x15a)->perturb, 0x5a);
	EXPECT_EQ(after_mallopt(M_PERTURB, -1)->perturb, 0xff);
}

TEST(mallopt_leaves_alone_what_has_no_meaning)
{
	static const int calls[][2] = {{M_ARENA_MAX, 0}, {M_ARENA_MAX, -3}, {M_ARENA_TEST, 4},
				       {M_MMAP_MAX, 0},	 {M_MXFAST, 80},    {M_CHECK_ACTION, 3},
				       {12345, 1},	 {-100, 1}};
	struct options defaults = options;

	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
		EXPECT(memcmp(after_mallopt(calls[i][0], calls[i][1]), &defaults,
			      sizeof defaults) == 0);
}

/* --- any string at all --------------------------------------------------------------------- */

enum { STRINGS = 20000, STRING_MOST = 200, PAGE = 4096 };

static const char *const pieces[] = {
	"=",
	",",
	":",
	"=",
	",",
	" ",
	"0",
	"0x",
	"-",
	"1",
	"65",
	"999",
	"K",
	"MiB",
	"GB",
	"exit",
	"never",
	"yes",
	"off",
	"|",
	"\t",
	"x",
	"\n",
	"LOAM_",
	"18446744073709",
	"glibc.",
	"malloc.",
	"glibc.malloc.",
};

static void append(char *string, const char *piece)
{
	if (strlen(string) + strlen(piece) <= STRING_MOST)
		strcat(string, piece);
}

/* A setting with nothing wrong but, mostly, its value. */
static void append_setting(char *string, uint64_t *state)
{
	static const char *const units[] = {"", "", "K", "G"}, *const ends[] = {",", ":"},
				 *const prefixes[] = {"", "glibc.malloc."};
	uint64_t choice = test_random(state) >> 8;
	char setting[80];

	snprintf(setting, sizeof setting, "%s%s=%zu%s%s", prefixes[choice % 2],
		 option_table[choice / 2 % option_count].name,
		 (size_t)(test_random(state) >> choice / 64 % 64), units[choice / 4096 % 4],
		 ends[choice / 16384 % 2]);
	append(string, setting);
}

/* Settings, their pieces and any bytes, so that many strings are right or nearly so. */
static void make_string(char *string, uint64_t *state)
{
	static const char *const names[] = {
		"LOAM_OPTIONS=", "GLIBC_TUNABLES=", "MALLOC_TOP_PAD_=", "LOAM_"};
	char byte[2] = "";

	*string = '\0';
	append(string, names[test_random(state) % 4]);
	for (uint64_t n = test_random(state) % 16; n; n--) {
		uint64_t choice = test_random(state) >> 8;

		byte[0] = (char)(choice % 255 + 1);
		if (choice % 4 < 2)
			append_setting(string, state);
		else if (choice % 4 == 2)
			append(string, pieces[choice / 4 % (sizeof pieces / sizeof pieces[0])]);
		else
			append(string, byte);
	}
}

/* The end of a page before one that cannot be read: who reads too far dies. */
static char *edge(void)
{
	char *pages =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(pages + PAGE, PAGE, PROT_NONE);
	return pages + PAGE;
}

static void read_strings(const void *seed)
{
	struct options defaults = options;
	uint64_t state = *(const uint64_t *)seed;
	char *end = edge();

	for (int i = 0; i < STRINGS; i++) {
		const char *environment[2] = {NULL, NULL};
		size_t nbytes;

		make_string(left->string, &state);
		nbytes = strlen(left->string) + 1;
		environment[0] = memcpy(end - nbytes, left->string, nbytes);
		options = defaults;
		read_environment(environment);
		if (!in_ranges(&options))
			_exit(1);
	}
}

TEST(no_string_crashes_or_leaves_a_value_out_of_range)
{
	uint64_t seed = test_seed();

	if (!EXPECT(in_child(read_strings, &seed)))
		printf("    by \"%s\"\n", left->string);
}
