/* The buddy of one region: split, merge, exact takes, stretches, dirty pages; B1 to B8 after every
   step. */
#include "base/bits.h"
#include "pages/region.h"
#include "test.h"

#include <string.h>

static struct region region;

static struct region *fresh(void)
{
	memset(&region, 0, sizeof region);
	region.base = (char *)(uintptr_t)(5 * REGION_SIZE);
	region_own(&region, (struct pages){0, REGION_PAGES});
	return &region;
}

static unsigned free_blocks(const struct region *r, enum state state)
{
	return (unsigned)__builtin_popcount(r->orders[state]);
}

TEST(a_fresh_region_is_one_clean_block)
{
	struct region *r = fresh();

	EXPECT_EQ(r->orders[CLEAN], 1u << ORDER_MAX);
	EXPECT_EQ(r->orders[DIRTY], 0);
	EXPECT_EQ(r->free_pages, REGION_PAGES);
	EXPECT(region_check(r));
}

TEST(a_split_takes_the_lower_half)
{
	struct region *r = fresh();

	EXPECT_EQ(region_take(r, CLEAN, 0, 0), 0);
	EXPECT_EQ(free_blocks(r, CLEAN), ORDER_MAX);
	EXPECT_EQ(region_take(r, CLEAN, 0, 0), 1);
	EXPECT_EQ(region_take(r, CLEAN, 1, 0), 2);
	EXPECT(region_check(r));
}

TEST(buddies_merge_up_to_the_whole_region)
{
	struct region *r = fresh();
	unsigned page = region_take(r, CLEAN, 3, 0);

	EXPECT_EQ(region_give(r, (struct pages){page, 8}), ORDER_MAX - 3);
	EXPECT_EQ(r->orders[CLEAN], 1u << ORDER_MAX);
	EXPECT(region_check(r));
}

TEST(a_touched_block_comes_back_dirty_and_is_cleaned)
{
	struct region *r = fresh();
	unsigned page = region_take(r, CLEAN, 4, 0);

	region_touch(r, (struct pages){page, 3});
	region_give(r, (struct pages){page, 16});
	EXPECT_EQ(r->dirty_pages, 3);
	EXPECT_EQ(r->orders[DIRTY], 1u << ORDER_MAX);
	EXPECT(region_check(r));
	region_clean(r, 0, ORDER_MAX, (struct pages){0, REGION_PAGES});
	EXPECT_EQ(r->dirty_pages, 0);
	EXPECT_EQ(r->orders[CLEAN], 1u << ORDER_MAX);
	EXPECT(region_check(r));
}

TEST(pages_are_taken_exactly_or_not_at_all)
{
	struct region *r = fresh();

	EXPECT_EQ(region_take(r, CLEAN, 2, 0), 0);
	EXPECT(region_take_exactly(r, (struct pages){4, 9}));
	EXPECT(region_check(r));
	EXPECT_EQ(r->free_pages, REGION_PAGES - 13);
	EXPECT(!region_take_exactly(r, (struct pages){12, 2}));
	EXPECT(!region_take_exactly(r, (struct pages){REGION_PAGES - 1, 2}));
	EXPECT_EQ(r->free_pages, REGION_PAGES - 13);
	EXPECT(region_page_free(r, 13));
	EXPECT(!region_page_free(r, 12));
	region_give(r, (struct pages){0, 13});
	EXPECT_EQ(r->orders[CLEAN], 1u << ORDER_MAX);
	EXPECT(region_check(r));
}

TEST(only_owned_pages_are_free)
{
	struct region *r = &region;

	memset(r, 0, sizeof *r);
	region_own(r, (struct pages){16, 16});
	region_own(r, (struct pages){64, 32});
	EXPECT(region_check(r));
	EXPECT_EQ(r->free_pages, 48);
	EXPECT_EQ(region_take(r, CLEAN, 5, 0), 64);
	EXPECT(region_check(r));
}

TEST(check_finds_what_is_wrong)
{
	struct region *r = fresh();

	region_take(r, CLEAN, 0, 0);
	r->free_pages++;
	EXPECT(!region_check(r));
	fresh();
	bit_set(r->free[CLEAN], 5);
	EXPECT(!region_check(r));
	fresh();
	bit_set(r->dirty, 7);
	EXPECT(!region_check(r));
	fresh();
	region_take(r, CLEAN, 0, 0);
	bit_set(r->free[CLEAN], 0); /* B1: page 0 and its buddy */
	EXPECT(!region_check(r));
	fresh();
	bit_clear(r->owned, 7); /* B6 */
	EXPECT(!region_check(r));
	fresh();
	bit_clear(r->vacant, 7); /* B7 */
	EXPECT(!region_check(r));
	fresh();
	r->longest[CLEAN] = 7; /* B8 */
	EXPECT(!region_check(r));
}

/* All pages are out but those. */
static struct region *free_only(struct pages pages)
{
	struct region *r = fresh();

	region_take(r, CLEAN, ORDER_MAX, 0);
	region_give(r, pages);
	return r;
}

TEST(a_stretch_need_be_no_block)
{
	struct region *r = free_only((struct pages){6, 4});

	EXPECT_EQ(r->orders[CLEAN], 1u << 1);
	EXPECT_EQ(region_find(r, 4, 1, CLEAN), 6);
	EXPECT_EQ(region_find(r, 5, 1, CLEAN), REGION_PAGES);
	EXPECT(region_check(r));
	EXPECT_EQ(region_find(r, 1, 1, DIRTY), REGION_PAGES);
	EXPECT(region_take_exactly(r, (struct pages){9, 1})); /* and what was looked for is known */
	EXPECT_EQ(r->longest[CLEAN], 4);
	region_give(r, (struct pages){9, 1});
	region_give(r, (struct pages){10, 1}); /* what was looked for in vain is there now */
	EXPECT_EQ(region_find(r, 5, 1, CLEAN), 6);
	r = free_only((struct pages){60, 200}); /* over the ends of words */
	EXPECT_EQ(region_find(r, 200, 1, CLEAN), 60);
	EXPECT_EQ(region_find(r, 201, 1, CLEAN), REGION_PAGES);
	r = free_only((struct pages){REGION_PAGES - 9, 9});
	EXPECT_EQ(region_find(r, 9, 1, CLEAN), REGION_PAGES - 9);
}

TEST(a_dirty_stretch_has_no_clean_page)
{
	struct region *r = free_only((struct pages){0, 1});

	region_touch(r, (struct pages){10, 5});
	region_touch(r, (struct pages){16, 7});
	region_give(r, (struct pages){8, 20});
	EXPECT_EQ(region_find(r, 7, 1, DIRTY), 16);
	EXPECT_EQ(region_find(r, 5, 1, DIRTY), 10);
	EXPECT_EQ(region_find(r, 8, 1, DIRTY), REGION_PAGES);
	EXPECT_EQ(region_find(r, 8, 1, CLEAN), 8);
	EXPECT(region_check(r));
}

TEST(an_aligned_stretch_begins_at_a_multiple)
{
	struct region *r = free_only((struct pages){120, 80});

	EXPECT_EQ(region_find(r, 16, 64, CLEAN), 128);
	EXPECT_EQ(region_find(r, 64, 64, CLEAN), 128);
	EXPECT(region_take_exactly(r, (struct pages){140, 1}));
	EXPECT_EQ(region_find(r, 12, 64, CLEAN), 128);
	EXPECT_EQ(region_find(r, 16, 64, CLEAN), REGION_PAGES);
	EXPECT_EQ(region_find(r, 16, 16, CLEAN), 144);
	EXPECT_EQ(region_find(r, 12, 1, CLEAN), 120); /* not in vain: there are others */
	EXPECT_EQ(region_find(r, 20, 1, CLEAN), 120);
	EXPECT(region_check(r));
}

/* Blocks that are out, as a plain array of pages knows them. */
static bool out[REGION_PAGES];

static void take_some(struct region *r, uint64_t *state)
{
	unsigned order = (unsigned)(test_random(state) % 6);
	enum state from = (enum state)(test_random(state) % STATES);
	unsigned page;

	if (!(r->orders[from] >> order))
		return;
	page = region_take(r, from, order, 0);
	EXPECT_EQ(page % (1u << order), 0);
	for (unsigned i = 0; i < 1u << order; i++) {
		EXPECT(!out[page + i]);
		out[page + i] = true;
	}
	if (test_random(state) % 2)
		region_touch(r, (struct pages){page, 1u << order});
}

static void give_some(struct region *r, uint64_t *state)
{
	unsigned first = (unsigned)(test_random(state) % REGION_PAGES), count = 0;
	unsigned most = 1 + (unsigned)(test_random(state) % 20);

	while (first + count < REGION_PAGES && count < most && out[first + count])
		out[first + count++] = false;
	if (count)
		region_give(r, (struct pages){first, count});
}

/* What region_find() looks for, page by page. */
static unsigned find_slowly(const struct region *r, unsigned count, unsigned align,
			    enum state worst)
{
	unsigned row = 0;

	for (unsigned page = 0; page < REGION_PAGES; page++) {
		bool fits = !out[page] && (worst == CLEAN || bit_test(r->dirty, page));

		row = fits ? row + 1 : 0;
		if (row >= count && (page + 1 - count) % align == 0)
			return page + 1 - count;
	}
	return REGION_PAGES;
}

static void find_some(struct region *r, uint64_t *state)
{
	unsigned count = 1 + (unsigned)(test_random(state) % (test_random(state) % 2 ? 16 : 150));
	enum state worst = (enum state)(test_random(state) % STATES);

	EXPECT_EQ(region_find(r, count, 1, worst), find_slowly(r, count, 1, worst));
	for (unsigned align = 2; align <= REGION_ALIGN_MOST; align *= 2)
		if (count <= align)
			EXPECT_EQ(region_find(r, count, align, worst),
				  find_slowly(r, count, align, worst));
}

TEST(any_order_of_takes_and_gives_keeps_the_invariants)
{
	uint64_t state = test_seed();
	struct region *r = fresh();
	unsigned used = 0;

	memset(out, 0, sizeof out);
	for (int i = 0; i < 20000; i++) {
		if (test_random(&state) % 3)
			give_some(r, &state);
		else
			take_some(r, &state);
		find_some(r, &state);
		if (i % 64 == 0)
			REQUIRE(region_check(r));
	}
	for (unsigned page = 0; page < REGION_PAGES; page++)
		used += out[page];
	EXPECT_EQ(r->free_pages, REGION_PAGES - used);
}
