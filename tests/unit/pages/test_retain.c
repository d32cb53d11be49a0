/* The rule of retain.h, by its numbers alone. */
#include "pages/retain.h"

#include "test.h"
#include "claims.h"

static void reset(size_t live, size_t retained)
{
	options.retain_share = 8;
	retain_live = retain_most = retain_peak = 0;
	retain_retained = retain_idle = retain_tally = retain_regret = 0;
	retain_low = retain_low_before = 0;
	retain_needed = SIZE_MAX;
	retain_add_live((intptr_t)live);
	retain_add((intptr_t)retained);
}

TEST(the_first_term_is_a_share_of_what_is_live_or_the_floor)
{
	reset(0, options.retain_floor);
	EXPECT_EQ(retain_excess(), 0);
	retain_add(1);
	EXPECT_EQ(retain_excess(), options.retain_floor / 2 + 1);
	reset(800 * MIB, 800 * MIB / options.retain_share);
	EXPECT_EQ(retain_excess(), 0);
	retain_add(1);
	EXPECT_EQ(retain_excess(), 50 * MIB + 1);
}

TEST(what_was_purged_and_taken_again_is_kept_the_next_time)
{
	reset(200 * MIB, 0);
	retain_add_live(-(intptr_t)(200 * MIB));
	retain_add(200 * MIB);
	EXPECT_EQ(retain_excess(), 199 * MIB);
	retain_add(-(intptr_t)(199 * MIB));
	retain_purged(199 * MIB);
	retain_faults(150 * MIB);
	EXPECT_EQ(retain_tally, 49 * MIB);
	EXPECT_EQ(retain_regret, 150 * MIB);
	retain_add(151 * MIB);
	EXPECT_EQ(retain_excess(), 0);
	retain_add(MIB);
	EXPECT_EQ(retain_excess(), 2 * MIB);
}

TEST(memory_that_was_never_purged_is_no_regret)
{
	reset(0, 0);
	retain_faults(100 * MIB);
	EXPECT_EQ(retain_regret, 0);
	retain_purged(10 * MIB);
	retain_faults(100 * MIB);
	EXPECT_EQ(retain_regret, 10 * MIB);
	EXPECT_EQ(retain_tally, 0);
}

TEST(what_is_learned_never_makes_the_process_much_larger_than_it_was)
{
	reset(400 * MIB, 0);
	retain_add_live(-(intptr_t)(40 * MIB));
	retain_purged(1000 * MIB);
	retain_faults(1000 * MIB);
	retain_add(90 * MIB);
	EXPECT_EQ(retain_excess(), 0);
	retain_add(1);
	EXPECT_EQ(retain_excess(), 360 * MIB / 8 / 2 + 1);
	reset(8 * MIB, 0);
	retain_purged(1000 * MIB);
	retain_faults(1000 * MIB);
	retain_add((intptr_t)(RETAIN_SLACK + 8 * MIB / 16));
	EXPECT_EQ(retain_excess(), 0);
	retain_add(1);
	EXPECT(retain_excess() > 0);
}

TEST(more_is_learned_beside_much_regret)
{
	reset(64 * MIB, 0);
	retain_regret = 32 * MIB;
	retain_add(10 * MIB); /* 8, and a sixteenth of 32 */
	EXPECT_EQ(retain_excess(), 0);
	retain_add(1);
	EXPECT_EQ(retain_excess(), 4 * MIB + 1); /* half of an eighth of 64 MiB */
}

/* The share is part of the room, not beside it. */
TEST(nothing_is_learned_where_the_share_fills_the_room)
{
	reset(400 * MIB, 0);
	retain_purged(1000 * MIB);
	retain_faults(1000 * MIB);
	retain_add(50 * MIB);
	EXPECT_EQ(retain_excess(), 0);
	retain_add(1);
	EXPECT_EQ(retain_excess(), 25 * MIB + 1);
}

/* Else it could grow by what it keeps, again and again. */
TEST(the_peak_is_of_what_is_used_not_of_what_is_idle)
{
	reset(40 * MIB, 0);
	retain_add_idle(38 * MIB);
	retain_add_live(30 * MIB);
	EXPECT_EQ(retain_peak, 40 * MIB);
	EXPECT_EQ(retain_most, 70 * MIB);
	retain_add_idle(-(intptr_t)(20 * MIB)); /* used again */
	EXPECT_EQ(retain_peak, 52 * MIB);
}

TEST(the_share_is_of_what_is_used)
{
	reset(160 * MIB, 0);
	retain_add_idle(80 * MIB);
	EXPECT_EQ(retain_excess(), 75 * MIB);
}

TEST(what_lies_idle_in_a_block_is_not_counted_twice)
{
	reset(400 * MIB, 0);
	retain_purged(1000 * MIB);
	retain_faults(1000 * MIB);
	retain_add_idle(390 * MIB);
	EXPECT_EQ(retain_excess(), 0);
	retain_add_idle(-(intptr_t)(290 * MIB));
	EXPECT_EQ(retain_retained, 100 * MIB);
	EXPECT_EQ(retain_idle, 100 * MIB);
}

TEST(what_was_learned_fades)
{
	reset(400 * MIB, 0);
	retain_add_live(-(intptr_t)(400 * MIB));
	retain_purged(400 * MIB);
	retain_faults(300 * MIB);
	retain_add(300 * MIB);
	EXPECT_EQ(retain_excess(), 0);
	retain_fade();
	EXPECT_EQ(retain_peak, 300 * MIB);
	EXPECT_EQ(retain_regret, 225 * MIB);
	EXPECT_EQ(retain_tally, 75 * MIB);
	EXPECT_EQ(retain_excess(), 74 * MIB);
	EXPECT_EQ(retain_most, 400 * MIB);
	for (int seconds = 0; seconds < 60; seconds++)
		retain_fade();
	EXPECT(retain_excess() >= 299 * MIB - MIB);
}

/* A share of what is used, and what was learned, would be kept for ever by who sleeps. */
TEST(what_was_retained_all_the_time_was_not_needed)
{
	reset(800 * MIB, 100 * MIB);
	retain_regret = 200 * MIB;
	retain_fade(); /* before, it was less */
	EXPECT_EQ(retain_excess(), 0);
	EXPECT_EQ(retain_regret, 150 * MIB);
	retain_add(-(intptr_t)(60 * MIB));
	retain_add(50 * MIB);
	retain_half(true);
	EXPECT_EQ(retain_excess(), 0);
	retain_fade(); /* of 90 MiB, 40 were there all the time */
	EXPECT_EQ(retain_regret, 150 * MIB / 4 * 3 - 40 * MIB);
	EXPECT_EQ(retain_excess(), 40 * MIB - options.retain_floor);
}

TEST(what_has_just_gone_was_not_retained_all_the_time)
{
	reset(100 * MIB, 20 * MIB);
	retain_fade();
	retain_fade();
	retain_add(-(intptr_t)(18 * MIB));
	retain_regret = 40 * MIB;
	retain_fade();
	EXPECT_EQ(retain_regret, 28 * MIB);
}

TEST(what_was_not_needed_goes_at_half_if_it_is_most)
{
	reset(800 * MIB, 100 * MIB);
	retain_half(true);
	retain_fade();
	EXPECT_EQ(retain_needed, SIZE_MAX); /* it has been there for a half */
	retain_add(-(intptr_t)(60 * MIB));
	retain_add(60 * MIB);
	retain_half(true); /* 40 of 100 MiB are not most */
	EXPECT_EQ(retain_needed, SIZE_MAX);
	retain_fade();
	EXPECT_EQ(retain_needed, 60 * MIB + options.retain_floor);
	retain_half(false);
	EXPECT_EQ(retain_needed, 60 * MIB + options.retain_floor);
	retain_regret = 150 * MIB;
	retain_half(true);
	EXPECT_EQ(retain_needed, options.retain_floor);
	EXPECT_EQ(retain_regret, 50 * MIB);
}

TEST(most_is_half_of_what_is_retained)
{
	reset(800 * MIB, 100 * MIB);
	retain_low = retain_low_before = 50 * MIB - 1;
	retain_half(true);
	EXPECT_EQ(retain_needed, SIZE_MAX);
	retain_low = retain_low_before = 50 * MIB;
	retain_half(true);
	EXPECT_EQ(retain_needed, 50 * MIB + options.retain_floor);
}

TEST(what_is_faulted_in_was_needed)
{
	reset(800 * MIB, 100 * MIB);
	retain_fade();
	retain_half(true);
	retain_fade();
	EXPECT_EQ(retain_needed, options.retain_floor);
	retain_faults(30 * MIB);
	EXPECT_EQ(retain_needed, options.retain_floor + 30 * MIB);
	EXPECT_EQ(retain_excess(), 70 * MIB - options.retain_floor);
	retain_add(-(intptr_t)(100 * MIB));
	retain_fade(); /* nothing was there all the time */
	EXPECT_EQ(retain_needed, options.retain_floor + 30 * MIB);
}

TEST(below_the_limit_half_of_what_is_left_of_it_may_be_retained)
{
	options.limit = 100 * MIB;
	reset(80 * MIB, 10 * MIB);
	retain_regret = 100 * MIB;
	EXPECT_EQ(retain_excess(), 0);
	retain_add(1);
	EXPECT_EQ(retain_excess(), 1);
	retain_add_live(30 * MIB); /* over it: nothing may be */
	EXPECT_EQ(retain_excess(), 10 * MIB + 1);
	options.limit = 0;
	EXPECT_EQ(retain_excess(), 0);
	reset(0, 0);
}

TEST(what_is_retained_counts_against_the_limit)
{
	reset(60 * MIB, 10 * MIB);
	EXPECT(allows(SIZE_MAX)); /* there is none */
	options.limit = 100 * MIB;
	EXPECT(allows(30 * MIB));
	EXPECT(!allows(30 * MIB + 1));
	EXPECT(!allows(SIZE_MAX));
	options.limit = 0;
	reset(0, 0);
}

TEST(what_was_allowed_and_is_not_live_yet_counts_against_the_limit)
{
	size_t first, second;

	reset(60 * MIB, 10 * MIB);
	options.limit = 100 * MIB;
	first = retain_claim(20 * MIB);
	EXPECT(!allows(10 * MIB + 1));
	EXPECT(!retain_is_below_limit(10 * MIB + 1));
	second = retain_claim(10 * MIB);
	EXPECT(!allows(1));
	retain_add_live(20 * MIB);
	retain_unclaim(first);
	EXPECT(!allows(1));
	retain_unclaim(second); /* it could not be had */
	EXPECT(allows(10 * MIB));
	options.limit = 0;
	reset(0, 0);
}

/* As in a child that a signal handler forked while its thread held a claim. */
TEST(a_forgotten_claim_is_not_ended)
{
	size_t claim;

	reset(0, 0);
	options.limit = 100 * MIB;
	claim = retain_claim(60 * MIB);
	retain_forget_claims();
	EXPECT(allows(100 * MIB));
	retain_unclaim(claim);
	EXPECT(allows(100 * MIB));
	options.limit = 0;
}

TEST(the_peak_fades_towards_what_is_used)
{
	reset(400 * MIB, 0);
	retain_add_live(-(intptr_t)(300 * MIB));
	retain_fade();
	EXPECT_EQ(retain_peak, 325 * MIB);
	for (int seconds = 0; seconds < 100; seconds++)
		retain_fade();
	EXPECT(retain_peak >= 100 * MIB && retain_peak < 101 * MIB);
}

TEST(more_that_was_not_needed_than_was_learned_leaves_no_regret)
{
	reset(800 * MIB, 100 * MIB);
	retain_low = retain_low_before = 100 * MIB;
	retain_regret = 40 * MIB;
	retain_half(true);
	EXPECT_EQ(retain_regret, 0);
}
