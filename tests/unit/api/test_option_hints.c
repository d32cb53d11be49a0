/* What is near an option's name and what is not, and whose the others are. */
#include "api/option_hints.h"
#include "test.h"

#include <string.h>

static bool is_near(const char *name, const char *option)
{
	const struct option *o = option_near(word_of(name));

	return o ? option && !strcmp(o->name, option) : !option;
}

TEST(distance_counts_changed_letters)
{
	EXPECT_EQ(word_distance(word_of(""), word_of("")), 0);
	EXPECT_EQ(word_distance(word_of("Guard"), word_of("guard")), 0);
	EXPECT_EQ(word_distance(word_of("gard"), word_of("guard")), 1);
	EXPECT_EQ(word_distance(word_of("gaurd"), word_of("guard")), 2);
	EXPECT_EQ(word_distance(word_of("guard"), word_of("help")), 5);
	EXPECT_EQ(word_distance(word_of("abc"), word_of("")), 3);
}

TEST(a_slip_is_near_its_option)
{
	EXPECT(is_near("gaurd", "guard"));
	EXPECT(is_near("hlep", "help"));
	EXPECT(is_near("Hardn", "harden"));
	EXPECT(is_near("retain-floor", "retain_floor"));
	EXPECT(is_near("mmap_treshold", "mmap_threshold"));
	EXPECT(is_near("reportfile", "report_file"));
	EXPECT(is_near("reports", "report"));
}

TEST(the_beginning_of_a_name_is_near_it)
{
	EXPECT(is_near("arena", "arena_max"));
	EXPECT(is_near("harden_level", "harden"));
	EXPECT(is_near("har", NULL));
}

TEST(another_word_is_near_nothing)
{
	static const char *const words[] = {"",	      "a",     "flat",	 "home", "zero",
					    "abort",  "token", "port",	 "path", "debug",
					    "thread", "delay", "version"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		EXPECT(is_near(words[i], NULL));
	EXPECT(!option_near((struct word){"a", SIZE_MAX}));
}

static bool is(struct word w, const char *string)
{
	return w.length == strlen(string) && !memcmp(w.start, string, w.length);
}

TEST(options_of_other_allocators_are_known)
{
	struct word whose, here;

	EXPECT(option_of_others(word_of("narenas"), &whose, &here));
	EXPECT(is(whose, "jemalloc") && is(here, "arena_max"));
	EXPECT(option_of_others(word_of("Dirty_Decay_ms"), &whose, &here));
	EXPECT(is(whose, "jemalloc") && is(here, "decay_ms, retain_floor"));
	EXPECT(option_of_others(word_of("prof_leak"), &whose, &here) && is(here, "prof"));
	EXPECT(option_of_others(word_of("prof_prefix"), &whose, &here) && is(here, "prof_file"));
	EXPECT(option_of_others(word_of("purge_delay"), &whose, &here) && is(whose, "mimalloc"));
	EXPECT(option_of_others(word_of("gwp_asan_samplerate"), &whose, &here) &&
	       is(here, "guard"));
	EXPECT(option_of_others(word_of("background_thread"), &whose, &here) &&
	       is(here, "background"));
	EXPECT(option_of_others(word_of("dss"), &whose, &here) && !here.length);
	EXPECT(!option_of_others(word_of("pro"), &whose, &here));
	EXPECT(!option_of_others(word_of("narenas_"), &whose, &here));
	EXPECT(!option_of_others(word_of(""), &whose, &here));
	for (unsigned i = 0; i < option_count; i++)
		EXPECT(!option_of_others(word_of(option_table[i].name), &whose, &here));
}
