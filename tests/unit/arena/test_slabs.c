/* The slabs of an arena: which becomes current, how many empty ones are kept, which are purged. */
#include "arena/slabs.h"

#include "base/options.h"
#include "os_sim.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "test.h"

#include <string.h>

#define SLABS_MOST  64
#define EMPTY_LEAST (256 * KIB)
#define BLOCK	    (64 * KIB) /* of a slab of small objects that is not the first */

static struct arena *const owner = (struct arena *)0x1000;
static struct options before;

/* No slab yet; nothing is retained, and nothing has to be given back. */
static struct slabs *begin(void)
{
	static bool started;
	struct slabs *ss;

	if (!started) {
		slab_start(0x5eed);
		before = options;
	}
	started = true;
	options = before;
	options.retain_floor = 64 * MIB;
	zone_purge(SIZE_MAX);
	retain_forget();
	ss = slabs_new(owner, true);
	REQUIRE(ss);
	return ss;
}

static struct slab *slab_of(const void *mem)
{
	return (struct slab *)pagemap_get(mem);
}

static struct object *take(struct slabs *ss, unsigned sc)
{
	bool zero;
	struct object *o = slabs_take_one(ss, sc, true, &zero);

	REQUIRE(o);
	return o;
}

/* False: it is free already. */
static bool give_one(struct slabs *ss, struct slab *s, struct object *o)
{
	struct object *twice = NULL;

	return slabs_give(ss, s, &o, 1, &twice) == 1 && !twice;
}

static void give(struct slabs *ss, struct object *o)
{
	slab_set_marks(o);
	REQUIRE(give_one(ss, slab_of(o), o));
}

/* Gives objects back, the lowest first, until so many are out. With the last the slab may be
   gone. */
static void thin_out(struct slabs *ss, struct slab *s, uint32_t out)
{
	uint32_t n = s->out - out;

	for (uint32_t i = 0; n; i++)
		if (!bit_test(s->free, i)) {
			n--;
			give(ss, slab_object(s, i));
		}
}

/* Takes all objects of one slab, which stays current. */
static struct slab *fill_one(struct slabs *ss, unsigned sc)
{
	struct slab *s = slab_of(take(ss, sc));

	while (s->out < s->capacity)
		take(ss, sc);
	return s;
}

/* Promotes a class and makes n full slabs of it, beside its first, smaller one; and the next is
   current, with one object out. */
static void make_full(struct slabs *ss, unsigned sc, struct slab **slabs, unsigned n)
{
	slabs_promote(ss, sc);
	fill_one(ss, sc);
	while (n--)
		*slabs++ = fill_one(ss, sc);
	take(ss, sc);
	EXPECT(slabs_check(ss));
}

/* Takes objects until another slab is current: that one. */
static struct slab *next_current(struct slabs *ss, unsigned sc)
{
	struct slab *now = ss->current[sc], *s;

	do
		s = slab_of(take(ss, sc));
	while (s == now);
	return s;
}

static unsigned collect(struct slabs *ss, struct slab **slabs)
{
	unsigned n = 0;

	list_for_each (l, &ss->full)
		slabs[n++] = container_of(l, struct slab, link);
	for (unsigned sc = 0; sc < CLASSES; sc++) {
		if (!slabs_serve(ss, sc))
			continue;
		if (ss->current[sc])
			slabs[n++] = ss->current[sc];
		list_for_each (l, &ss->listed[sc])
			if (container_of(l, struct slab, link)->out)
				slabs[n++] = container_of(l, struct slab, link);
		REQUIRE(n < SLABS_MOST);
	}
	return n;
}

static void give_all(struct slabs *ss)
{
	struct slab *slabs[SLABS_MOST];
	unsigned n = collect(ss, slabs);
	size_t left;

	EXPECT(slabs_check(ss));
	while (n--)
		if (slabs[n]->out)
			thin_out(ss, slabs[n], 0);
	do {
		left = ss->empty_bytes;
		slabs_demote_idle(ss);
	} while (ss->empty_bytes < left);
	EXPECT(slabs_check(ss));
}

/* All objects come back, and nothing is left. */
static void end(struct slabs *ss)
{
	give_all(ss);
	EXPECT_EQ(ss->made, ss->given_back);
	EXPECT_EQ(ss->empty_bytes, 0);
	EXPECT_EQ(retain_idle, 0);
	for (unsigned sc = 0; sc < CLASSES; sc++)
		EXPECT(!slabs_serve(ss, sc) && ss->count[sc] == 0);
	EXPECT(zone_check());
	options = before;
}

/* From now on the rule asks for so many bytes, when so many more than now are retained. */
static void ask_for(size_t excess, size_t more)
{
	options.retain_floor = 0;
	options.retain_share = 1024;
	retain_forget();
	retain_retained += more;
	retain_idle += more;
	retain_regret = retain_retained - excess - (retain_live - retain_idle) / 1024 / 2;
	EXPECT_EQ(retain_excess(), excess);
	retain_retained -= more;
	retain_idle -= more;
}

static bool is_listed(const struct slabs *ss, const struct slab *s)
{
	list_for_each (l, &ss->listed[s->class])
		if (l == &s->link)
			return true;
	return false;
}

static bool is_idle(const struct slabs *ss, const struct slab *s)
{
	list_for_each (l, &ss->idle)
		if (l == &s->idle)
			return true;
	return false;
}

/* Uses up what is mapped in zones, and in the area for metadata. */
static void use_up_blocks(unsigned order)
{
	bool clean;

	while (zone_is_ready(order))
		REQUIRE(zone_alloc(order, &clean));
}

static void use_up_metadata(void)
{
	static struct pool filler = {.size = CACHE_LINE};

	while (pool_is_ready(&filler))
		REQUIRE(pool_alloc(&filler));
}

/* --- which slab is used --------------------------------------------------------------------- */

TEST(the_first_slab_of_a_class_is_small)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(1024);
	struct slab *first;

	slabs_promote(ss, sc);
	EXPECT(slabs_serve(ss, sc));
	first = fill_one(ss, sc);
	EXPECT_EQ(first->order, class_first_order(sc));
	EXPECT(first->owner == owner);
	EXPECT_EQ(fill_one(ss, sc)->order, class_order(sc));
	EXPECT_EQ(ss->count[sc], 2);
	EXPECT_EQ(ss->made, 2);
	end(ss);
}

TEST(a_slab_is_current_then_full_then_listed_then_empty)
{
	struct slabs *ss = begin();
	struct slab *s;

	make_full(ss, class_of(1024), &s, 1);
	EXPECT_EQ(s->state, SLAB_FULL);
	EXPECT_EQ(ss->current[s->class]->state, SLAB_CURRENT);
	EXPECT(!is_listed(ss, s));
	thin_out(ss, s, s->capacity - 1);
	EXPECT_EQ(s->state, SLAB_LISTED);
	EXPECT(is_listed(ss, s));
	thin_out(ss, s, 1);
	EXPECT_EQ(s->state, SLAB_LISTED);
	EXPECT(slabs_check(ss));
	thin_out(ss, s, 0);
	EXPECT_EQ(s->state, SLAB_EMPTY);
	EXPECT(is_listed(ss, s));
	EXPECT(!is_idle(ss, s));
	EXPECT_EQ(ss->empty_bytes, BLOCK);
	EXPECT(next_current(ss, s->class) == s);
	EXPECT_EQ(s->state, SLAB_CURRENT);
	EXPECT_EQ(ss->empty_bytes, 0);
	EXPECT_EQ(s->retained, 0);
	end(ss);
}

TEST(a_current_slab_stays_current_whatever_comes_back)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(2048);
	struct slab *s;

	make_full(ss, sc, &s, 1);
	s = ss->current[sc];
	thin_out(ss, s, 0);
	EXPECT_EQ(s->state, SLAB_CURRENT);
	EXPECT_EQ(s->retained, 0);
	EXPECT(slab_of(take(ss, sc)) == s);
	end(ss);
}

/* Whoever sleeps would keep a slab of each class. */
TEST(a_current_slab_that_has_become_sparse_is_listed_and_idle)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(1024);
	struct slab *s;

	if (os_page_size() > PAGE_SIZE)
		test_skip("the figures are those of pages of 4 KiB");
	make_full(ss, sc, &s, 1);
	s = ss->current[sc];
	REQUIRE(s && s->capacity == 64);
	while (s->out < 60)
		take(ss, sc);
	thin_out(ss, s, 17);
	EXPECT_EQ(s->state, SLAB_CURRENT);
	thin_out(ss, s, 16);
	EXPECT_EQ(s->state, SLAB_LISTED);
	EXPECT(!ss->current[sc]);
	EXPECT(is_idle(ss, s));
	EXPECT(slab_of(take(ss, sc)) == s);
	EXPECT_EQ(s->state, SLAB_CURRENT);
	EXPECT(!is_idle(ss, s));
	end(ss);
}

/* Of 64 objects, so that 16 would make it sparse. */
TEST(a_current_slab_is_listed_when_half_of_what_was_out_is_back_if_that_was_32_kib)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(1024);
	struct slab *s;

	make_full(ss, sc, &s, 1);
	s = ss->current[sc];
	REQUIRE(s && s->capacity == 64);
	while (s->out < 31)
		take(ss, sc);
	thin_out(ss, s, 1);
	EXPECT_EQ(s->state, SLAB_CURRENT);
	while (s->out < 32)
		take(ss, sc);
	thin_out(ss, s, 16);
	EXPECT_EQ(s->state, SLAB_CURRENT);
	thin_out(ss, s, 15);
	EXPECT_EQ(s->state, SLAB_LISTED);
	EXPECT(!ss->current[sc]);
	end(ss);
}

/* What it was told of while it was listed does not hold any more. */
TEST(a_slab_that_was_listed_stays_current_too)
{
	struct slabs *ss = begin();
	struct slab *s;

	if (os_page_size() >= BLOCK)
		test_skip("a slab is one page, and nothing of it can be purged");
	make_full(ss, class_of(2048), &s, 1);
	thin_out(ss, s, 1);
	EXPECT(is_idle(ss, s));
	EXPECT(next_current(ss, s->class) == s);
	EXPECT(list_empty(&ss->idle));
	EXPECT_EQ(s->retained, 0);
	EXPECT_EQ(retain_idle, 0);
	thin_out(ss, s, 0);
	EXPECT_EQ(s->state, SLAB_CURRENT);
	EXPECT_EQ(s->retained, 0);
	end(ss);
}

TEST(the_fullest_becomes_current_next_and_the_emptiest_last)
{
	struct slabs *ss = begin();
	struct slab *s[3];

	make_full(ss, class_of(512), s, 3);
	thin_out(ss, s[0], 40);
	thin_out(ss, s[1], 70);
	thin_out(ss, s[2], 0);
	EXPECT(next_current(ss, s[0]->class) == s[1]);
	EXPECT(next_current(ss, s[0]->class) == s[0]);
	EXPECT(next_current(ss, s[0]->class) == s[2]);
	end(ss);
}

TEST(of_slabs_as_full_the_lowest_becomes_current)
{
	struct slabs *ss = begin();
	struct slab *s[3];
	int lowest = 0, highest = 0;

	make_full(ss, class_of(512), s, 3);
	for (int i = 1; i < 3; i++) {
		lowest = s[i]->base < s[lowest]->base ? i : lowest;
		highest = s[i]->base > s[highest]->base ? i : highest;
	}
	thin_out(ss, s[highest], 70);
	for (int i = 0; i < 3; i++)
		if (i != highest)
			thin_out(ss, s[i], 70);
	EXPECT(next_current(ss, s[0]->class) == s[lowest]);
	end(ss);
}

/* Those that became ready last are seen first. */
TEST(only_the_first_eight_listed_are_compared)
{
	struct slabs *ss = begin();
	struct slab *s[9];

	make_full(ss, class_of(256), s, 9);
	thin_out(ss, s[0], 102);
	thin_out(ss, s[1], 101);
	for (int i = 2; i < 9; i++)
		thin_out(ss, s[i], 100);
	EXPECT(next_current(ss, s[0]->class) == s[1]);
	EXPECT(next_current(ss, s[0]->class) == s[0]);
	end(ss);
}

/* A batch would find little there. */
TEST(a_slab_serves_when_an_eighth_of_it_is_free_and_before_that_only_in_place_of_an_empty_one)
{
	struct slabs *ss = begin();
	struct slab *s[4];
	uint32_t seven_eighths;

	make_full(ss, class_of(256), s, 4);
	seven_eighths = s[0]->capacity / 8 * 7;
	thin_out(ss, s[0], 1);
	thin_out(ss, s[1], seven_eighths + 1);
	thin_out(ss, s[2], seven_eighths + 2);
	thin_out(ss, s[3], 0);
	EXPECT(next_current(ss, s[0]->class) == s[0]);
	EXPECT(next_current(ss, s[0]->class) == s[1]);
	thin_out(ss, s[2], seven_eighths);
	EXPECT(next_current(ss, s[0]->class) == s[2]);
	EXPECT(next_current(ss, s[0]->class) == s[3]);
	EXPECT(slabs_check(ss));
	end(ss);
}

TEST(of_slabs_that_become_ready_the_last_is_listed_first)
{
	struct slabs *ss = begin();
	struct slab *s[12];

	make_full(ss, class_of(256), s, 12);
	for (int i = 0; i < 12; i++)
		thin_out(ss, s[i], s[i]->capacity - 1);
	for (int i = 0; i < 12; i++)
		thin_out(ss, s[i], s[i]->capacity / 8 * 7);
	thin_out(ss, s[0], s[0]->capacity / 2);
	EXPECT(ss->listed[s[0]->class].next == &s[11]->link);
	EXPECT(ss->listed[s[0]->class].prev == &s[0]->link);
	end(ss);
}

TEST(a_batch_goes_on_in_four_listed_slabs_and_opens_no_page)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(2048);
	struct object *objects[200], **stop = objects + 200;
	struct slab *s[6], *next;
	uint32_t n = 0;

	make_full(ss, sc, s, 6);
	next = ss->current[sc];
	for (int i = 0; i < 6; i++)
		thin_out(ss, s[i], s[i]->capacity / 2);
	while (next->out < next->capacity)
		take(ss, sc);
	n = slabs_take(ss, sc, stop, 200);
	EXPECT_EQ(n, 5 * (s[0]->capacity - s[0]->capacity / 2));
	for (uint32_t i = 1; i <= n; i++)
		give(ss, stop[-(int)i]);
	EXPECT(slabs_check(ss));
	end(ss);
}

/* A class is sparse where a sixth of it, and 512 KiB, was free from one look to the next. */
TEST(a_class_is_sparse_by_the_most_that_was_out_between_two_looks)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(1024);
	struct slab *s[60];
	size_t all;

	make_full(ss, sc, s, 60);
	all = ss->capacity[sc];
	EXPECT(!slabs_look(ss, sc));
	for (unsigned i = 0;
	     ss->out[sc] > all - all / 6 - 1 || (all - ss->out[sc]) * 1024 < SLABS_SPARSE + 1024;
	     i++)
		thin_out(ss, s[i % 60], s[i % 60]->out - 1);
	EXPECT(!slabs_look(ss, sc)); /* all were out since the last look */
	EXPECT(slabs_look(ss, sc));
	take(ss, sc);
	EXPECT(!slabs_look(ss, sc));
	thin_out(ss, s[0], s[0]->out - 2);
	EXPECT(!slabs_look(ss, sc));
	EXPECT(slabs_look(ss, sc));
	end(ss);
}

TEST(a_class_of_which_slabs_went_back_is_not_sparse_by_what_they_had)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(1024);
	struct slab *s[32];

	make_full(ss, sc, s, 30);
	EXPECT(!slabs_look(ss, sc));
	for (unsigned i = 0; i < 30; i++)
		thin_out(ss, s[i], 0);
	REQUIRE(ss->capacity[sc] < ss->most_out[sc]);
	EXPECT(!slabs_look(ss, sc));
	end(ss);
}

TEST(a_class_with_little_free_is_not_sparse)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(1024);
	struct slab *s[8];

	make_full(ss, sc, s, 8);
	for (unsigned i = 0; (ss->capacity[sc] - ss->out[sc]) * 1024 < 511 * KIB; i++)
		thin_out(ss, s[i % 8], s[i % 8]->out - 1);
	slabs_look(ss, sc);
	EXPECT(ss->capacity[sc] - ss->out[sc] > ss->capacity[sc] / 3);
	EXPECT(!slabs_look(ss, sc));
	thin_out(ss, s[0], s[0]->out - 1);
	slabs_look(ss, sc);
	EXPECT(slabs_look(ss, sc));
	end(ss);
}

TEST(a_batch_goes_on_in_the_next_slab_only_when_one_is_used_up)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(2048);
	struct object *objects[100], **stop = objects + 100;
	struct slab *s;

	make_full(ss, sc, &s, 1);
	thin_out(ss, s, s->capacity - 2);
	while (ss->current[sc]->out < ss->current[sc]->capacity)
		take(ss, sc);
	EXPECT_EQ(slabs_take(ss, sc, stop, 100), 2);
	EXPECT(stop[-1] == slab_object(s, 0));
	EXPECT(stop[-2] == slab_object(s, 1));
	EXPECT(ss->current[sc] == s);
	EXPECT_EQ(slabs_take(ss, sc, stop, 1), 1);
	EXPECT_EQ(s->state, SLAB_FULL);
	for (int i = 0; i < 3; i++)
		give(ss, i < 2 ? slab_object(s, (uint32_t)i) : stop[-1]);
	end(ss);
}

/* A batch of 8 of a class; the slab that they are of. */
static struct slab *take_batch(struct slabs *ss, unsigned sc)
{
	struct object *objects[8];

	REQUIRE(slabs_take(ss, sc, objects + 8, 8));
	return slab_of(objects[7]);
}

TEST(before_a_page_is_opened_a_listed_slab_of_which_an_eighth_is_free_serves)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(64);
	struct slab *listed, *current;

	make_full(ss, sc, &listed, 1);
	current = ss->current[sc];
	thin_out(ss, listed, listed->capacity - listed->capacity / 8 + 1);
	while (current->out < PAGE_SIZE / 64)
		EXPECT(take_batch(ss, sc) == current);
	EXPECT(take_batch(ss, sc) == current); /* too little is free of the other */
	while (current->out < 2 * PAGE_SIZE / 64)
		EXPECT(take_batch(ss, sc) == current);
	thin_out(ss, listed, listed->capacity - listed->capacity / 8);
	EXPECT(take_batch(ss, sc) == listed);
	EXPECT_EQ(current->state, SLAB_LISTED);
	EXPECT(slabs_check(ss));
	while (current->out)
		thin_out(ss, current, current->out - 1);
	EXPECT_EQ(current->state, SLAB_EMPTY); /* it was noticed */
	EXPECT(slabs_check(ss));
	end(ss);
}

TEST(a_slab_that_was_purged_does_not_serve_before_a_page_is_opened)
{
	struct slabs *ss;
	unsigned sc = class_of(64);
	struct slab *listed, *current;

	if (os_page_size() >= BLOCK)
		test_skip("a slab is one page, and nothing of it can be purged");
	ss = begin();
	make_full(ss, sc, &listed, 1);
	current = ss->current[sc];
	thin_out(ss, listed, listed->capacity / 2);
	REQUIRE(slab_purge(listed));
	while (current->out < PAGE_SIZE / 64)
		EXPECT(take_batch(ss, sc) == current);
	EXPECT(take_batch(ss, sc) == current);
	end(ss);
}

TEST(a_new_slab_opens_its_first_page)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(64);
	struct slab *listed, *current;

	make_full(ss, sc, &listed, 1);
	current = ss->current[sc];
	thin_out(ss, current, 0);
	slab_purge(current);
	thin_out(ss, listed, 1);
	EXPECT(take_batch(ss, sc) == current);
	EXPECT(slabs_check(ss));
	end(ss);
}

TEST(what_is_free_already_is_not_taken_back)
{
	struct slabs *ss = begin();
	struct object *o;

	slabs_promote(ss, class_of(64));
	o = take(ss, class_of(64));
	give(ss, o);
	EXPECT(!give_one(ss, slab_of(o), o));
	end(ss);
}

/* --- memory --------------------------------------------------------------------------------- */

TEST(where_it_may_not_map_nothing_is_asked_of_the_system)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(2048);
	struct object *o;
	bool zero;

	slabs_promote(ss, sc);
	fill_one(ss, sc);
	use_up_blocks(class_order(sc));
	os_sim_fail_from(0);
	EXPECT(!slabs_take_one(ss, sc, false, &zero));
	EXPECT_EQ(slabs_take(ss, sc, &o + 1, 1), 0);
	EXPECT_EQ(os_sim_calls(), 0);
	EXPECT(slabs_check(ss));
	os_sim_fail_from(1);
	EXPECT(!slabs_take_one(ss, sc, true, &zero));
	os_sim_fail_from(0);
	EXPECT(slabs_check(ss));
	EXPECT_EQ(slab_of(take(ss, sc))->state, SLAB_CURRENT);
	EXPECT(os_sim_calls() > 0);
	EXPECT(slabs_take_one(ss, sc, false, &zero) != NULL);
	end(ss);
}

TEST(where_it_may_not_map_there_are_no_slabs_without_metadata)
{
	begin();
	use_up_metadata();
	os_sim_fail_from(0);
	EXPECT(!slabs_new(owner, false));
	EXPECT_EQ(os_sim_calls(), 0);
	EXPECT(slabs_new(owner, true) != NULL);
	EXPECT(slabs_new(owner, false) != NULL);
	options = before;
}

TEST(fresh_memory_is_zero)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(2 * PAGE_SIZE);
	struct object *o;
	bool zero = false;

	slabs_promote(ss, sc);
	o = slabs_take_one(ss, sc, true, &zero);
	EXPECT(zero);
	give(ss, o);
	EXPECT(slabs_take_one(ss, sc, true, &zero) == o);
	EXPECT(!zero);
	end(ss);
}

/* --- sparse slabs --------------------------------------------------------------------------- */

TEST(a_slab_is_idle_from_a_quarter_on_and_counted_anew_at_each_quarter_less)
{
	static const uint32_t noted[] = {16, 11, 8, 5, 3, 2, 1};
	struct slabs *ss = begin();
	size_t idle, retained;
	struct slab *s;
	unsigned next = 0;

	if (os_page_size() > PAGE_SIZE)
		test_skip("the figures are those of pages of 4 KiB");
	make_full(ss, class_of(1024), &s, 1);
	REQUIRE(s->capacity == 64);
	idle = retain_idle;
	retained = retain_retained;
	for (uint32_t out = 63, kept = 0; out > 0; out--) {
		thin_out(ss, s, out);
		if (next < 7 && out == noted[next]) {
			kept = (64 - out) / 4 * 4096; /* whole pages */
			next++;
		}
		EXPECT_EQ(s->retained, kept);
		EXPECT_EQ(is_idle(ss, s), kept != 0);
		EXPECT_EQ(retain_idle, idle + kept);
		EXPECT_EQ(retain_retained, retained + kept);
	}
	EXPECT_EQ(next, 7);
	end(ss);
}

TEST(a_slab_of_objects_of_pages_is_idle_from_three_quarters_on)
{
	if (os_page_size() > PAGE_SIZE)
		test_skip("the figures are those of pages of 4 KiB");
	for (size_t size = PAGE_SIZE; size <= 2 * PAGE_SIZE; size *= 2) {
		struct slabs *ss = begin();
		struct slab *s;
		uint32_t most;

		make_full(ss, class_of(size), &s, 1);
		most = s->capacity * 3 / 4;
		thin_out(ss, s, most + 1);
		EXPECT_EQ(s->retained, 0);
		thin_out(ss, s, most);
		EXPECT_EQ(s->retained, (s->capacity - most) * size);
		end(ss);
	}
}

TEST(a_slab_that_is_set_aside_is_not_idle)
{
	struct slabs *ss = begin();
	size_t idle = retain_idle;
	struct slab *s;

	os_sim_need_small_pages();
	make_full(ss, class_of(1024), &s, 1);
	thin_out(ss, s, s->capacity / 4);
	REQUIRE(is_idle(ss, s));
	while (slabs_set_aside(ss))
		;
	EXPECT_EQ(s->state, SLAB_ASIDE);
	EXPECT(!is_idle(ss, s));
	EXPECT_EQ(retain_idle, idle);
	while (slabs_take_back(ss))
		;
	EXPECT(is_idle(ss, s));
	end(ss);
}

TEST(whole_free_pages_of_a_slab_of_small_objects_are_idle)
{
	struct slabs *ss = begin();
	struct slab *s;

	if (os_page_size() >= BLOCK)
		test_skip("a slab is one page, and nothing of it can be purged");
	make_full(ss, class_of(64), &s, 1);
	thin_out(ss, s, s->capacity / 4 + 1);
	EXPECT_EQ(s->retained, 0);
	thin_out(ss, s, s->capacity / 4);
	EXPECT_EQ(s->retained, BLOCK / 4 * 3);
	EXPECT(is_idle(ss, s));
	end(ss);
}

/* However little is out: nothing can be given back. */
TEST(a_slab_with_an_object_out_on_each_page_is_not_idle)
{
	struct slabs *ss = begin();
	struct slab *s;

	if (os_page_size() > PAGE_SIZE)
		test_skip("the figures are those of pages of 4 KiB");
	make_full(ss, class_of(64), &s, 1);
	for (uint32_t i = 0; i < s->capacity; i++)
		if (i % 64)
			give(ss, slab_object(s, i));
	EXPECT_EQ(s->out, 16);
	EXPECT_EQ(s->retained, 0);
	EXPECT(list_empty(&ss->idle));
	give(ss, slab_object(s, 0));
	give(ss, slab_object(s, 64 * 15));
	give(ss, slab_object(s, 64 * 2));
	give(ss, slab_object(s, 64 * 3));
	give(ss, slab_object(s, 64 * 4));
	EXPECT(s->retained > 0 && s->retained <= 5 * PAGE_SIZE);
	EXPECT(slabs_check(ss));
	end(ss);
}

/* How much more is counted of an idle slab with one object fewer. */
static size_t more_of(struct slab *s)
{
	uint32_t i = 0;
	size_t idle;

	while (bit_test(s->free, i))
		i++;
	bit_set(s->free, i);
	idle = slab_idle_bytes(s);
	bit_clear(s->free, i);
	return idle - s->retained;
}

/* Gives one object back, which is noted; just then the rule asks for so much. */
static void note(struct slabs *ss, struct slab *s, size_t excess)
{
	REQUIRE(s->out == s->notify);
	ask_for(excess, more_of(s));
	thin_out(ss, s, s->out - 1);
}

TEST(a_slab_whose_purged_pages_the_limit_does_not_allow_stays_current)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(1024);
	struct slab *listed;
	bool zero;

	os_sim_need_small_pages();
	make_full(ss, sc, &listed, 1);
	thin_out(ss, listed, 1);
	REQUIRE(slab_purge(listed));
	while (ss->current[sc] != listed)
		REQUIRE(slabs_take_one(ss, sc, true, &zero));
	options.limit = 1;
	while (slabs_take_one(ss, sc, true, &zero))
		;
	EXPECT(ss->current[sc] == listed && listed->out < listed->capacity);
	EXPECT(slabs_check(ss));
	options.limit = 0;
	EXPECT(slabs_take_one(ss, sc, true, &zero));
	EXPECT(ss->current[sc] == listed);
	end(ss);
}

TEST(the_slab_that_is_idle_longest_is_purged_first_and_no_more_than_needed)
{
	struct slabs *ss = begin();
	struct slab *s[3];
	size_t first;

	os_sim_need_small_pages();
	make_full(ss, class_of(1024), s, 3);
	for (int i = 0; i < 3; i++)
		thin_out(ss, s[i], s[i]->capacity / 4);
	first = s[0]->retained;
	thin_out(ss, s[2], s[2]->notify);
	note(ss, s[2], first);
	EXPECT(s[0]->purged != 0);
	EXPECT_EQ(s[0]->retained, 0);
	EXPECT_EQ(s[1]->purged, 0);
	EXPECT(s[1]->retained && is_idle(ss, s[1]));
	EXPECT_EQ(s[2]->purged, 0);
	EXPECT_EQ(retain_tally, slab_page_bytes(s[0]->purged));
	EXPECT(slabs_check(ss));
	end(ss);
}

TEST(as_many_idle_slabs_are_purged_as_the_rule_asks_for)
{
	struct slabs *ss = begin();
	struct slab *s[3];

	os_sim_need_small_pages();
	make_full(ss, class_of(1024), s, 3);
	for (int i = 0; i < 3; i++)
		thin_out(ss, s[i], s[i]->capacity / 4);
	ask_for(s[0]->retained + 1, 0);
	slabs_obey_rule(ss, SLABS_PURGES);
	EXPECT(s[0]->purged != 0);
	EXPECT(s[1]->purged != 0);
	EXPECT_EQ(s[2]->purged, 0);
	EXPECT(is_idle(ss, s[2]));
	EXPECT_EQ(retain_tally, slab_page_bytes(s[0]->purged) + slab_page_bytes(s[1]->purged));
	end(ss);
}

/* A free purges one. */
TEST(one_call_purges_as_many_slabs_as_it_may)
{
	struct slabs *ss = begin();
	struct slab *s[6];
	int purged = 0;

	os_sim_need_small_pages();
	make_full(ss, class_of(64), s, 6);
	for (int i = 0; i < 6; i++)
		thin_out(ss, s[i], s[i]->capacity / 4);
	thin_out(ss, s[5], s[5]->notify);
	note(ss, s[5], ss->retained);
	for (int i = 0; i < 6; i++)
		purged += s[i]->purged != 0;
	EXPECT_EQ(purged, 1);
	slabs_obey_rule(ss, 3);
	EXPECT(s[3]->purged != 0);
	EXPECT_EQ(s[4]->purged, 0);
	EXPECT(slabs_check(ss));
	end(ss);
}

TEST(a_purged_slab_is_listed_behind_all_others)
{
	struct slabs *ss = begin();
	struct slab *s[4];

	os_sim_need_small_pages();
	make_full(ss, class_of(1024), s, 4);
	for (int i = 0; i < 3; i++)
		thin_out(ss, s[i], s[i]->capacity / 4);
	thin_out(ss, s[3], s[3]->capacity - 1);
	EXPECT(ss->listed[s[0]->class].prev == &s[3]->link);
	thin_out(ss, s[2], s[2]->notify);
	note(ss, s[2], PAGE_SIZE);
	EXPECT(s[0]->purged != 0);
	EXPECT(ss->listed[s[0]->class].prev == &s[0]->link);
	end(ss);
}

TEST(a_purge_that_is_refused_leaves_the_slab_where_it_is_and_is_not_repeated)
{
	struct slabs *ss = begin();
	struct slab *s[3];

	os_sim_need_small_pages();
	make_full(ss, class_of(1024), s, 3);
	thin_out(ss, s[2], s[2]->capacity - 1);
	thin_out(ss, s[0], 16);
	thin_out(ss, s[1], 16);
	thin_out(ss, s[1], s[1]->notify);
	os_sim_refuse(OS_SIM_PURGE, EINVAL);
	note(ss, s[1], PAGE_SIZE);
	EXPECT_EQ(s[0]->purged, 0);
	EXPECT_EQ(s[0]->retained, 0);
	EXPECT(!is_idle(ss, s[0]));
	EXPECT(is_idle(ss, s[1]));
	EXPECT_EQ(retain_tally, 0);
	EXPECT(ss->listed[s[0]->class].prev == &s[2]->link);
	EXPECT(slabs_check(ss));
	slabs_purge(ss);
	os_sim_fail_from(0);
	slabs_purge(ss);
	EXPECT_EQ(os_sim_calls(), 0); /* nothing came back since it was tried */
	os_sim_refuse(OS_SIM_PURGE, 0);
	thin_out(ss, s[0], 15);
	slabs_purge(ss);
	EXPECT(s[0]->purged != 0);
	EXPECT_EQ(s[1]->purged, 0);
	options.retain_floor = 64 * MIB;
	end(ss);
}

/* --- slabs that rest ------------------------------------------------------------------------ */

#define RESTING_LOOKS 16

/* A full slab of which half is free then, in whole pages: more than is sparse. */
static struct slab *make_half(struct slabs *ss, unsigned sc)
{
	struct slab *s;

	if (os_page_size() > PAGE_SIZE)
		test_skip("the figures are those of pages of 4 KiB");
	make_full(ss, sc, &s, 1);
	thin_out(ss, s, s->capacity / 2);
	REQUIRE(s->state == SLAB_LISTED && !s->retained);
	return s;
}

TEST(a_slab_that_is_as_it_was_at_the_last_call_is_idle_though_not_sparse)
{
	struct slabs *ss = begin();
	struct slab *s = make_half(ss, class_of(1024));

	slabs_count_resting(ss);
	EXPECT(!is_idle(ss, s));
	thin_out(ss, s, s->out - 1);
	slabs_count_resting(ss);
	EXPECT(!is_idle(ss, s));
	slabs_count_resting(ss);
	EXPECT(is_idle(ss, s));
	EXPECT_EQ(s->retained, BLOCK / 2);
	EXPECT(slabs_check(ss));
	end(ss);
}

TEST(a_slab_that_was_purged_and_rests_is_not_counted_again)
{
	struct slabs *ss = begin();
	struct slab *s = make_half(ss, class_of(1024));

	EXPECT(slabs_purge_one(ss, s) > 0);
	slabs_count_resting(ss);
	slabs_count_resting(ss);
	EXPECT(!is_idle(ss, s));
	s = make_half(ss, class_of(2048));
	os_sim_refuse(OS_SIM_PURGE, EINVAL); /* nor if that was refused */
	EXPECT_EQ(slabs_purge_one(ss, s), 0);
	os_sim_refuse(OS_SIM_PURGE, 0);
	slabs_count_resting(ss);
	slabs_count_resting(ss);
	EXPECT(!is_idle(ss, s));
	end(ss);
}

TEST(a_current_slab_that_rests_is_listed_and_idle)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(1024);
	struct slab *s = make_half(ss, sc);

	EXPECT(next_current(ss, sc) == s);
	slabs_count_resting(ss);
	EXPECT_EQ(s->state, SLAB_CURRENT);
	slabs_count_resting(ss);
	EXPECT_EQ(s->state, SLAB_LISTED);
	EXPECT(is_idle(ss, s) && !ss->current[sc]);
	EXPECT(slabs_check(ss));
	EXPECT(next_current(ss, sc) == s);
	EXPECT(!is_idle(ss, s));
	end(ss);
}

/* They are neither idle nor to be listed. */
TEST(a_current_slab_that_is_full_or_unused_stays_current)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(1024);
	struct slab *s;

	slabs_promote(ss, sc);
	s = fill_one(ss, sc);
	slabs_count_resting(ss);
	slabs_count_resting(ss);
	EXPECT(ss->current[sc] == s && s->state == SLAB_CURRENT);
	thin_out(ss, s, 0);
	slabs_count_resting(ss);
	slabs_count_resting(ss);
	EXPECT(ss->current[sc] == s && s->state == SLAB_CURRENT);
	end(ss);
}

TEST(where_huge_pages_are_to_stay_whole_slabs_that_rest_keep_their_pages)
{
	struct slabs *ss = begin();
	struct slab *s = make_half(ss, class_of(1024));

	options.thp = THP_ALWAYS;
	slabs_count_resting(ss);
	slabs_count_resting(ss);
	EXPECT(!is_idle(ss, s));
	end(ss);
}

TEST(of_each_class_the_first_sixteen_listed_are_looked_at)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(1024), other = class_of(2048), idle = 0;
	struct slab *s[RESTING_LOOKS + 2], *half;

	half = make_half(ss, other);
	make_full(ss, sc, s, RESTING_LOOKS + 2);
	for (unsigned i = 0; i < RESTING_LOOKS + 2; i++)
		thin_out(ss, s[i], s[i]->capacity / 2);
	slabs_count_resting(ss);
	slabs_count_resting(ss);
	for (unsigned i = 0; i < RESTING_LOOKS + 2; i++)
		idle += is_idle(ss, s[i]);
	EXPECT_EQ(idle, RESTING_LOOKS);
	EXPECT(!is_idle(ss, s[0]) && !is_idle(ss, s[1])); /* listed last */
	EXPECT(is_idle(ss, half));
	end(ss);
}

/* --- empty slabs ---------------------------------------------------------------------------- */

TEST(empty_slabs_stay_up_to_a_bound_and_the_oldest_go)
{
	struct slabs *ss = begin();
	struct slab *s[6];

	make_full(ss, class_of(512), s, 6);
	for (int i = 0; i < 4; i++)
		thin_out(ss, s[i], 0);
	EXPECT_EQ(ss->empty_bytes, EMPTY_LEAST);
	EXPECT_EQ(ss->given_back, 0);
	EXPECT_EQ(retain_idle, s[0]->retained + s[1]->retained + s[2]->retained + s[3]->retained);
	thin_out(ss, s[4], 0);
	EXPECT_EQ(ss->empty_bytes, EMPTY_LEAST);
	EXPECT_EQ(ss->given_back, 1);
	EXPECT(ss->empty.next == &s[1]->idle);
	EXPECT_EQ(ss->empty_given, BLOCK);
	thin_out(ss, s[5], 0);
	EXPECT(ss->empty.next == &s[2]->idle);
	EXPECT_EQ(ss->empty_given, 2 * BLOCK);
	EXPECT(slabs_check(ss));
	end(ss);
}

TEST(what_was_given_back_and_is_made_again_is_kept_the_next_time)
{
	struct slabs *ss = begin();
	unsigned other = class_of(2048);
	struct slab *s[5];

	make_full(ss, class_of(512), s, 5);
	EXPECT_EQ(ss->empty_most, EMPTY_LEAST);
	for (int i = 0; i < 5; i++)
		thin_out(ss, s[i], 0);
	EXPECT_EQ(ss->empty_given, BLOCK);
	slabs_promote(ss, other);
	fill_one(ss, other); /* a first slab is a quarter of a block */
	EXPECT_EQ(ss->empty_most, EMPTY_LEAST + BLOCK / 4);
	EXPECT_EQ(ss->empty_given, BLOCK - BLOCK / 4);
	fill_one(ss, other);
	EXPECT_EQ(ss->empty_most, EMPTY_LEAST + BLOCK);
	EXPECT_EQ(ss->empty_given, 0);
	fill_one(ss, other);
	EXPECT_EQ(ss->empty_most, EMPTY_LEAST + BLOCK);
	slabs_demote_idle(ss);
	EXPECT_EQ(ss->empty_most, EMPTY_LEAST);
	end(ss);
}

TEST(with_the_tick_what_was_learned_is_forgotten)
{
	struct slabs *ss = begin();
	struct slab *s[5];

	make_full(ss, class_of(512), s, 5);
	for (int i = 0; i < 5; i++)
		thin_out(ss, s[i], 0);
	ss->empty_most = MIB;
	EXPECT_EQ(slabs_demote_idle(ss), 0); /* some are out still */
	EXPECT_EQ(ss->empty_bytes, 0);
	EXPECT_EQ(ss->empty_given, 0);
	EXPECT_EQ(ss->empty_most, EMPTY_LEAST);
	EXPECT_EQ(ss->given_back, 5);
	end(ss);
}

/* So that neither a tick nor a free takes the longer the more there are. */
TEST(of_many_empty_slabs_a_step_is_given_back)
{
	enum { SLABS = 40 };
	struct slabs *ss = begin();
	struct slab *s[SLABS + 1];
	size_t held;

	make_full(ss, class_of(512), s, SLABS + 1);
	ss->empty_most = GIB;
	for (int i = 0; i < SLABS; i++)
		thin_out(ss, s[i], 0);
	held = ss->empty_bytes;
	EXPECT_EQ(held, SLABS * BLOCK);
	slabs_demote_idle(ss);
	EXPECT_EQ(ss->empty_bytes, held - SLABS_EMPTY_STEP);
	held = ss->empty_bytes;
	thin_out(ss, s[SLABS], 0); /* there are more than what is to stay */
	EXPECT_EQ(ss->empty_bytes, held + BLOCK - SLABS_EMPTY_STEP);
	held = ss->empty_bytes;
	retain_add(64 * MIB);
	slabs_obey_rule(ss, SLABS_PURGES);
	retain_add(-64 * (intptr_t)MIB);
	EXPECT_EQ(ss->empty_bytes, held - SLABS_EMPTY_STEP);
	EXPECT(slabs_check(ss));
	slabs_free_empty(ss, 0);
	end(ss);
}

TEST(the_oldest_empty_slab_of_another_class_is_given_back_before_one_is_made)
{
	struct slabs *ss = begin();
	unsigned other = class_of(2048);
	struct slab *s[2];

	make_full(ss, class_of(512), s, 2);
	thin_out(ss, s[0], 0);
	thin_out(ss, s[1], 0);
	slabs_promote(ss, other);
	take(ss, other);
	EXPECT_EQ(ss->given_back, 1);
	EXPECT_EQ(ss->empty_bytes, BLOCK); /* it stays for its class */
	EXPECT(ss->empty.next == &s[1]->idle);
	EXPECT_EQ(ss->empty_given, 0);
	end(ss);
}

TEST(as_many_empty_slabs_are_given_back_as_a_larger_one_takes)
{
	struct slabs *ss = begin();
	unsigned other = class_of(4096);
	struct slab *s[4];

	make_full(ss, class_of(512), s, 4);
	for (int i = 0; i < 4; i++)
		thin_out(ss, s[i], 0);
	slabs_promote(ss, other);
	take(ss, other);
	EXPECT_EQ(ORDER_BYTES(class_order(other)), 4 * BLOCK);
	EXPECT_EQ(ss->given_back, 4);
	EXPECT_EQ(ss->empty_bytes, 0);
	end(ss);
}

TEST(under_the_rule_idle_slabs_are_purged_before_empty_ones_go)
{
	struct slabs *ss = begin();
	struct slab *s[4];

	os_sim_need_small_pages();
	make_full(ss, class_of(1024), s, 4);
	thin_out(ss, s[0], 0);
	thin_out(ss, s[1], 0);
	thin_out(ss, s[2], 16);
	thin_out(ss, s[3], 16);
	thin_out(ss, s[3], s[3]->notify);
	note(ss, s[3], s[2]->retained);
	EXPECT(s[2]->purged != 0);
	EXPECT_EQ(s[3]->purged, 0);
	EXPECT_EQ(ss->empty_bytes, 2 * BLOCK);
	end(ss);
}

TEST(under_the_rule_as_many_empty_slabs_go_as_it_asks_for)
{
	struct slabs *ss = begin();
	struct slab *s[4];

	make_full(ss, class_of(512), s, 4);
	for (int i = 0; i < 3; i++)
		thin_out(ss, s[i], 0);
	thin_out(ss, s[3], 1);
	ask_for(BLOCK + 1, more_of(s[3]));
	thin_out(ss, s[3], 0);
	EXPECT_EQ(ss->given_back, 2);
	EXPECT_EQ(ss->empty_bytes, 2 * BLOCK);
	EXPECT(ss->empty.next == &s[2]->idle);
	EXPECT_EQ(ss->empty_given, 0); /* what the rule wants is not missed */
	EXPECT(slabs_check(ss));
	end(ss);
}

TEST(under_the_rule_all_empty_slabs_may_go)
{
	struct slabs *ss = begin();
	struct slab *s[2];

	make_full(ss, class_of(512), s, 2);
	thin_out(ss, s[0], 0);
	thin_out(ss, s[1], 1);
	retain_add(4 * MIB); /* others' */
	ask_for(3 * MIB, more_of(s[1]));
	thin_out(ss, s[1], 0);
	EXPECT_EQ(ss->given_back, 2);
	EXPECT_EQ(ss->empty_bytes, 0);
	retain_add(-(intptr_t)(4 * MIB));
	end(ss);
}

/* Its memory is gone in part: one as good can be had from the zone. */
TEST(an_empty_slab_that_was_purged_is_not_kept)
{
	struct slabs *ss = begin();
	struct slab *s;

	os_sim_need_small_pages();
	make_full(ss, class_of(1024), &s, 1);
	thin_out(ss, s, 1);
	slabs_purge(ss);
	REQUIRE(s->purged && s->retained == 0);
	thin_out(ss, s, 0);
	EXPECT_EQ(ss->given_back, 1);
	EXPECT_EQ(ss->empty_bytes, 0);
	EXPECT_EQ(ss->count[class_of(1024)], 2);
	end(ss);
}

/* --- upkeep --------------------------------------------------------------------------------- */

TEST(a_class_is_demoted_when_all_its_objects_are_back)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(100), unused = class_of(5000);
	struct object *o;

	slabs_promote(ss, sc);
	slabs_promote(ss, unused);
	o = take(ss, sc);
	EXPECT_EQ(slabs_demote_idle(ss), 1);
	EXPECT(slabs_serve(ss, sc));
	EXPECT(!slabs_serve(ss, unused));
	give(ss, o);
	EXPECT_EQ(slabs_demote_idle(ss), 1);
	EXPECT(!slabs_serve(ss, sc));
	EXPECT(!pagemap_get(o));
	EXPECT_EQ(slabs_demote_idle(ss), 0);
	end(ss);
}

TEST(a_class_with_a_full_slab_beside_an_unused_one_stays_hot)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(2048);

	make_full(ss, sc, NULL, 0);
	thin_out(ss, ss->current[sc], 0);
	EXPECT_EQ(slabs_demote_idle(ss), 0);
	EXPECT(slabs_serve(ss, sc));
	end(ss);
}

/* Its first object back would find no list. */
TEST(one_full_slab_keeps_its_class_hot)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(2048);
	struct object *o;
	struct link hot;
	struct slab *s;
	bool zero;

	slabs_promote(ss, sc);
	s = fill_one(ss, sc);
	os_sim_fail_from(1);
	use_up_blocks(class_order(sc));
	EXPECT(!slabs_take_one(ss, sc, true, &zero));
	os_sim_fail_from(0);
	EXPECT_EQ(s->state, SLAB_FULL);
	EXPECT_EQ(slabs_demote_idle(ss), 0);
	hot = ss->listed[sc];
	ss->listed[sc].next = NULL;
	ss->count[sc] = 0;
	EXPECT(!slabs_check(ss)); /* A2 */
	ss->listed[sc] = hot;
	ss->count[sc] = 1;
	EXPECT(slabs_check(ss));
	o = slab_object(s, 0);
	give(ss, o);
	EXPECT_EQ(s->state, SLAB_LISTED);
	EXPECT_EQ(slabs_demote_idle(ss), 0);
	end(ss);
}

TEST(a_purge_reaches_current_and_listed_slabs_and_gives_back_empty_ones)
{
	struct slabs *ss = begin();
	struct slab *s[2], *current;
	size_t live;

	os_sim_need_small_pages();
	make_full(ss, class_of(2048), s, 2);
	current = ss->current[s[0]->class];
	for (int i = 0; i < 7; i++)
		take(ss, s[0]->class);
	thin_out(ss, current, 1);
	thin_out(ss, s[0], 0);
	thin_out(ss, s[1], 2);
	live = retain_live;
	slabs_purge(ss);
	EXPECT_EQ(ss->empty_bytes, 0);
	EXPECT_EQ(ss->given_back, 1);
	EXPECT(current->purged != 0);
	EXPECT(s[1]->purged != 0);
	EXPECT(!is_idle(ss, s[1]));
	EXPECT_EQ(retain_live,
		  live - BLOCK - slab_page_bytes(current->purged) - slab_page_bytes(s[1]->purged));
	EXPECT_EQ(retain_tally, 0); /* it was asked for */
	end(ss);
}

TEST(a_slab_that_was_in_use_again_is_purged_again)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(2048);
	struct slab *s;

	os_sim_need_small_pages();
	make_full(ss, sc, &s, 1);
	thin_out(ss, s, 4);
	slabs_purge(ss);
	REQUIRE(s->purged);
	EXPECT(next_current(ss, sc) == s);
	EXPECT(next_current(ss, sc) != s);
	EXPECT_EQ(s->state, SLAB_FULL);
	EXPECT_EQ(s->purged, 0);
	thin_out(ss, s, 4);
	slabs_purge(ss);
	EXPECT(s->purged != 0);
	end(ss);
}

/* --- any order, and faults ------------------------------------------------------------------ */

/* In two classes, one of small and one of large objects, under a tight rule. */
TEST(any_order_of_steps_loses_nothing)
{
	enum { OBJECTS = 600 };
	static struct object *objects[OBJECTS];
	struct slabs *ss = begin();
	uint64_t random = test_seed();
	unsigned classes[] = {class_of(160), class_of(3000)};
	bool zero;

	options.retain_floor = 128 * KIB;
	for (int step = 0; step < 30000; step++) {
		uint64_t chance = test_random(&random);
		unsigned sc = classes[chance % 2];
		struct object **o = &objects[chance / 2 % OBJECTS];

		if (!slabs_serve(ss, sc))
			slabs_promote(ss, sc);
		if (*o) {
			give(ss, *o);
			*o = NULL;
		} else if (step / 3000 % 2 == 0) {
			*o = slabs_take_one(ss, sc, chance >> 40 & 1, &zero);
		}
		if (chance >> 50 == 0)
			slabs_purge(ss);
		if (chance >> 50 == 1)
			slabs_demote_idle(ss);
		if (chance >> 50 < 8)
			slabs_count_resting(ss);
		if (step % 100 == 0)
			REQUIRE(slabs_check(ss));
	}
	end(ss);
	memset(objects, 0, sizeof objects);
}

TEST(check_sees_each_fault)
{
	struct slabs *ss = begin(), *elsewhere = slabs_new((struct arena *)0x2000, true);
	unsigned sc = class_of(1024), other = class_of(2048), cold = class_of(31000);
	struct slab *s[3], *alien, *foreign, *current;
	struct object *o, *twice;
	uint32_t kept;

	if (os_page_size() >= BLOCK)
		test_skip("a slab is one page, and nothing of it can be purged");
	make_full(ss, sc, s, 3);
	make_full(ss, other, &alien, 1);
	make_full(elsewhere, sc, &foreign, 1);
	thin_out(elsewhere, foreign, 10);
	current = ss->current[sc];
	thin_out(ss, s[0], 10);
	thin_out(ss, s[1], 0);
	thin_out(ss, alien, alien->capacity - 1);
	REQUIRE(is_idle(ss, s[0]) && s[1]->state == SLAB_EMPTY && s[2]->state == SLAB_FULL);
	EXPECT(slabs_check(ss));
#define EXPECT_FAULT(break_it, mend_it)                                                            \
	do {                                                                                       \
		break_it;                                                                          \
		EXPECT(!slabs_check(ss));                                                          \
		mend_it;                                                                           \
		REQUIRE(slabs_check(ss));                                                          \
	} while (0)
	/* A1 */
	EXPECT_FAULT(current->state = SLAB_LISTED, current->state = SLAB_CURRENT);
	EXPECT_FAULT(s[2]->state = SLAB_LISTED, s[2]->state = SLAB_FULL);
	EXPECT_FAULT(s[1]->state = SLAB_LISTED, s[1]->state = SLAB_EMPTY);
	EXPECT_FAULT(current->owner = NULL, current->owner = owner);
	EXPECT_FAULT(s[0]->owner = NULL, s[0]->owner = owner);
	EXPECT_FAULT(s[2]->owner = NULL, s[2]->owner = owner);
	EXPECT_FAULT((list_remove(&alien->link), list_push(&ss->listed[sc], &alien->link),
		      ss->count[sc]++, ss->count[other]--),
		     (list_remove(&alien->link), list_push(&ss->listed[other], &alien->link),
		      ss->count[sc]--, ss->count[other]++));
	o = slab_object(s[2], 0);
	slab_set_marks(o);
	EXPECT_FAULT(slab_give(s[2], &o, 1, &twice), slab_take(s[2], &o + 1, 1));
	/* A2 */
	EXPECT_FAULT(ss->current[cold] = current, ss->current[cold] = NULL);
	EXPECT_FAULT(ss->count[cold]++, ss->count[cold]--);
	EXPECT_FAULT(ss->count[sc]--, ss->count[sc]++);
	/* A3 */
	EXPECT_FAULT((current->retained = 1, list_push(&ss->idle, &current->idle)),
		     (current->retained = 0, list_remove(&current->idle)));
	kept = s[0]->retained;
	EXPECT_FAULT(s[0]->retained = 0, s[0]->retained = kept);
	EXPECT_FAULT(ss->empty_bytes += 1, ss->empty_bytes -= 1);
	EXPECT_FAULT((list_remove(&s[1]->idle), list_push(&ss->idle, &s[1]->idle)),
		     (list_remove(&s[1]->idle), list_push(&ss->empty, &s[1]->idle)));
	EXPECT_FAULT((list_remove(&foreign->idle), list_push(&ss->idle, &foreign->idle)),
		     (list_remove(&foreign->idle), list_push(&elsewhere->idle, &foreign->idle)));
	/* A4 */
	EXPECT_FAULT(ss->out[sc]++, ss->out[sc]--);
	EXPECT_FAULT(ss->capacity[sc]--, ss->capacity[sc]++);
	EXPECT_FAULT(ss->nbytes += PAGE_SIZE, ss->nbytes -= PAGE_SIZE);
	/* What the slab's own check sees. */
	EXPECT_FAULT(slab_object(s[0], 0)->key ^= 1, slab_object(s[0], 0)->key ^= 1);
	give_all(elsewhere);
	end(ss);
}

/* Under guards. The last test: slabs stay hardened. */
TEST(a_slab_of_one_object_is_empty_as_soon_as_it_is_not_full)
{
	struct slabs *ss = begin();
	unsigned sc = class_of(CLASS_SIZE_MAX);
	struct slab *s;

	os_sim_need_small_pages();
	slab_harden(true);
	slabs_promote(ss, sc);
	s = fill_one(ss, sc);
	REQUIRE(s->capacity == 1);
	take(ss, sc);
	EXPECT_EQ(s->state, SLAB_FULL);
	thin_out(ss, s, 0);
	EXPECT_EQ(s->state, SLAB_EMPTY);
	EXPECT(s->retained > 0);
	EXPECT(slabs_check(ss));
	end(ss);
}
