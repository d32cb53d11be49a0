/* The table of a heap profile: sites, samples, sums, peaks, lives. */
#include "observe/samples.h"

#include "base/bits.h"
#include "observe/poisson.h"
#include "os_sim.h"
#include "pages/pagemap.h"
#include "test.h"

#include <string.h>

enum { RATE = 4096 };

static char memory[64 * 4096] __attribute__((aligned(4096)));

static struct trail trail_of(uintptr_t first, uint64_t depth)
{
	struct trail t = {.depth = depth};

	for (uint64_t i = 0; i < depth; i++)
		t.frames[i] = (const void *)(first + i);
	return t;
}

static bool add_grown(const void *mem, size_t asked, size_t grown, uintptr_t stack, uint64_t now)
{
	struct trail trail = trail_of(stack, 3);

	return samples_add(&(struct sampled_object){mem, asked, asked + 8, grown, now, &trail});
}

static bool add(const void *mem, size_t asked, uintptr_t stack, uint64_t now)
{
	return add_grown(mem, asked, asked, stack, now);
}

static struct site *site_at(uintptr_t stack)
{
	struct trail trail = trail_of(stack, 3);

	for (struct site *s = samples.sites; s; s = s->next_all)
		if (memcmp(&s->trail, &trail, sizeof trail) == 0)
			return s;
	return NULL;
}

static uint64_t weight(size_t nbytes)
{
	return poisson_weight(align_up(nbytes, 16) / 16, RATE);
}

static uint64_t bytes_of(size_t nbytes)
{
	return nbytes * weight(nbytes) / POISSON_ONE;
}

static bool is_about(uint64_t value, uint64_t expected)
{
	return value + value / 10000 >= expected && value <= expected + expected / 10000;
}

__attribute__((constructor)) static void start(void)
{
	REQUIRE(samples_start(RATE));
}

static void remove_all(void)
{
	for (size_t at = 0; at < sizeof memory; at += 16)
		samples_remove(memory + at, 0);
	EXPECT_EQ(samples.in_use, 0);
	EXPECT_EQ(samples.live.objects, 0);
	EXPECT_EQ(samples.live.asked, 0);
	EXPECT_EQ(samples.live.given, 0);
}

TEST(a_sample_stands_for_as_many_as_are_not_sampled)
{
	struct site *s;

	EXPECT(add(memory, 1000, 100, 0));
	s = site_at(100);
	REQUIRE(s);
	EXPECT_EQ(s->samples, 1);
	EXPECT_EQ(s->live.objects, weight(1000));
	EXPECT_EQ(s->live.asked, bytes_of(1000));
	EXPECT_EQ(s->live.given, 1008 * weight(1000) / POISSON_ONE);
	EXPECT(memcmp(&s->allocated, &s->live, sizeof s->live) == 0);
	EXPECT(memcmp(&samples.live, &s->live, sizeof s->live) == 0);
	EXPECT(samples_remove(memory, 0));
	EXPECT_EQ(s->live.objects, 0);
	EXPECT_EQ(s->allocated.objects, weight(1000));
	EXPECT(!samples_remove(memory, 0));
	remove_all();
}

TEST(one_stack_is_one_site)
{
	struct site *a, *b;

	add(memory, 100, 200, 0);
	add(memory + 512, 200, 200, 0);
	add(memory + 1024, 300, 300, 0);
	a = site_at(200), b = site_at(300);
	REQUIRE(a && b && a != b);
	EXPECT_EQ(a->samples, 2);
	EXPECT_EQ(a->live.asked, bytes_of(100) + bytes_of(200));
	EXPECT_EQ(b->live.asked, bytes_of(300));
	EXPECT_EQ(samples.in_use, 3);
	remove_all();
}

TEST(stacks_of_other_depth_are_others)
{
	struct trail none = {.depth = 0}, most = trail_of(200, TRAIL_MOST);
	struct site *before = samples.sites;

	EXPECT(samples_add(&(struct sampled_object){memory, 16, 16, 16, 0, &none}));
	EXPECT(samples_add(&(struct sampled_object){memory + 16, 16, 16, 16, 0, &most}));
	EXPECT_EQ(samples.sites->trail.depth, TRAIL_MOST);
	EXPECT_EQ(samples.sites->next_all->trail.depth, 0);
	EXPECT(samples.sites->next_all->next_all == before);
	remove_all();
}

TEST(the_peak_is_what_each_had_when_all_had_most)
{
	struct site *a, *b;

	add(memory, 1 << 20, 400, 0);
	add(memory + 16, 3 << 20, 500, 0);
	a = site_at(400), b = site_at(500);
	REQUIRE(a && b);
	EXPECT_EQ(site_peak(a)->asked, 1 << 20); /* the newest peak is now */
	EXPECT_EQ(site_peak(b)->asked, 3 << 20);
	samples_remove(memory + 16, 0);
	add(memory + 32, 2 << 20, 400, 0); /* more than ever of one, but not of all */
	EXPECT_EQ(a->live.asked, 3 << 20);
	EXPECT_EQ(site_peak(a)->asked, 1 << 20);
	EXPECT_EQ(site_peak(b)->asked, 3 << 20);
	EXPECT_EQ(samples.peak, 4 << 20);
	add(memory + 48, 2 << 20, 500, 0); /* a new one */
	EXPECT_EQ(site_peak(a)->asked, 3 << 20);
	EXPECT_EQ(site_peak(b)->asked, 2 << 20);
	EXPECT_EQ(samples.peak, 5 << 20);
	remove_all();
	EXPECT_EQ(site_peak(a)->asked, 3 << 20);
	EXPECT_EQ(site_peak(b)->asked, 2 << 20);
}

TEST(a_site_that_begins_after_the_peak_had_nothing_then)
{
	add(memory, 16, 600, 0);
	EXPECT_EQ(site_peak(site_at(600))->objects, 0);
	remove_all();
}

#define MS ((uint64_t)1000 * 1000)

TEST(ages_are_decades_from_10_ms_on)
{
	static const uint64_t least[LIVES] = {0, 10, 100, 1000, 10000, 100000, 1000000, 10000000};

	for (unsigned i = 0; i < LIVES; i++) {
		EXPECT_EQ(samples_life(least[i] * MS), i);
		EXPECT_EQ(samples_life(10 * least[i] * MS + 9 * MS + MS - 1),
			  i == LIVES - 1 ? i : i + (i != 0));
	}
	EXPECT_EQ(samples_life(UINT64_MAX), LIVES - 1);
}

TEST(lives_are_counted_where_the_object_came_from)
{
	struct site *s;

	add(memory, 64, 700, 100 * MS);
	s = site_at(700);
	REQUIRE(s);
	samples_remove(memory, 105 * MS);
	EXPECT_EQ(s->lives[0], weight(64));
	add(memory, 64, 700, 100 * MS);
	samples_remove(memory, 300 * MS);
	EXPECT_EQ(s->lives[2], weight(64));
	add(memory, 64, 700, 100 * MS);
	samples_remove(memory, 0); /* a clock that another processor has a moment later */
	EXPECT_EQ(s->lives[0], 2 * weight(64));
}

TEST(an_address_that_comes_again_is_a_new_object)
{
	add(memory, 100, 800, 0);
	add(memory, 200, 900, 0);
	EXPECT_EQ(samples.in_use, 1);
	EXPECT_EQ(site_at(800)->live.asked, 0);
	EXPECT_EQ(site_at(900)->live.asked, bytes_of(200));
	remove_all();
}

TEST(a_page_has_samples_until_the_last_one_goes)
{
	EXPECT(!samples_page_has(memory));
	add(memory, 16, 1000, 0);
	add(memory + 4080, 16, 1000, 0);
	EXPECT(samples_page_has(memory + 100));
	EXPECT(!samples_page_has(memory + 4096));
	samples_remove(memory, 0);
	EXPECT(samples_page_has(memory));
	EXPECT(samples_may_have(memory + 4080));
	samples_remove(memory + 4080, 0);
	EXPECT(!samples_page_has(memory));
	EXPECT(!samples_may_have(memory + 4080));
	remove_all();
}

TEST(an_object_beside_a_sampled_one_is_told_apart)
{
	int others = 0;

	for (size_t at = 0; at < sizeof memory; at += 4096)
		add(memory + at, 16, 1000, 0);
	for (size_t at = 0; at < sizeof memory; at += 16)
		others += at % 4096 != 0 && samples_may_have(memory + at);
	EXPECT(others < 100); /* of 16,320; about one in a thousand has the byte of a sample */
	EXPECT(samples_resize(memory, memory + 32, 16, 16, 0));
	EXPECT(samples_may_have(memory + 32));
	EXPECT(!samples_may_have(memory));
	REQUIRE(samples_start(RATE));
	for (size_t at = 0; at < sizeof memory; at += 16)
		EXPECT(!samples_may_have(memory + at));
}

/* Addresses that none reads. */
TEST(a_byte_that_counted_too_many_stays)
{
	enum { MANY = UINT8_MAX + 5 };
	static void *same[MANY];
	const uint8_t *count = samples_count(samples.heads, memory);
	int n = 0;

	for (uintptr_t at = 16; n < MANY; at += 16)
		if (samples_count(samples.heads, (void *)at) == count)
			same[n++] = (void *)at;
	for (int i = 0; i < MANY; i++)
		add(same[i], 16, 1000, 0);
	for (int i = 0; i < MANY; i++) {
		EXPECT(samples_may_have(same[i]));
		samples_remove(same[i], 0);
	}
	EXPECT_EQ(*count, UINT8_MAX);
	EXPECT_EQ(samples.in_use, 0);
}

/* 2,048 bytes and then 6,144 have the chance of 8,192, but for the rounding of weights. */
TEST(what_grows_in_place_has_the_chance_of_its_new_size)
{
	struct site *s;

	add(memory, 2048, 1100, 0);
	EXPECT(samples_resize(memory, memory + 8192, 8192, 8192, 6144));
	s = site_at(1100);
	EXPECT(!samples_page_has(memory));
	EXPECT(samples_page_has(memory + 8192));
	EXPECT(is_about(s->live.objects, weight(8192)));
	EXPECT(is_about(s->live.asked, bytes_of(8192)));
	EXPECT_EQ(s->allocated.asked, bytes_of(2048));
	EXPECT(samples_resize(memory + 8192, memory + 8192, 16, 16, 0));
	EXPECT(is_about(s->live.objects, weight(8192))); /* it was sampled as the larger one */
	EXPECT(!samples_resize(memory, memory, 16, 16, 0));
	remove_all();
}

/* The bytes that it lost again were counted; growth within its room is not. */
TEST(what_shrank_before_it_grew_keeps_the_chance_that_it_had)
{
	struct site *s;

	add(memory, 8192, 1150, 0);
	samples_resize(memory, memory, 16, 16, 0);
	samples_resize(memory, memory, 64, 64, 48);
	s = site_at(1150);
	EXPECT(is_about(s->live.objects, weight(8192 + 48)));
	EXPECT_EQ(s->live.asked, 64 * s->live.objects / POISSON_ONE);
	samples_resize(memory, memory, 80, 80, 0); /* within its room */
	EXPECT(is_about(s->live.objects, weight(8192 + 48)));
	EXPECT_EQ(s->live.asked, 80 * s->live.objects / POISSON_ONE);
	remove_all();
}

TEST(what_it_grew_by_is_allocated_where_that_was)
{
	struct site *a, *b;

	add(memory, 4096, 1200, 0);
	samples_resize(memory, memory, 8192, 8192, 4096);
	EXPECT(add_grown(memory, 8192, 4096, 1300, 0)); /* sampled already: in use where it was */
	a = site_at(1200), b = site_at(1300);
	REQUIRE(a && b);
	EXPECT_EQ(samples.in_use, 1);
	EXPECT(is_about(a->live.asked, bytes_of(8192)));
	EXPECT_EQ(b->live.asked, 0);
	EXPECT_EQ(b->allocated.asked, bytes_of(4096));
	EXPECT_EQ(b->allocated.objects, 0);
	EXPECT(add_grown(memory + 16384, 8192, 4096, 1300, 0)); /* not yet */
	EXPECT_EQ(b->live.asked, bytes_of(8192));
	EXPECT_EQ(b->allocated.asked, 2 * bytes_of(4096));
	remove_all();
}

TEST(without_memory_a_sample_is_lost)
{
	uint64_t taken = samples.taken, lost = samples.lost;
	uintptr_t stack = 1 << 20;

	os_sim_fail_from(1);
	while (add(memory, 16, stack, 0))
		stack += 16; /* until no site can be made */
	os_sim_fail_from(0);
	EXPECT_EQ(samples.lost, lost + 1);
	EXPECT_EQ(samples.in_use, 0);
	EXPECT_EQ(samples.taken, taken + (stack - (1 << 20)) / 16);
	remove_all();
}

TEST(in_a_child_sums_are_made_anew)
{
	struct sum live;

	add(memory, 100, 1400, 0);
	add(memory + 16, 100, 1400, 0);
	add(memory + 32, 100, 1500, 0);
	live = samples.live;
	samples.live.objects += 5;
	samples.in_use = 17;
	site_at(1400)->live.asked++;
	site_at(1500)->live.given--;
	samples_recover();
	EXPECT(memcmp(&live, &samples.live, sizeof live) == 0);
	EXPECT_EQ(samples.in_use, 3);
	EXPECT_EQ(site_at(1400)->live.asked, 2 * bytes_of(100));
	EXPECT_EQ(site_at(1500)->live.given, 108 * weight(100) / POISSON_ONE);
	remove_all();
}
