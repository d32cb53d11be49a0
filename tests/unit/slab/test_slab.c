/* Slabs: carving, the encoded list and its end, the proof that a pointer starts an object. */
#include "base/bits.h"
#include "os_sim.h"
#include "pages/zone.h"
#include "slab/slab.h"
#include "test.h"

#include <string.h>

#define HOT 0x1234 /* a hot word */

static struct arena *const owner = (struct arena *)0x1000;

static struct slab *fresh(unsigned class)
{
	static bool started;

	if (!started)
		slab_start(0x5eed);
	started = true;
	return slab_new(owner, class, class_order(class), HOT);
}

/* Takes an object as the slow path does, counted. */
static struct object *take(struct slab *s)
{
	struct object *o = slab_take(s);

	if (o)
		s->tag.live++;
	return o;
}

static void give(struct slab *s, struct object *o)
{
	slab_push(s, o);
	s->tag.live--;
}

TEST(every_class_carves_to_its_capacity_and_comes_back)
{
	for (unsigned class = 0; class < CLASSES; class++) {
		struct slab *s = fresh(class);
		struct object *first, *o;
		uint32_t n = 1;

		REQUIRE(s);
		first = take(s);
		EXPECT_EQ((uintptr_t)first, s->base);
		while ((o = take(s))) {
			EXPECT(slab_starts_object(s, o));
			memset(o, 0xa5, s->size);
			n++;
		}
		EXPECT_EQ(n, s->capacity);
		EXPECT(slab_check(s));
		for (uint32_t i = 0; i < n; i++)
			give(s, (struct object *)(s->base + (size_t)i * s->size));
		EXPECT_EQ(slab_objects_out(s), 0);
		EXPECT(slab_check(s));
		slab_free(s);
	}
	EXPECT(zone_check());
}

TEST(only_starts_of_carved_objects_are_objects)
{
	for (unsigned class = 0; class < CLASSES; class++) {
		struct slab *s = fresh(class);
		size_t whole = ORDER_BYTES(s->order);

		take(s);
		for (size_t offset = 0; offset < whole; offset++) {
			bool start = offset % s->size == 0 && offset / s->size < s->carved;

			REQUIRE(slab_starts_object(s, (char *)s->base + offset) == start);
		}
		EXPECT(!slab_starts_object(s, (char *)s->base - s->size));
		give(s, (struct object *)s->base);
		slab_free(s);
	}
}

TEST(carving_touches_a_page_at_a_time)
{
	struct slab *s = fresh(class_of(64));

	take(s);
	EXPECT_EQ(s->carved, PAGE_SIZE / 64);
	give(s, (struct object *)s->base);
	slab_free(s);
}

TEST(the_last_object_is_taken_last)
{
	struct slab *s = fresh(class_of(16));
	struct object *a = take(s), *b = take(s);

	give(s, a);
	give(s, b);
	EXPECT(take(s) == b);
	EXPECT(take(s) == a);
	EXPECT_EQ((uintptr_t)s->free, s->base + 2 * 16);
	give(s, a);
	give(s, b);
	slab_free(s);
}

TEST(the_empty_slab_has_nothing_for_the_hot_path)
{
	EXPECT(!slab_in_extent(&slab_none, slab_next(&slab_none, slab_none.free)));
}

static void take_overwritten(void *arg)
{
	struct slab *s = arg;

	((struct object *)s->free)->link ^= 0x10000000000;
	take(s);
}

TEST(an_overwritten_link_ends_the_program)
{
	struct slab *s = fresh(class_of(32));

	take(s);
	EXPECT_ABORT(take_overwritten, s, "link of a free object");
}

TEST(without_memory_there_is_no_slab_and_nothing_is_lost)
{
	os_sim_fail_from(1);
	while (slab_new(owner, 3, class_order(3), HOT))
		;
	os_sim_fail_from(0);
	EXPECT(zone_check());
	EXPECT(slab_new(owner, 3, class_order(3), HOT) != NULL);
}

TEST(check_sees_what_is_wrong)
{
	struct slab *s = fresh(5);

	take(s);
	s->tag.live++;
	EXPECT(!slab_check(s));
	s->tag.live--;
	s->free = NULL;
	EXPECT(!slab_check(s));
}
