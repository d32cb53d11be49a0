/* Pages of a slab given to the system and taken back, against a shadow of the slab. */
#include "base/bits.h"
#include "os_sim.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "slab/slab.h"
#include "test.h"

#include <string.h>

#define OBJECTS_MOST 4096

static struct arena *const owner = (struct arena *)0x1000;
#define HOT 0x1234 /* a hot word */

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
	shadow = (struct shadow){.s = slab_new(owner, class, class_order(class), HOT)};
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

/* Takes an object as the slow path does; false when all are out. */
static bool take(void)
{
	struct slab *s = shadow.s;
	struct object *o = slab_take(s);
	uint32_t i;

	if (!o) {
		EXPECT_EQ(shadow.count, s->capacity);
		return false;
	}
	i = (uint32_t)(((uintptr_t)o - s->base) / s->size);
	REQUIRE(slab_starts_object(s, o));
	REQUIRE(!bit_test(shadow.out, i));
	REQUIRE(!slab_is_withdrawn(s, o));
	bit_set(shadow.out, i);
	shadow.count++;
	s->tag.live++;
	fill(i);
	return true;
}

static void give(uint32_t i)
{
	struct slab *s = shadow.s;

	REQUIRE(holds(i));
	REQUIRE(!slab_is_withdrawn(s, object(i)));
	bit_clear(shadow.out, i);
	shadow.count--;
	slab_push(s, (struct object *)object(i));
	s->tag.live--;
}

/* Gives back objects by chance until so many are out. */
static void thin_out(uint64_t *random, uint32_t count)
{
	for (uint32_t i; shadow.count > count;) {
		i = (uint32_t)(test_random(random) % shadow.s->carved);
		if (bit_test(shadow.out, i))
			give(i);
	}
}

/* The carved hardware pages that no object which is out overlaps, found granule by granule. */
static uint64_t unused_pages(void)
{
	size_t each = os_page_size();
	uint64_t unused = 0;

	for (size_t start = 0; start < shadow.s->extent; start += each) {
		bool used = false;

		for (size_t at = start; at < start + each && at < shadow.s->extent; at += GRANULE)
			used |= bit_test(shadow.out, at / shadow.s->size);
		if (!used)
			unused |= slab_page_set(start / PAGE_SIZE, each / PAGE_SIZE);
	}
	return unused & slab_carved_pages(shadow.s);
}

static void withdraw(void)
{
	struct slab *s = shadow.s;
	size_t live = retain_live, before = slab_page_bytes(s->withdrawn);
	size_t nbytes = slab_withdraw(s);

	EXPECT_EQ(live - retain_live, nbytes);
	EXPECT_EQ(slab_page_bytes(s->withdrawn), before + nbytes);
	EXPECT_EQ(s->withdrawn, unused_pages());
	EXPECT_EQ(slab_withdraw(s), 0);
	for (size_t page = 0; page < 64; page++)
		if (s->withdrawn >> page & 1)
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
	uint64_t withdrawn = shadow.s->withdrawn;
	size_t block = ORDER_BYTES(shadow.s->order);

	for (uint32_t i = 0; i < shadow.s->carved; i++)
		if (bit_test(shadow.out, i))
			give(i);
	check();
	slab_free(shadow.s);
	EXPECT_EQ(live - retain_live, block - slab_page_bytes(withdrawn));
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
	} else if (chance < 90) {
		withdraw();
	} else if (chance < 95) {
		bool any = shadow.s->withdrawn != 0;

		EXPECT_EQ(slab_restore(shadow.s), any);
	} else {
		os_sim_refuse_purge(true);
		EXPECT_EQ(slab_withdraw(shadow.s), 0);
		os_sim_refuse_purge(false);
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

TEST(a_full_slab_comes_back_whole_after_it_was_withdrawn_but_for_one_object)
{
	for (unsigned class = 0; class < CLASSES; class ++) {
		uint64_t random = class + 1;
		struct slab *s;
		uint32_t carved;

		begin(class);
		s = shadow.s;
		while (take())
			;
		thin_out(&random, 1);
		withdraw();
		check();
		EXPECT(slab_page_bytes(s->withdrawn) + s->size + 2 * os_page_size() > s->extent);
		carved = s->carved;
		while (take())
			check();
		EXPECT_EQ(s->withdrawn, 0);
		EXPECT_EQ(s->carved, carved);
		end();
	}
}

TEST(pages_come_back_before_more_is_carved)
{
	struct slab *s;

	begin(class_of(PAGE_SIZE));
	s = shadow.s;
	take(), take(), take();
	give(0), give(1);
	withdraw();
	EXPECT_EQ(s->withdrawn, 3);
	take();
	EXPECT_EQ(s->withdrawn, 2);
	EXPECT(bit_test(shadow.out, 0));
	EXPECT_EQ(pagemap_hot(object(0)), HOT);
	EXPECT_EQ(pagemap_hot(object(1)), 0);
	take();
	EXPECT_EQ(s->withdrawn, 0);
	EXPECT_EQ(pagemap_hot(object(1)), HOT);
	EXPECT_EQ(s->carved, 3);
	check();
	end();
}

TEST(what_can_not_be_purged_stays_free)
{
	size_t calls;

	begin(class_of(PAGE_SIZE));
	for (int i = 0; i < 7; i++)
		take();
	give(0), give(1), give(3), give(5), give(6);
	os_sim_fail_once(2); /* of three: pages 0 and 1, page 3, pages 5 and 6 */
	EXPECT_EQ(slab_withdraw(shadow.s), 4 * PAGE_SIZE);
	calls = os_sim_calls();
	os_sim_fail_from(0);
	EXPECT_EQ(calls, 3);
	EXPECT_EQ(shadow.s->withdrawn, 0x63);
	EXPECT(!slab_is_withdrawn(shadow.s, object(3)));
	check();
	end();
}

static void withdraw_overwritten(void *arg)
{
	(void)arg;
	*(uint64_t *)object(0) ^= 0x10000000000;
	slab_withdraw(shadow.s);
}

static void withdraw_circle(void *arg)
{
	struct slab *s = shadow.s;

	(void)arg;
	((struct object *)object(0))->link = (uintptr_t)object(0) ^ s->secret;
	slab_withdraw(s);
}

TEST(an_overwritten_link_ends_the_program)
{
	begin(class_of(32));
	take();
	give(0);
	EXPECT_ABORT(withdraw_overwritten, NULL, "link of a free object");
	EXPECT_ABORT(withdraw_circle, NULL, "link of a free object");
	end();
}

TEST(check_sees_what_is_wrong)
{
	struct slab *s;

	begin(class_of(PAGE_SIZE));
	s = shadow.s;
	take(), take();
	give(0);
	withdraw();
	EXPECT(slab_check(s));
	pagemap_set_hot(object(0), PAGE_SIZE, HOT);
	EXPECT(!slab_check(s));
	pagemap_set_hot(object(0), PAGE_SIZE, 0);
	s->withdrawn |= 4;
	EXPECT(!slab_check(s));
	s->withdrawn = 3;
	EXPECT(!slab_check(s));
	s->withdrawn = 1;
	EXPECT(slab_check(s));
	slab_push(s, (struct object *)object(0));
	EXPECT(!slab_check(s));
}
