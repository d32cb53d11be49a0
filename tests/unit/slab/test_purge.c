/* Pages of a slab given to the system and used again, against a shadow of the slab. */
#include "base/bits.h"
#include "os_sim.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "slab/slab.h"
#include "test.h"

#include <string.h>

#define OBJECTS_MOST 4096

static struct arena *const owner = (struct arena *)0x1000;
#define HOT slab_hot_word(shadow.s->class)

/* What the program would hold: a bit for each object that is out. */
static struct shadow {
	struct slab *s;
	uint64_t out[OBJECTS_MOST / 64];
	uint32_t count;
} shadow;

static void begin(unsigned class)
{
	static bool started;

	if (!started)
		slab_start(0x5eed);
	started = true;
	zone_purge(SIZE_MAX); /* so that the slab is of memory that was never used */
	shadow = (struct shadow){.s = slab_new(owner, class, class_order(class))};
	REQUIRE(shadow.s);
}

static unsigned char *object(uint32_t i)
{
	return (unsigned char *)shadow.s->base + (size_t)i * shadow.s->size;
}

/* What object i holds: its number, and bytes that follow from it. */
static void fill(uint32_t i)
{
	memset(object(i), (int)(i % 251 + 1), shadow.s->size);
	memcpy(object(i), &i, sizeof(i));
}

static bool holds(uint32_t i)
{
	const unsigned char *p = object(i);
	unsigned char byte = (unsigned char)(i % 251 + 1);

	if (memcmp(p, &i, sizeof(i)) != 0)
		return false;
	p += sizeof(i);
	return *p == byte && memcmp(p, p + 1, shadow.s->size - sizeof(i) - 1) == 0;
}

/* Takes an object for the program; false when all are out. */
static bool take(void)
{
	struct slab *s = shadow.s;
	bool zero = false;
	struct object *o = slab_take_one(s, &zero);
	uint32_t i;

	if (!o) {
		EXPECT_EQ(shadow.count, s->capacity);
		return false;
	}
	i = slab_index(s, o);
	REQUIRE(slab_starts_object(s, o));
	REQUIRE(!bit_test(shadow.out, i));
	for (size_t at = 0; zero && at < s->size; at++)
		REQUIRE(object(i)[at] == 0);
	bit_set(shadow.out, i);
	shadow.count++;
	fill(i);
	return true;
}

/* False: it is free already. */
static bool give_one(struct slab *s, struct object *o)
{
	struct object *twice = NULL;

	return slab_give(s, &o, 1, &twice) == 1 && !twice;
}

static void give(uint32_t i)
{
	struct slab *s = shadow.s;

	REQUIRE(holds(i));
	bit_clear(shadow.out, i);
	shadow.count--;
	slab_set_marks((struct object *)object(i));
	REQUIRE(give_one(s, (struct object *)object(i)));
}

/* Gives back objects by chance until so many are out. */
static void thin_out(uint64_t *random, uint32_t count)
{
	for (uint32_t i; shadow.count > count;) {
		i = (uint32_t)(test_random(random) % shadow.s->capacity);
		if (bit_test(shadow.out, i))
			give(i);
	}
}

/* The hardware pages that no object in use overlaps, found granule by granule. */
static uint64_t unused_pages(void)
{
	size_t each = os_page_size(), whole = ORDER_BYTES(shadow.s->order);
	uint64_t unused = 0;

	for (size_t start = 0; start < whole; start += each) {
		bool used = false;

		for (size_t at = start; at < start + each; at += GRANULE)
			used |= at / shadow.s->size < shadow.s->capacity &&
				bit_test(shadow.out, at / shadow.s->size);
		if (!used)
			unused |= slab_page_set(start / PAGE_SIZE, each / PAGE_SIZE);
	}
	return unused;
}

static void purge(void)
{
	struct slab *s = shadow.s;
	size_t live = retain_live, before = slab_page_bytes(s->purged);
	uint64_t touched = s->touched;
	size_t nbytes = slab_purge(s);

	EXPECT_EQ(live - retain_live, nbytes);
	EXPECT_EQ(slab_page_bytes(s->purged), before + nbytes);
	EXPECT_EQ(s->touched, touched & ~unused_pages());
	EXPECT_EQ(slab_purge(s), 0);
	for (size_t page = 0; page < 64; page++)
		if (s->purged >> page & 1)
			REQUIRE(*(uint64_t *)(s->base + page * PAGE_SIZE) == 0);
}

static void check(void)
{
	struct slab *s = shadow.s;

	REQUIRE(slab_check(s));
	REQUIRE(slab_objects_out(s) == shadow.count);
}

static void end(void)
{
	size_t live = retain_live;
	uint64_t purged = shadow.s->purged;
	size_t block = ORDER_BYTES(shadow.s->order);

	for (uint32_t i = 0; i < shadow.s->capacity; i++)
		if (bit_test(shadow.out, i))
			give(i);
	check();
	slab_free(shadow.s);
	EXPECT_EQ(live - retain_live, block - slab_page_bytes(purged));
}

static void random_step(uint64_t *random)
{
	uint64_t chance = test_random(random) % 100;

	if (chance < 40) {
		for (uint64_t n = test_random(random) % (shadow.s->capacity / 4); n > 0 && take();
		     n--)
			;
	} else if (chance < 80) {
		thin_out(random, (uint32_t)(test_random(random) % (shadow.count + 1)));
	} else if (chance < 95) {
		purge();
	} else {
		os_sim_refuse(OS_SIM_PURGE, EINVAL);
		EXPECT_EQ(slab_purge(shadow.s), 0);
		os_sim_refuse(OS_SIM_PURGE, 0);
	}
}

TEST(any_order_of_steps_loses_nothing)
{
	uint64_t random = test_seed();

	for (unsigned class = 0; class < CLASSES; class ++) {
		begin(class);
		for (int step = 0; step < 150; step++) {
			random_step(&random);
			check();
		}
		end();
	}
	EXPECT(zone_check());
}

TEST(of_a_full_slab_with_one_object_left_all_other_pages_are_purged_and_used_again)
{
	for (unsigned class = 0; class < CLASSES; class ++) {
		uint64_t random = class + 1;
		struct slab *s;
		size_t rest;

		begin(class);
		s = shadow.s;
		while (take())
			;
		thin_out(&random, 1);
		purge();
		check();
		EXPECT(slab_page_bytes(s->purged) + s->size + 2 * os_page_size() >
		       (size_t)s->capacity * s->size);
		while (take())
			check();
		rest = (size_t)s->capacity * s->size / PAGE_SIZE;
		EXPECT_EQ(s->purged & ~(rest < 64 ? slab_page_set(rest, 1) : 0), 0);
		end();
	}
}

TEST(a_page_is_accounted_for_again_when_it_is_used)
{
	size_t live;

	os_sim_need_small_pages();
	begin(class_of(PAGE_SIZE));
	take(), take(), take();
	live = retain_live;
	give(0), give(1);
	purge();
	EXPECT_EQ(shadow.s->purged, 3);
	EXPECT_EQ(retain_live, live - 2 * PAGE_SIZE);
	take();
	EXPECT_EQ(shadow.s->purged, 2);
	EXPECT_EQ(retain_live, live - PAGE_SIZE);
	EXPECT(bit_test(shadow.out, 0));
	EXPECT_EQ(pagemap_hot(object(0)), HOT);
	EXPECT_EQ(pagemap_hot(object(1)), 0);
	take();
	EXPECT_EQ(pagemap_hot(object(1)), HOT);
	EXPECT_EQ(retain_live, live);
	check();
	end();
}

TEST(a_purged_page_is_not_used_beyond_the_limit)
{
	bool zero;

	if (os_page_size() >= ORDER_BYTES(class_order(class_of(1024))))
		test_skip("a slab is one page, and nothing of it can be purged");
	begin(class_of(1024));
	while (take())
		;
	for (uint32_t i = 1; i < shadow.s->capacity; i++)
		give(i);
	purge();
	options.limit = 1;
	while (shadow.count < os_page_size() / 1024)
		REQUIRE(take()); /* of the page that is in use */
	EXPECT(!slab_take_one(shadow.s, &zero));
	options.limit = retain_held() + os_page_size() - 1; /* the system gives whole pages */
	EXPECT(!slab_take_one(shadow.s, &zero));
	options.limit = retain_held() + os_page_size();
	EXPECT(take());
	options.limit = 0;
	check();
}

TEST(memory_that_is_missed_after_a_purge_is_regretted)
{
	os_sim_need_small_pages();
	begin(class_of(PAGE_SIZE));
	take(), take();
	give(0);
	purge();
	retain_forget();
	retain_tally = 3 * PAGE_SIZE;
	take();
	EXPECT_EQ(retain_tally, 2 * PAGE_SIZE);
	EXPECT_EQ(retain_regret, PAGE_SIZE);
	retain_forget();
	end();
}

TEST(of_open_pages_an_object_is_taken_before_a_purged_page_is)
{
	os_sim_need_small_pages();
	begin(class_of(512));
	for (int i = 0; i < 24; i++)
		take();
	for (uint32_t i = 0; i < 8; i++)
		give(i);
	purge();
	give(23);
	take();
	EXPECT(bit_test(shadow.out, 23));
	EXPECT_EQ(shadow.s->purged, 1);
	check();
	end();
}

TEST(what_can_not_be_purged_stays_free)
{
	size_t calls;

	os_sim_need_small_pages();
	begin(class_of(PAGE_SIZE));
	for (int i = 0; i < 7; i++)
		take();
	give(0), give(1), give(3), give(5), give(6);
	os_sim_fail_once(2); /* of three: pages 0 and 1, page 3, pages 5 and 6 */
	EXPECT_EQ(slab_purge(shadow.s), 4 * PAGE_SIZE);
	calls = os_sim_calls();
	os_sim_fail_from(0);
	EXPECT_EQ(calls, 3);
	EXPECT_EQ(shadow.s->purged, 0x63);
	EXPECT(shadow.s->open >> 3 & 1);
	check();
	end();
}

/* The last test: the page size stays. */
TEST(a_slab_smaller_than_a_hardware_page_purges_nothing_of_its_neighbours)
{
	unsigned sc = class_of(96);
	struct object *o;
	struct slab *s;
	char *behind;
	bool zero;

	zone_purge(SIZE_MAX);
	os_sim_set_page_size(64 * KIB);
	s = slab_new(owner, sc, class_first_order(sc));
	behind = zone_alloc(class_first_order(sc), &zero);
	REQUIRE(s && (uintptr_t)behind / (64 * KIB) == s->base / (64 * KIB));
	memset(behind, 0x5a, ORDER_BYTES(class_first_order(sc)));
	o = slab_take_one(s, &zero);
	slab_set_marks(o);
	EXPECT(give_one(s, o));
	EXPECT_EQ(slab_purge(s), 0);
	EXPECT(slab_check(s));
	for (size_t i = 0; i < ORDER_BYTES(class_first_order(sc)); i++)
		REQUIRE(behind[i] == 0x5a);
	/* Of a larger one, what was touched counts. */
	s = slab_new(owner, class_of(PAGE_SIZE), class_order(class_of(PAGE_SIZE)));
	REQUIRE(s && !s->touched);
	o = slab_take_one(s, &zero);
	slab_set_marks(o);
	EXPECT(give_one(s, o));
	EXPECT_EQ(slab_purge(s), PAGE_SIZE);
	EXPECT_EQ(s->purged, 1);
}
