/* Slabs: bits and marks of free objects, pages that are opened, the proof that a pointer starts an
   object. */
#include "base/bits.h"
#include "os_sim.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "slab/slab.h"
#include "test.h"

#include <string.h>

#define HOT	     slab_hot_word(s->class)
#define OBJECTS_MOST 4096

static struct arena *const owner = (struct arena *)0x1000;

/* All free, of memory that was never used. */
static struct slab *fresh(unsigned sc)
{
	static bool started;

	if (!started)
		slab_start(0x5eed);
	started = true;
	zone_purge(SIZE_MAX);
	return slab_new(owner, sc, class_order(sc));
}

/* Takes an object as a magazine does. */
static struct object *take(struct slab *s)
{
	struct object *o;

	return slab_take(s, &o + 1, 1) ? o : NULL;
}

/* Takes one for the program. */
static struct object *take_one(struct slab *s)
{
	bool zero;

	return slab_take_one(s, &zero);
}

/* False: it is free already. */
static bool give_one(struct slab *s, struct object *o)
{
	struct object *twice = NULL;

	return slab_give(s, &o, 1, &twice) == 1 && !twice;
}

static void give(struct slab *s, struct object *o)
{
	slab_set_marks(o);
	EXPECT(give_one(s, o));
}

TEST(every_class_hands_out_its_capacity_in_order_and_comes_back)
{
	for (unsigned sc = 0; sc < CLASSES; sc++) {
		struct slab *s = fresh(sc);
		struct object *o;
		uint32_t n = 0;

		REQUIRE(s);
		for (; (o = take(s)); n++) {
			REQUIRE(o == slab_object(s, n));
			REQUIRE(slab_starts_object(s, o));
			memset(o, 0xa5, s->size);
		}
		EXPECT_EQ(n, s->capacity);
		EXPECT(slab_check(s));
		for (uint32_t i = 0; i < n; i++)
			give(s, slab_object(s, i));
		EXPECT_EQ(slab_objects_out(s), 0);
		EXPECT(slab_check(s));
		slab_free(s);
	}
	EXPECT(zone_check());
}

/* So that the last one of a page may reach into the next. */
TEST(every_class_hands_out_its_capacity_in_batches_and_takes_it_back_at_once)
{
	static struct object *objects[OBJECTS_MOST];

	for (unsigned sc = 0; sc < CLASSES; sc++) {
		struct slab *s = fresh(sc);
		struct object *twice = NULL;
		uint32_t n = 0, more;

		for (; (more = slab_take(s, objects + s->capacity - n, 100)); n += more)
			REQUIRE(slab_check(s));
		EXPECT_EQ(n, s->capacity);
		for (uint32_t i = 0; i < n; i++)
			REQUIRE(objects[i] == slab_object(s, n - 1 - i));
		EXPECT_EQ(slab_give(s, objects, n, &twice), n);
		EXPECT(!twice && slab_objects_out(s) == 0);
		EXPECT(slab_check(s));
		slab_free(s);
	}
}

TEST(a_batch_ends_at_the_first_object_of_another_slab)
{
	unsigned sc = class_of(1024 + 128); /* the last word of free[] is not full */
	struct slab *a = fresh(sc), *b = slab_new(owner, sc, class_order(sc));
	struct slab *s = a->base < b->base ? a : b, *next = s == a ? b : a;
	struct object *objects[3], *twice = NULL;

	REQUIRE(s->base + ORDER_BYTES(s->order) == next->base);
	while (take(s))
		;
	objects[0] = slab_object(s, s->capacity - 2);
	objects[1] = slab_object(s, s->capacity - 1);
	objects[2] = take(next);
	EXPECT_EQ(slab_give(s, objects, 3, &twice), 2);
	EXPECT_EQ(slab_give(next, objects + 2, 1, &twice), 1);
	EXPECT(!twice && slab_check(s) && slab_check(next));
}

/* Takes all objects of a slab, in order of address; returns how many. */
static uint32_t take_ascending(struct slab *s, struct object **objects)
{
	while (take(s))
		;
	for (uint32_t i = 0; i < s->capacity; i++)
		objects[i] = slab_object(s, i);
	return s->capacity;
}

TEST(neighbours_come_back_in_order_of_address_from_any_object_on)
{
	static struct object *objects[OBJECTS_MOST];

	for (unsigned sc = 0; sc < CLASSES; sc++) {
		struct slab *s = fresh(sc);
		struct object *twice = NULL;
		uint32_t n = take_ascending(s, objects), first = n / 3;

		EXPECT_EQ(slab_give(s, objects + first, n - first, &twice), n - first);
		EXPECT_EQ(slab_objects_out(s), first);
		EXPECT(slab_check(s));
		if (first)
			EXPECT_EQ(slab_give(s, objects, first, &twice), first);
		EXPECT(!twice && slab_objects_out(s) == 0);
		EXPECT(slab_check(s));
		slab_free(s);
	}
}

/* The slabs are full of objects, so the last of one and the first of the next are neighbours. */
TEST(neighbours_of_the_next_slab_stay_out)
{
	static struct object *objects[OBJECTS_MOST];
	unsigned sc = class_of(2048);
	struct slab *a = fresh(sc), *b = slab_new(owner, sc, class_order(sc));
	struct slab *s = a->base < b->base ? a : b, *next = s == a ? b : a;
	struct object *twice = NULL;
	uint32_t n = take_ascending(s, objects);

	REQUIRE(s->base + ORDER_BYTES(s->order) == next->base && n >= 8 && n % 64);
	REQUIRE(s->base + n * s->size == next->base);
	take_ascending(next, objects + n);
	EXPECT_EQ(slab_give(s, objects, 2 * n, &twice), n);
	EXPECT(!twice && slab_check(s) && slab_check(next));
	EXPECT_EQ(slab_objects_out(s), 0);
	EXPECT_EQ(slab_objects_out(next), n);
}

TEST(neighbours_that_are_free_already_are_found_and_not_counted)
{
	static struct object *objects[OBJECTS_MOST];
	struct slab *s = fresh(class_of(48));
	struct object *twice = NULL;
	uint32_t n = take_ascending(s, objects);

	EXPECT(give_one(s, objects[70]) && give_one(s, objects[71]));
	EXPECT_EQ(slab_give(s, objects, n, &twice), n);
	EXPECT(twice == objects[70]);
	EXPECT_EQ(slab_objects_out(s), 0);
	EXPECT(slab_check(s));
}

static void give_neighbours(void *arg)
{
	static struct object *objects[OBJECTS_MOST];
	struct object *twice = NULL;
	uint32_t n = take_ascending(arg, objects);

	objects[5]->key ^= 1;
	slab_give(arg, objects, n, &twice);
}

TEST(a_neighbour_that_was_overwritten_ends_the_program)
{
	EXPECT_ABORT(give_neighbours, fresh(class_of(48)), "write after free");
}

TEST(only_starts_of_objects_are_objects)
{
	for (unsigned sc = 0; sc < CLASSES; sc++) {
		struct slab *s = fresh(sc);
		size_t whole = ORDER_BYTES(s->order);

		for (size_t offset = 0; offset < whole; offset++) {
			bool start = offset % s->size == 0 && offset / s->size < s->capacity;

			REQUIRE(slab_starts_object(s, (char *)s->base + offset) == start);
		}
		EXPECT(!slab_starts_object(s, (char *)s->base - s->size));
		slab_free(s);
	}
}

TEST(a_page_is_opened_when_its_first_object_is_taken)
{
	struct slab *s = fresh(class_of(64));
	struct object *objects[PAGE_SIZE / 64 + 1];

	EXPECT_EQ(slab_take(s, objects + PAGE_SIZE / 64 + 1, PAGE_SIZE / 64 + 1), PAGE_SIZE / 64);
	EXPECT(objects[PAGE_SIZE / 64] == slab_object(s, 0)); /* the lowest is the first to go */
	EXPECT(objects[1] == slab_object(s, PAGE_SIZE / 64 - 1));
	EXPECT_EQ(s->open, 1);
	EXPECT_EQ(s->touched, 1);
	EXPECT_EQ(pagemap_hot((char *)s->base), HOT);
	EXPECT_EQ(pagemap_hot((char *)s->base + PAGE_SIZE), 0);
	EXPECT_EQ(*(uint64_t *)(s->base + PAGE_SIZE), 0);
	EXPECT(take(s) == slab_object(s, PAGE_SIZE / 64));
	EXPECT_EQ(s->open, 3);
	EXPECT(slab_check(s));
}

TEST(free_objects_of_open_pages_are_taken_before_a_page_is_opened)
{
	struct slab *s = fresh(class_of(1024));
	struct object *objects[4];

	for (int i = 0; i < 2; i++)
		EXPECT_EQ(slab_take(s, objects + 4, 4), 4);
	give(s, objects[0]);
	EXPECT_EQ(slab_take(s, objects + 4, 4), 1);
	EXPECT(objects[3] == slab_object(s, 7));
	EXPECT_EQ(s->open, 3);
}

TEST(the_lowest_free_object_is_taken_first)
{
	struct slab *s = fresh(class_of(16));

	for (int i = 0; i < 200; i++)
		take(s);
	give(s, slab_object(s, 170));
	give(s, slab_object(s, 3));
	give(s, slab_object(s, 66));
	EXPECT(take(s) == slab_object(s, 3));
	EXPECT(take(s) == slab_object(s, 66));
	EXPECT(take(s) == slab_object(s, 170));
	EXPECT(take(s) == slab_object(s, 200));
}

TEST(an_object_that_is_free_already_is_not_taken_back)
{
	struct slab *s = fresh(class_of(48));
	struct object *o = take(s), *batch[3], *twice = NULL;

	EXPECT(!slab_has_free(s, o));
	EXPECT(slab_is_free(s, o)); /* by its mark: it is in a magazine */
	EXPECT(give_one(s, o));
	EXPECT(slab_has_free(s, o));
	EXPECT(!give_one(s, o));
	EXPECT(!give_one(s, slab_object(s, 7)));
	EXPECT_EQ(slab_objects_out(s), 0);
	EXPECT(slab_check(s));
	for (int i = 0; i < 2; i++)
		batch[i] = take(s);
	batch[2] = batch[0];
	EXPECT_EQ(slab_give(s, batch, 3, &twice), 3);
	EXPECT(twice == batch[0]);
	EXPECT_EQ(slab_objects_out(s), 0);
	EXPECT(slab_check(s));
	o = take_one(s);
	EXPECT(!slab_is_free(s, o));
}

TEST(what_is_zero_is_known)
{
	struct slab *s = fresh(class_of(2 * PAGE_SIZE));
	bool zero = false;
	char *a = (char *)slab_take_one(s, &zero), *b;

	EXPECT(zero);
	for (size_t i = 0; i < 2 * PAGE_SIZE; i++)
		REQUIRE(a[i] == 0);
	give(s, (struct object *)a);
	b = (char *)slab_take_one(s, &zero);
	EXPECT(a == b);
	EXPECT(!zero);
	give(s, (struct object *)b);
	EXPECT_EQ(slab_purge(s), 2 * PAGE_SIZE);
	EXPECT(slab_take_one(s, &zero) == (struct object *)a);
	EXPECT(zero);
	EXPECT_EQ(*(uint64_t *)a, 0);
	EXPECT_EQ(*(uint64_t *)(a + 8), 0);
}

TEST(memory_that_was_used_before_is_not_called_zero)
{
	struct slab *s = fresh(class_of(PAGE_SIZE));
	bool zero = true;

	memset(take_one(s), 1, PAGE_SIZE);
	give(s, slab_object(s, 0));
	slab_free(s);
	s = slab_new(owner, class_of(PAGE_SIZE), class_order(class_of(PAGE_SIZE)));
	slab_take_one(s, &zero);
	EXPECT(!zero);
}

TEST(the_rest_of_a_smaller_slab_looks_free)
{
	struct slab *s = slab_new(owner, class_of(48), class_first_order(class_of(48)));
	struct object *rest = slab_object(s, s->capacity);

	REQUIRE((size_t)s->capacity * 48 < ORDER_BYTES(s->order));
	while (take(s))
		;
	EXPECT_EQ(pagemap_hot(rest), HOT);
	EXPECT_EQ(rest->key, slab_mark(rest));
}

static void overwrite_address(void *arg)
{
	struct slab *s = arg;

	slab_object(s, 1)->link ^= 0x10000000000;
	take_one(s);
}

static void overwrite_mark(void *arg)
{
	struct slab *s = arg;

	slab_object(s, 1)->key ^= 1;
	take(s);
}

/* Of one in a magazine, before it is given back with n - 1 others. */
static void overwrite_taken(struct slab *s, uint32_t n)
{
	struct object *objects[] = {take(s), take(s)}, *twice;

	objects[0]->key ^= 1;
	slab_give(s, objects, n, &twice);
}

static void overwrite_one(void *arg)
{
	overwrite_taken(arg, 1);
}

static void overwrite_one_of_two(void *arg)
{
	overwrite_taken(arg, 2);
}

TEST(an_overwritten_free_object_ends_the_program)
{
	struct slab *s = fresh(class_of(32));

	take(s);
	EXPECT_ABORT(overwrite_address, s, "write after free");
	EXPECT_ABORT(overwrite_mark, s, "write after free");
	EXPECT_ABORT(overwrite_one, s, "write after free");
	EXPECT_ABORT(overwrite_one_of_two, s, "write after free");
}

TEST(without_memory_there_is_no_slab_and_nothing_is_lost)
{
	os_sim_fail_from(1);
	while (slab_new(owner, 3, class_order(3)))
		;
	os_sim_fail_from(0);
	EXPECT(zone_check());
	EXPECT(slab_new(owner, 3, class_order(3)) != NULL);
}

TEST(a_descriptor_without_a_block_is_not_lost)
{
	static struct pool filler = {.size = 512};
	bool clean;

	REQUIRE(fresh(3));
	for (unsigned order = ORDERS; order-- > 0;)
		while (zone_is_ready(order))
			REQUIRE(zone_alloc(order, &clean));
	REQUIRE(pool_is_ready(&filler));
	os_sim_fail_from(1);
	for (int i = 0; i < 20000; i++)
		EXPECT(!slab_new(owner, 3, class_order(3)));
	EXPECT(pool_is_ready(&filler));
	os_sim_fail_from(0);
}

TEST(a_slab_is_ready_when_block_and_descriptor_are)
{
	static struct pool filler = {.size = CACHE_LINE};
	unsigned sc = class_of(2048);
	bool clean;

	zone_free(zone_alloc(ORDER_MAX, &clean), ORDER_MAX, 0);
	EXPECT(slab_is_ready(sc));
	while (zone_is_ready(class_order(sc)))
		REQUIRE(zone_alloc(class_order(sc), &clean));
	EXPECT(!slab_is_ready(sc));
	zone_free(zone_alloc(ORDER_MAX, &clean), ORDER_MAX, 0);
	while (pool_is_ready(&filler))
		REQUIRE(pool_alloc(&filler));
	EXPECT(!slab_is_ready(sc));
}

/* So that an offset is the lower bits of an address, whatever the slab. */
TEST(small_slabs_lie_at_multiples_of_large_ones)
{
	unsigned sc = class_of(64);
	bool clean;

	for (int i = 0; i < 8; i++) {
		struct slab *s = slab_new(owner, sc, class_first_order(sc));

		REQUIRE(s && zone_alloc(0, &clean));
		EXPECT_EQ(s->base % ORDER_BYTES(class_order(sc)), 0);
	}
}

TEST(pages_that_were_never_touched_go_back_as_clean)
{
	struct slab *s = fresh(class_of(PAGE_SIZE));
	struct zone_sizes sizes;

	for (int i = 0; i < 3; i++)
		take_one(s);
	for (uint32_t i = 0; i < 3; i++)
		give(s, slab_object(s, i));
	zone_purge(SIZE_MAX);
	slab_free(s);
	zone_sizes(&sizes);
	EXPECT_EQ(sizes.free_dirty, 3 * PAGE_SIZE);
}

TEST(check_sees_what_is_wrong)
{
	struct slab *s = fresh(5);

	take_one(s);
	EXPECT(slab_check(s));
	s->out++;
	EXPECT(!slab_check(s)); /* S1 */
	s->out--;
	s->words ^= 2;
	EXPECT(!slab_check(s)); /* S1 */
	s->words ^= 2;
	slab_object(s, 1)->key ^= 1;
	EXPECT(!slab_check(s)); /* S2 */
	slab_object(s, 1)->key ^= 1;
	slab_object(s, 1)->link ^= 1;
	EXPECT(!slab_check(s)); /* S2 */
	slab_object(s, 1)->link ^= 1;
	bit_clear(s->free, 42), s->out++; /* it starts in the open page, and ends behind it */
	EXPECT(!slab_check(s));		  /* S3 */
	bit_set(s->free, 42), s->out--;
	bit_clear(s->free, 60), s->out++, s->touched |= 2; /* it lies in the next */
	EXPECT(!slab_check(s));				   /* S3 */
	bit_set(s->free, 60), s->out--, s->touched = 1;
	pagemap_set((char *)s->base + PAGE_SIZE, PAGE_SIZE, NULL);
	EXPECT(!slab_check(s)); /* S4 */
	pagemap_set((char *)s->base + PAGE_SIZE, PAGE_SIZE, &s->tag);
	s->purged |= 1;
	EXPECT(!slab_check(s)); /* S5 */
	s->purged = 0;
	s->touched |= (uint64_t)1 << 63;
	EXPECT(!slab_check(s)); /* S5: it has 16 pages */
	s->touched = 1;
	give(s, slab_object(s, 0));
	s->touched = 0;
	EXPECT(!slab_check(s)); /* S5 */
	s->touched = 1;
	pagemap_set_hot((char *)s->base + PAGE_SIZE, PAGE_SIZE, HOT);
	EXPECT(!slab_check(s)); /* S6 */
	pagemap_set_hot((char *)s->base + PAGE_SIZE, PAGE_SIZE, 0);
	EXPECT(slab_check(s));
}

TEST(a_closed_page_is_not_written_to_when_an_object_is_freed)
{
	struct slab *s = fresh(class_of(64));
	struct object *o = take_one(s), *held = take_one(s), *listed = take(s), *twice = NULL;
	struct object *batch[2];

	EXPECT(!slab_give_unmarked(s, o)); /* an open page */
	slab_close(s);
	EXPECT_EQ(pagemap_hot(o), 0);
	o->key = 7;
	EXPECT(slab_give_unmarked(s, o));
	EXPECT_EQ(o->key, 7);
	EXPECT(slab_is_free(s, o));
	EXPECT(!slab_give_unmarked(s, o));
	EXPECT_EQ(slab_give(s, &listed, 1, &twice), 1); /* of a magazine: it bears its mark */
	EXPECT_EQ(s->out, 1);
	EXPECT(slab_check(s));
	held->key = 8;
	EXPECT_EQ(slab_take(s, batch + 2, 2), 2);    /* opens the page: */
	EXPECT(batch[1] == o && batch[0] == listed); /* the free objects alone get their marks */
	EXPECT_EQ(held->key, 8);
	EXPECT_EQ(pagemap_hot(o), HOT);
	EXPECT(slab_check(s));
	slab_set_marks(held);
	EXPECT(give_one(s, held) && give_one(s, o) && give_one(s, listed));
	slab_free(s);
}

/* The last tests: what they ask for stays. */
TEST(hardened_slabs_are_cleared_and_take_objects_of_a_page_in_no_order)
{
	static struct object *before[PAGE_SIZE / 16];
	struct slab *s = fresh(class_of(16));
	unsigned rising = 0;

	for (unsigned i = 0; i < 300; i++)
		memset(take_one(s), 0xa5, 16);
	for (uint32_t i = 0; i < 300; i++)
		give(s, slab_object(s, i));
	slab_free(s);
	slab_harden(false);
	s = slab_new(owner, class_of(16), class_order(class_of(16)));
	for (size_t i = 0; i < ORDER_BYTES(s->order) / 8; i++)
		REQUIRE(((uint64_t *)s->base)[i] == 0);
	for (unsigned i = 0; i < PAGE_SIZE / 16; i++) {
		before[i] = take(s);
		EXPECT_EQ(s->open, 1);
		rising += i && before[i] > before[i - 1];
		for (unsigned j = 0; j < i; j++)
			REQUIRE(before[i] != before[j]);
	}
	EXPECT(rising < 200);
	EXPECT_EQ(slab_take(s, before + PAGE_SIZE / 16, PAGE_SIZE / 16), PAGE_SIZE / 16);
	for (unsigned i = rising = 0; i < PAGE_SIZE / 16 - 1; i++)
		rising += before[i] > before[i + 1];
	EXPECT(rising < 200);
	while (take(s))
		;
	EXPECT(slab_check(s));
}

TEST(a_slab_whose_guard_stays_is_accounted_for_as_it_was)
{
	struct slab *s;
	size_t live;

	slab_harden(true);
	s = fresh(class_of(2 * PAGE_SIZE));
	REQUIRE(s->tag.guarded);
	give(s, take_one(s));
	EXPECT(slab_purge(s) > 0);
	live = retain_live;
	os_sim_fail_from(1);
	slab_free(s);
	os_sim_fail_from(0);
	EXPECT_EQ(retain_live, live);
	EXPECT(pagemap_get((void *)s->base) == &s->tag);
}

TEST(a_watched_page_has_no_hot_word)
{
	struct slab *s = fresh(class_of(64));
	char *o = (char *)take(s), *next = o;

	while (next < o + PAGE_SIZE) /* until another page is open */
		next = (char *)take(s);
	EXPECT(pagemap_hot(o) != 0);
	slab_watch_page(s, o + 64, true);
	EXPECT_EQ(pagemap_hot(o), 0);
	EXPECT(pagemap_hot(next) != 0);
	EXPECT(slab_check(s));
	slab_close(s);
	slab_watch_page(s, next, true);
	slab_watch_page(s, next, false);
	EXPECT_EQ(pagemap_hot(next), 0); /* it is closed */
	EXPECT(slab_give_unmarked(s, (struct object *)o));
	EXPECT((char *)take(s) == o); /* which opens its page again */
	EXPECT_EQ(pagemap_hot(o), 0);
	EXPECT(slab_check(s));
	slab_watch_page(s, o, false);
	EXPECT(pagemap_hot(o) != 0);
	EXPECT(slab_check(s));
}

TEST(where_all_is_watched_no_page_has_a_hot_word)
{
	struct slab *s = fresh(class_of(64));

	take(s);
	EXPECT(pagemap_hot((void *)s->base) != 0);
	slab_watch_all();
	slab_clear_hot(s);
	EXPECT_EQ(pagemap_hot((void *)s->base), 0);
	s = fresh(class_of(64));
	take(s);
	EXPECT_EQ(pagemap_hot((void *)s->base), 0);
	slab_watch_page(s, (void *)s->base, true);
	slab_watch_page(s, (void *)s->base, false);
	EXPECT_EQ(pagemap_hot((void *)s->base), 0);
	EXPECT(slab_check(s));
}
