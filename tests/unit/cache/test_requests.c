/* The words by which other processes ask: when the slow path looks, and what a child does with
   them. */
#include "cache/requests.h"

#include "cache/cache.h"
#include "cache/upkeep.h"
#include "test.h"

#include <loam/loam.h>

static unsigned served;

static void serve(struct cache *c)
{
	EXPECT(c->inside);
	served++;
	for (unsigned i = 0; i < REQUEST_KINDS; i++)
		requests.of[i].answered = requests.of[i].asked;
}

static void tick(void)
{
	struct cache *c = cache_enter();

	c->ticks = UINT8_MAX;
	cache_tick(c);
	cache_leave(c);
}

TEST(nothing_is_looked_at_before_loam_has_started)
{
	requests.of[REQUEST_set].asked = 1;
	EXPECT(!requests_are_due());
	requests.of[REQUEST_set].asked = 0;
}

TEST(each_kind_is_seen_where_slow_paths_are_counted)
{
	loam_free(loam_malloc(1));
	requests_serve = serve;
	tick();
	EXPECT_EQ(served, 0);
	for (unsigned i = 0; i < REQUEST_KINDS; i++) {
		requests.of[i].asked++;
		EXPECT(requests_are_due());
		tick();
		EXPECT_EQ(served, i + 1);
		EXPECT(!requests_are_due());
	}
}

TEST(a_hot_path_that_is_shut_is_seen)
{
	size_t limit = fast_limit;

	served = 0;
	fast_limit = 0;
	EXPECT(requests_are_due());
	tick();
	EXPECT_EQ(served, 1);
	fast_limit = limit;
	EXPECT(!requests_are_due());
}

TEST(a_child_forgets_what_was_asked)
{
	requests.of[REQUEST_trim].asked++;
	requests.busy = true;
	requests_forget();
	EXPECT(!requests_are_due());
	EXPECT(!requests.busy);
}
