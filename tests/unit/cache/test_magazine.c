/* Magazines: last in, first out; how their capacity is learned; what their check proves. */
#include "cache/magazine.h"

#include "os_sim.h"
#include "pages/metadata.h"
#include "pages/zone.h"
#include "report/report.h"
#include "test.h"

static struct arena *const owner = (struct arena *)0x1000;

static size_t total; /* capacity of all magazines of a test */

static struct slab *slab_of(unsigned sc)
{
	static bool started;

	if (!started)
		slab_start(0x5eed);
	started = true;
	return slab_new(owner, sc, class_order(sc));
}

/* The first one of a cache. */
static struct magazine fresh(size_t size)
{
	struct magazine m = {0};

	total = 0;
	for (int tries = 0; tries <= PATIENCE; tries++)
		if (magazine_make(&m, class_of(size), &total))
			return m;
	REQUIRE(false);
	return m;
}

/* With n objects in it. */
static struct magazine filled(size_t size, uint32_t n)
{
	struct magazine m = fresh(size);
	struct slab *s = slab_of(m.sc);
	struct object *o[64];

	REQUIRE(n <= 64 && slab_take(s, o + n, n) == n);
	for (uint32_t i = 0; i < n; i++)
		REQUIRE(magazine_push(&m, o[i], slab_mark(o[i])));
	return m;
}

TEST(the_first_capacity_is_a_few_objects_or_512_bytes)
{
	const struct {
		size_t size;
		uint32_t capacity;
	} first[] = {{16, 7},  {64, 7},	 {80, 6},   {128, 4},
		     {256, 2}, {512, 1}, {1024, 1}, {32 * KIB, 1}};

	for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
		struct magazine m = fresh(first[i].size);

		EXPECT_EQ(magazine_capacity(&m), first[i].capacity);
		EXPECT_EQ(magazine_count(&m), 0);
		EXPECT(magazine_is_ready(&m));
		EXPECT(magazine_check(&m));
	}
}

TEST(one_that_is_not_made_has_nothing_and_takes_nothing)
{
	struct magazine m = {0};
	struct object o;

	EXPECT(!magazine_is_ready(&m));
	EXPECT(!magazine_is_object(&m, &o));
	EXPECT(!magazine_push(&m, &o, 1));
}

TEST(what_came_last_goes_first_and_bears_its_mark_in_between)
{
	struct slab *s = slab_of(class_of(64));
	struct magazine m = fresh(64);
	struct object *o[7];

	EXPECT_EQ(slab_take(s, o + 7, 7), 7);
	for (int i = 0; i < 7; i++) {
		o[i]->link = 0, o[i]->key = 0;
		EXPECT(magazine_push(&m, o[i], slab_mark(o[i])));
		EXPECT_EQ(o[i]->link, (uintptr_t)o[i]);
		EXPECT_EQ(o[i]->key, slab_mark(o[i]));
	}
	EXPECT(!magazine_push(&m, slab_object(s, 8), 0));
	EXPECT_EQ(magazine_count(&m), 7);
	EXPECT(magazine_check(&m));
	for (int i = 6; i >= 0; i--) {
		EXPECT(magazine_take(&m) == o[i]);
		EXPECT_EQ(o[i]->key, 0);
	}
	EXPECT(!magazine_take(&m));
	EXPECT(!magazine_take(&m));
}

TEST(one_that_packs_is_closed_to_free)
{
	struct magazine m = filled(64, 3);

	EXPECT(magazine_is_object(&m, *m.last));
	magazine_set_packing(&m, true);
	EXPECT(!magazine_is_object(&m, *m.last));
	EXPECT(magazine_is_ready(&m));
	EXPECT(magazine_take(&m));
	magazine_set_packing(&m, false);
	EXPECT(magazine_is_object(&m, *m.last));
}

TEST(it_packs_until_eight_batches_one_after_the_other_were_in_vain)
{
	struct magazine m = filled(64, 3);

	magazine_note_batch(&m, false);
	EXPECT(!m.packs && magazine_is_object(&m, *m.last));
	magazine_set_packing(&m, true);
	for (int i = 0; i < MAGAZINE_PATIENCE - 1; i++)
		magazine_note_batch(&m, true);
	EXPECT(m.packs);
	magazine_note_batch(&m, false);
	for (int i = 0; i < MAGAZINE_PATIENCE - 1; i++)
		magazine_note_batch(&m, true);
	EXPECT(m.packs && !magazine_is_object(&m, *m.last));
	magazine_note_batch(&m, true);
	EXPECT(!m.packs && magazine_is_object(&m, *m.last));
}

TEST(after_eight_batches_in_vain_it_rests_for_16_sweeps)
{
	struct magazine m = filled(64, 3);

	magazine_learn_to_pack(&m, true);
	for (int i = 0; i < 7; i++)
		magazine_note_batch(&m, true);
	EXPECT(m.packs);
	magazine_note_batch(&m, true);
	EXPECT(!m.packs);
	for (int i = 0; i < 16; i++) {
		magazine_learn_to_pack(&m, true);
		EXPECT(!m.packs);
	}
	magazine_learn_to_pack(&m, true);
	EXPECT(m.packs);
}

TEST(what_leaves_it_is_not_taken)
{
	struct magazine m = filled(64, 3);
	struct slab *s = (struct slab *)pagemap_get(*m.last);
	struct object *o[5], *third = *m.last;

	EXPECT_EQ(slab_take(s, o + 5, 5), 5);
	for (int i = 0; i < 4; i++) {
		o[i]->link = 0, o[i]->key = 0;
		EXPECT(magazine_push_leaving(&m, o[i], slab_mark(o[i])));
		EXPECT_EQ(o[i]->link, (uintptr_t)o[i]);
		EXPECT_EQ(o[i]->key, slab_mark(o[i]));
	}
	EXPECT_EQ(magazine_count(&m), 3);
	EXPECT_EQ(magazine_leaving(&m), 4);
	EXPECT_EQ(magazine_capacity(&m), 7);
	EXPECT(m.end[1] == o[3] && m.end[4] == o[0]);
	EXPECT(!magazine_push_leaving(&m, o[4], 0)); /* it is full */
	EXPECT(!magazine_push(&m, o[4], 0));
	EXPECT(magazine_check(&m));
	EXPECT(magazine_take(&m) == third);
	EXPECT(magazine_take(&m) && magazine_take(&m) && !magazine_take(&m));
	magazine_drop_leaving(&m);
	EXPECT_EQ(magazine_leaving(&m), 0);
	EXPECT_EQ(magazine_capacity(&m), 7);
}

static void report_written(void *m)
{
	magazine_report_written(m);
}

TEST(an_object_that_was_written_to_is_not_taken)
{
	struct magazine m = filled(64, 3);

	(*m.last)->link ^= 16;
	EXPECT(!magazine_take(&m));
	EXPECT_EQ(magazine_count(&m), 3);
	EXPECT_ABORT(report_written, &m, "write after free");
}

TEST(only_starts_of_objects_are_objects)
{
	struct slab *s = slab_of(class_of(48));
	struct magazine m = fresh(48);

	for (size_t offset = 0; offset < ORDER_BYTES(s->order); offset += 8)
		REQUIRE(magazine_is_object(&m, (char *)s->base + offset) ==
			(offset % 48 == 0 && offset / 48 < s->capacity));
}

/* --- capacity -------------------------------------------------------------------------------- */

TEST(it_doubles_without_a_reason_up_to_two_kib)
{
	struct magazine m = fresh(64), n = fresh(64);

	magazine_learn_to_fill(&m);
	EXPECT_EQ(magazine_capacity(&m), 15);
	magazine_learn_to_give(&n, false);
	EXPECT_EQ(magazine_capacity(&n), 15);
	for (int i = 0; i < 5; i++)
		magazine_learn_to_fill(&m);
	EXPECT_EQ(magazine_capacity(&m), 31); /* 63 of 64 bytes are more */
	for (int i = 0; i < 5; i++)
		magazine_learn_to_give(&n, false);
	EXPECT_EQ(magazine_capacity(&n), 31);
}

TEST(it_doubles_when_it_is_filled_after_it_gave)
{
	struct magazine m = fresh(512);

	magazine_learn_to_fill(&m);
	magazine_learn_to_fill(&m);
	EXPECT_EQ(magazine_capacity(&m), 3); /* 7 are more than 2 KiB, and it gave nothing */
	magazine_learn_to_give(&m, false);
	EXPECT_EQ(magazine_capacity(&m), 3);
	EXPECT(m.gave);
	magazine_learn_to_fill(&m);
	EXPECT_EQ(magazine_capacity(&m), 7);
	EXPECT(!m.gave);
	magazine_learn_to_fill(&m);
	EXPECT_EQ(magazine_capacity(&m), 7); /* it gave nothing since */
}

/* Of eight fills within a sweep the last one is a reason, up to 32 KiB. */
TEST(it_doubles_when_it_is_filled_often)
{
	struct magazine m = fresh(512);

	magazine_learn_to_fill(&m);
	for (m.fills = 0; m.fills < 7; m.fills++)
		magazine_learn_to_fill(&m);
	EXPECT_EQ(magazine_capacity(&m), 3); /* 7 are more than 2 KiB */
	magazine_learn_to_fill(&m);
	EXPECT_EQ(magazine_capacity(&m), 7);
	m.fills = 8;
	magazine_learn_to_fill(&m);
	EXPECT_EQ(magazine_capacity(&m), 7);
	m.fills = 15;
	for (int i = 0; i < 9; i++)
		magazine_learn_to_fill(&m);
	EXPECT_EQ(magazine_capacity(&m), 64);
}

TEST(it_grows_to_so_many_objects_and_bytes_and_no_further)
{
	const struct {
		size_t size;
		uint32_t most;
	} sizes[] = {{16, 2047}, {64, 2047},  {128, 1024},  {160, 819},
		     {256, 512}, {1024, 128}, {32 * KIB, 4}};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct magazine m = fresh(sizes[i].size);

		for (int n = 0; n < 20; n++) {
			magazine_learn_to_give(&m, false);
			magazine_learn_to_fill(&m);
		}
		EXPECT_EQ(magazine_capacity(&m), sizes[i].most);
		EXPECT(magazine_check(&m));
	}
}

/* Until it grows no more. */
static void give_to_others(struct magazine *m)
{
	for (uint32_t before = 0; before < magazine_capacity(m);) {
		before = magazine_capacity(m);
		magazine_learn_to_give(m, true);
		EXPECT(magazine_capacity(m) <= 2 * before + 1);
	}
}

TEST(it_doubles_for_others_up_to_32_kib_or_63_objects_and_half_if_it_is_not_filled)
{
	const struct {
		size_t size;
		uint32_t unused, most;
	} sizes[] = {{16, 1024, 2047}, {64, 256, 512}, {256, 64, 128}, {512, 32, 64},
		     {640, 32, 63},    {1024, 32, 63}, {4096, 32, 32}}; /* 128 KiB */

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct magazine m = fresh(sizes[i].size);

		give_to_others(&m);
		EXPECT_EQ(magazine_capacity(&m), sizes[i].unused);
		m.fills = 1; /* it was not filled before */
		give_to_others(&m);
		EXPECT_EQ(magazine_capacity(&m), sizes[i].most);
	}
}

/* An eighth of that for one that was not filled. */
TEST(all_of_a_cache_grow_to_four_mib_together)
{
	const struct {
		uint16_t fills;
		size_t most;
	} rows[] = {{1, 4 * MIB}, {0, 512 * KIB}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct magazine m = fresh(64);

		EXPECT_EQ(total, 7 * 64); /* with its first capacity */
		m.fills = rows[i].fills;
		total = rows[i].most - 8 * 64 + 1;
		magazine_learn_to_give(&m, false);
		EXPECT_EQ(magazine_capacity(&m), 7);
		total--;
		magazine_learn_to_give(&m, false);
		EXPECT_EQ(magazine_capacity(&m), 15);
		EXPECT_EQ(total, rows[i].most);
		magazine_shrink(&m);
		EXPECT_EQ(total, rows[i].most - 8 * 64);
	}
}

TEST(one_that_is_made_when_others_hold_much_holds_nothing_until_it_is_filled)
{
	struct magazine m = {0}, n = {0};

	total = MAGAZINES_BYTES / 8 - 4096;
	REQUIRE(magazine_make(&m, class_of(4096), &total));
	EXPECT_EQ(magazine_capacity(&m), 1);
	EXPECT_EQ(total, MAGAZINES_BYTES / 8);
	REQUIRE(magazine_make(&n, class_of(16), &total));
	EXPECT_EQ(magazine_capacity(&n), 0);
	magazine_learn_to_give(&n, false);
	EXPECT_EQ(magazine_capacity(&n), 0);
	magazine_learn_to_fill(&n);
	EXPECT_EQ(magazine_capacity(&n), 1);
	EXPECT_EQ(total, MAGAZINES_BYTES / 8 + 16);
	total = MAGAZINES_BYTES - 16;
	magazine_learn_to_fill(&n);
	EXPECT_EQ(magazine_capacity(&n), 1); /* 3 would be too much */
}

TEST(all_of_a_cache_grow_to_less_with_many_threads)
{
	struct magazine m = fresh(64);

	magazine_set_threads(16 * os_cpus());
	m.fills = 1;
	total = MAGAZINES_BYTES / 8;
	magazine_learn_to_give(&m, false);
	EXPECT_EQ(magazine_capacity(&m), 7);
	EXPECT(magazine_is_short(total));
	magazine_set_threads(1);
	EXPECT(!magazine_is_short(total));
	magazine_learn_to_give(&m, false);
	EXPECT_EQ(magazine_capacity(&m), 15);
}

/* Of the threads beyond two a processor most sleep. */
TEST(with_many_threads_it_grows_to_less)
{
	const struct {
		size_t threads;
		uint32_t most;
	} rows[] = {{1, 2047}, {2 * os_cpus(), 2047}, {8 * os_cpus(), 512}, {256 * os_cpus(), 16}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct magazine m = fresh(64);

		magazine_set_threads(rows[i].threads);
		for (int n = 0; n < 20; n++) {
			magazine_learn_to_give(&m, false);
			magazine_learn_to_fill(&m);
		}
		EXPECT_EQ(magazine_capacity(&m), rows[i].most);
	}
	magazine_set_threads(1);
}

/* Else each second call of one that is used would take the slow path. */
TEST(with_many_threads_one_of_a_large_class_grows_to_four_objects_if_it_is_filled)
{
	struct magazine m = fresh(16384);

	magazine_set_threads(8 * os_cpus());
	for (int n = 0; n < 20; n++)
		magazine_learn_to_give(&m, true);
	EXPECT_EQ(magazine_capacity(&m), 2);
	for (int n = 0; n < 20; n++) {
		magazine_learn_to_give(&m, false);
		magazine_learn_to_fill(&m);
	}
	EXPECT_EQ(magazine_capacity(&m), 4);
	magazine_set_threads(1);
}

/* One object of a large class in each of very many sleeping threads is too much. */
TEST(with_very_many_threads_one_of_a_large_class_holds_nothing)
{
	struct magazine m, before = fresh(8192);

	magazine_set_threads(64 * os_cpus());
	m = fresh(8192);
	EXPECT_EQ(magazine_capacity(&m), 0);
	EXPECT(!magazine_take(&m));
	magazine_learn_to_give(&m, true);
	magazine_learn_to_fill(&m);
	EXPECT_EQ(magazine_capacity(&m), 0);
	EXPECT_EQ(magazine_capacity(&before), 1);
	magazine_shrink(&before);
	EXPECT_EQ(magazine_capacity(&before), 0);
	magazine_set_threads(1);
	magazine_learn_to_give(&m, false);
	magazine_learn_to_fill(&m);
	EXPECT_EQ(magazine_capacity(&m), 1);
}

TEST(growing_keeps_what_is_in_it)
{
	struct magazine m = filled(64, 7);
	struct object *newest = *m.last, *oldest = m.none[1];

	magazine_learn_to_give(&m, true);
	EXPECT_EQ(magazine_capacity(&m), 15);
	EXPECT_EQ(magazine_count(&m), 7);
	EXPECT(magazine_check(&m));
	EXPECT(*m.last == newest && m.none[1] == oldest);
}

/* Where an array is refused. */
TEST(without_memory_it_stays_as_it_is)
{
	struct magazine m = filled(64, 5), none = {0};

	os_sim_fail_from(1);
	for (int i = 0; i < 10000; i++) {
		struct magazine another = {0};

		if (!magazine_make(&another, class_of(64), &total))
			break;
		while (magazine_capacity(&another) < MAGAZINE_MOST) {
			uint32_t before = magazine_capacity(&another);

			magazine_learn_to_give(&another, false);
			magazine_learn_to_fill(&another);
			if (magazine_capacity(&another) == before)
				break;
		}
	}
	magazine_learn_to_give(&m, true);
	EXPECT_EQ(magazine_count(&m), 5);
	EXPECT(magazine_check(&m));
	while (magazine_make(&none, class_of(64), &total))
		none = (struct magazine){0};
	EXPECT(!magazine_is_ready(&none));
	os_sim_fail_from(0);
}

TEST(it_halves_down_to_the_first_capacity)
{
	struct magazine m = fresh(16);

	while (magazine_capacity(&m) < 63)
		magazine_learn_to_give(&m, true);
	magazine_shrink(&m);
	EXPECT_EQ(magazine_capacity(&m), 31);
	magazine_shrink(&m);
	magazine_shrink(&m);
	EXPECT_EQ(magazine_capacity(&m), 7);
	magazine_shrink(&m);
	EXPECT_EQ(magazine_capacity(&m), 7);
}

TEST(it_does_not_halve_below_what_it_holds)
{
	struct magazine m = filled(64, 7);
	struct object *one_more = slab_object((struct slab *)pagemap_get(*m.last), 20);

	magazine_learn_to_give(&m, true);
	magazine_shrink(&m);
	EXPECT_EQ(magazine_capacity(&m), 7); /* exactly what it holds */
	magazine_learn_to_give(&m, true);
	EXPECT(magazine_push(&m, one_more, slab_mark(one_more)));
	magazine_shrink(&m);
	EXPECT_EQ(magazine_capacity(&m), 15);
	EXPECT_EQ(magazine_count(&m), 8);
}

TEST(half_of_a_full_one_is_surplus_or_all_if_it_was_not_filled_or_packs)
{
	struct magazine m = filled(64, 7);

	EXPECT_EQ(magazine_surplus(&m), 7);
	m.fills = 1;
	EXPECT_EQ(magazine_surplus(&m), 4);
	magazine_set_packing(&m, true);
	EXPECT_EQ(magazine_surplus(&m), 7);
}

TEST(the_oldest_are_dropped)
{
	struct magazine m = filled(64, 7);
	struct object *third = m.none[3], *newest = *m.last;

	magazine_drop(&m, 2);
	EXPECT_EQ(magazine_count(&m), 5);
	EXPECT(m.none[1] == third && *m.last == newest && m.none[0] == &no_object);
	magazine_drop(&m, 5);
	EXPECT_EQ(magazine_count(&m), 0);
	EXPECT(!magazine_take(&m));
}

TEST(check_sees_what_is_wrong)
{
	struct magazine m = filled(64, 3);
	struct object *o = m.none[2], *twice;

	EXPECT(magazine_check(&m));
	m.none[0] = o;
	EXPECT(!magazine_check(&m)); /* M1: no_object lies below the first */
	m.none[0] = &no_object;
	m.sc++;
	EXPECT(!magazine_check(&m)); /* M1: of its class */
	m.sc--;
	m.none[2] = (struct object *)((char *)o + 16);
	EXPECT(!magazine_check(&m)); /* M1: an object's start */
	m.none[2] = (struct object *)&m;
	EXPECT(!magazine_check(&m)); /* M1: of a slab */
	m.none[2] = o;
	o->key ^= 1;
	EXPECT(!magazine_check(&m)); /* M1: the mark */
	o->key ^= 1;
	EXPECT_EQ(slab_give((struct slab *)pagemap_get(o), &o, 1, &twice), 1);
	EXPECT(!magazine_check(&m)); /* M1: out to its slab */
	m = filled(64, 7);
	m.end--;
	EXPECT(!magazine_check(&m)); /* M1: no more than its capacity */
	m.end += 2;
	EXPECT(!magazine_check(&m)); /* M1: nor what leaves */
	m = filled(64, 3);
	o = magazine_take(&m);
	EXPECT(magazine_push_leaving(&m, o, slab_mark(o)));
	EXPECT(magazine_check(&m));
	o->key ^= 1;
	EXPECT(!magazine_check(&m)); /* M1: the mark of what leaves */
	o->key ^= 1;
	EXPECT(magazine_check(&m));
}
