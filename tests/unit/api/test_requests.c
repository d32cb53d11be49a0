/* What is done for other processes, and what they are told. */
#include "api/requests.h"

#include "api/start.h"
#include "base/options.h"
#include "cache/requests.h"
#include "observe/profile.h"
#include "observe/watch.h"
#include "os_sim.h"
#include "test.h"

#include <loam/loam.h>
#include <string.h>

/* Asks as another process does, and calls. */
static const struct request *ask(enum request_kind kind, const char *text)
{
	struct request *r = &requests.of[kind];

	memset(r->text, 0, sizeof r->text);
	strncpy(r->text, text, sizeof r->text - 1);
	r->asked++;
	fast_limit = 0;
	loam_free(loam_malloc(1));
	mine.cache->ticks = UINT8_MAX;
	loam_free(loam_malloc(64));
	EXPECT_EQ(r->answered, r->asked);
	return r;
}

TEST(a_trim_tells_how_much_went_back)
{
	enum { COUNT = 4000, SIZE = 1000 };
	static void *mem[COUNT];
	const struct request *r;

	options.retain_floor = 64 * MIB;
	for (int i = 0; i < COUNT; i++)
		memset(mem[i] = loam_malloc(SIZE), 1, SIZE);
	for (int i = 0; i < COUNT; i++)
		loam_free(mem[i]);
	r = ask(REQUEST_trim, "");
	EXPECT(!r->failed);
	EXPECT(r->result > COUNT * SIZE * 9 / 10);
	EXPECT(r->result < COUNT * SIZE * 3 / 2);
	r = ask(REQUEST_trim, "");
	EXPECT(r->result < 2 * options.top_pad); /* what top grew by since */
	EXPECT(loam_check());
}

TEST(an_option_is_set)
{
	const struct request *r = ask(REQUEST_set, " Top_Pad = 1M ");

	EXPECT(!r->failed);
	EXPECT_STR(r->text, "top_pad=1M; it was 128K");
	EXPECT_EQ(options.top_pad, MIB);
	r = ask(REQUEST_set, "verbose");
	EXPECT_STR(r->text, "verbose=yes; it was no");
	EXPECT_EQ(options.verbose, 1);
}

static void refused(const char *setting, const char *said)
{
	struct options before = options;
	const struct request *r = ask(REQUEST_set, setting);

	EXPECT(r->failed);
	EXPECT_STR(r->text, said);
	EXPECT_EQ(memcmp(&before, &options, sizeof options), 0);
}

TEST(what_is_no_setting_is_refused_with_a_line)
{
	refused("arenamax=3", "set: no option 'arenamax'; did you mean 'arena_max'?");
	refused("narenas=3", "set: no option 'narenas', which is jemalloc's; here: arena_max");
	refused("dss=1", "set: no option 'dss', which is jemalloc's; here is nothing like it");
	refused("", "set: no option ''");
	refused("top_pad=2G", "set: top_pad=2G is not a size from 0 to 1G; it stays 1M");
	refused("top_pad", "set: top_pad= is not a size");
	refused("harden=3", "set: harden holds from the start of a process on");
	refused("harden_action=warn", "set: harden_action holds from the start");
	refused("record=/tmp/x", "set: record holds from the start");
}

static const struct request *ask_profile(uint64_t rate)
{
	requests.of[REQUEST_profile].given = rate;
	return ask(REQUEST_profile, "");
}

TEST(a_profile_begins_and_ends)
{
	const struct request *r = ask_profile(0);

	EXPECT(r->failed);
	EXPECT_STR(r->text, "prof: no profile is being made: start one first");
	r = ask_profile(1);
	EXPECT(!r->failed);
	EXPECT(profiling);
	EXPECT_EQ(samples.rate, 1);
	EXPECT_EQ(fast_limit, 1);
	EXPECT_EQ(fast_limit_counted, FAST_GRANULES);
	loam_free(loam_malloc(64));
	EXPECT(samples.taken > 0);
	r = ask_profile(512);
	EXPECT(r->failed);
	EXPECT_STR(r->text, "prof: a profile is being made: stop it first");
	EXPECT_EQ(samples.rate, 1);
	r = ask_profile(0);
	EXPECT(!r->failed && !profiling && !sampling);
	EXPECT_EQ(r->result, samples.taken);
	EXPECT_EQ(fast_limit, FAST_GRANULES);
	EXPECT_EQ(fast_limit_counted, 0);
	EXPECT(!ask_profile(UINT64_MAX)->failed);
	EXPECT_EQ(samples.rate, PROFILE_RATE_MOST);
	EXPECT(!ask_profile(0)->failed);
	EXPECT(loam_check());
}

TEST(a_text_without_an_end_is_cut)
{
	struct request *r = &requests.of[REQUEST_set];

	ask(REQUEST_set, "");
	memset(r->text, 'x', sizeof r->text);
	r->asked++;
	mine.cache->ticks = UINT8_MAX;
	fast_limit = 0;
	loam_free(loam_malloc(64));
	EXPECT(r->failed);
	EXPECT(strlen(r->text) < sizeof r->text);
}

TEST(who_answers_already_is_not_disturbed)
{
	struct request *r = &requests.of[REQUEST_trim];

	requests.busy = true;
	r->asked++;
	mine.cache->ticks = UINT8_MAX;
	fast_limit = 0;
	loam_free(loam_malloc(64));
	EXPECT(r->answered != r->asked);
	requests.busy = false;
	mine.cache->ticks = UINT8_MAX;
	loam_free(loam_malloc(64));
	EXPECT_EQ(r->answered, r->asked);
}

TEST(the_hot_path_is_opened_unless_calls_are_watched)
{
	ask(REQUEST_trim, "");
	EXPECT_EQ(fast_limit, FAST_GRANULES);
	watch_all();
	ask(REQUEST_trim, "");
	EXPECT_EQ(fast_limit, 0);
}

TEST(a_program_with_more_rights_than_its_user_answers_nothing)
{
	requests_serve = NULL;
	os_sim_set_secure(true);
	requests_start();
	os_sim_set_secure(false);
	EXPECT(requests.refused && !requests_serve);
}
