/* The buddy of one region; see region.h. */
#include "pages/region.h"

#include "os/check.h"

#include <string.h>

/* Where the bits of an order begin; they end where those of the next begin. */
static unsigned order_start(unsigned order)
{
	ASSERT(order <= ORDERS);
	return 2 * REGION_PAGES - (2 * REGION_PAGES >> order);
}

static size_t bit_of(unsigned page, unsigned order)
{
	ASSERT(page < REGION_PAGES && order < ORDERS);
	return order_start(order) + (page >> order);
}

static unsigned page_of(size_t bit, unsigned order)
{
	return (unsigned)(bit - order_start(order)) << order;
}

static unsigned count_bits(const uint64_t *words, struct pages p)
{
	unsigned n = 0, end = p.first + p.count;

	ASSERT(end >= p.first && end <= REGION_PAGES);
	for (unsigned w = p.first / 64; w * 64 < end; w++)
		n += bits_count(words[w] & bits_mask(w, p.first, end));
	return n;
}

static void set_bits(uint64_t *words, struct pages p, bool value)
{
	unsigned end = p.first + p.count;

	for (unsigned w = p.first / 64; w * 64 < end; w++) {
		uint64_t mask = bits_mask(w, p.first, end);

		words[w] = value ? words[w] | mask : words[w] & ~mask;
	}
}

unsigned region_dirty(const struct region *r, struct pages pages)
{
	return count_bits(r->dirty, pages);
}

void region_touch(struct region *r, struct pages pages)
{
	ASSERT(pages.first + pages.count <= REGION_PAGES);
	set_bits(r->dirty, pages, true);
	KEEP_ORDER();
}

/* The lowest free block of an order, as a bit of free[state]; where the bits end when there is
   none. */
static size_t lowest(const struct region *r, enum state state, unsigned order)
{
	return bits_first(r->free[state], order_start(order), order_start(order + 1));
}

static bool any_free(const struct region *r, enum state state, unsigned order)
{
	return lowest(r, state, order) < order_start(order + 1);
}

static void insert(struct region *r, enum state state, unsigned page, unsigned order)
{
	ASSERT(is_aligned(page, (size_t)1 << order) &&
	       !bit_test(r->free[state], bit_of(page, order)));
	bit_set(r->free[state], bit_of(page, order));
	r->orders[state] |= (uint16_t)(1u << order);
}

static void remove(struct region *r, enum state state, unsigned page, unsigned order)
{
	ASSERT(bit_test(r->free[state], bit_of(page, order)));
	bit_clear(r->free[state], bit_of(page, order));
	if (!any_free(r, state, order))
		r->orders[state] &= (uint16_t) ~(1u << order);
}

static bool is_free(const struct region *r, unsigned page, unsigned order, enum state *ret_state)
{
	for (enum state s = DIRTY; s < STATES; s++)
		if (bit_test(r->free[s], bit_of(page, order))) {
			*ret_state = s;
			return true;
		}
	return false;
}

/* Takes a free block out of the lists and of the sums. */
static void take(struct region *r, enum state state, unsigned page, unsigned order)
{
	struct pages pages = {page, 1u << order};

	ASSERT(pages.count <= r->free_pages && region_dirty(r, pages) <= r->dirty_pages);
	remove(r, state, page, order);
	r->free_pages -= pages.count;
	r->dirty_pages -= region_dirty(r, pages);
}

/* Frees a block, merged with its buddy as long as that is free too; how many merges. */
static unsigned give(struct region *r, unsigned page, unsigned order)
{
	struct pages pages = {page, 1u << order};
	unsigned merges = 0, dirty = region_dirty(r, pages);
	enum state all = dirty ? DIRTY : CLEAN, state;

	ASSERT(order < ORDERS && is_aligned(page, pages.count));
	r->free_pages += pages.count;
	r->dirty_pages += dirty;
	for (; order < ORDER_MAX && is_free(r, page ^ 1u << order, order, &state); order++) {
		remove(r, state, page ^ 1u << order, order);
		page &= ~(1u << order);
		all = state == DIRTY ? DIRTY : all; /* B3 */
		merges++;
	}
	insert(r, all, page, order);
	return merges;
}

unsigned region_highest(const struct region *r, enum state state, unsigned order)
{
	const uint64_t *free = r->free[state];

	ASSERT(r->orders[state] >> order & 1);
	return page_of(bits_last(free, order_start(order), order_start(order + 1)), order);
}

unsigned region_in_use(const struct region *r, struct pages pages)
{
	return count_bits(r->owned, pages) - count_bits(r->vacant, pages);
}

bool region_largest_dirty(const struct region *r, struct pages within, unsigned least,
			  unsigned *ret_page, unsigned *ret_order)
{
	for (unsigned order = log2_floor(within.count); order-- > least;) {
		size_t end = bit_of(within.first + within.count - 1, order) + 1;
		size_t bit = bits_last(r->free[DIRTY], bit_of(within.first, order), end);

		if (bit == end)
			continue;
		*ret_page = page_of(bit, order);
		*ret_order = order;
		return true;
	}
	return false;
}

unsigned region_take(struct region *r, enum state state, unsigned order, uint64_t upper)
{
	unsigned from = lowest_bit((uint64_t)r->orders[state] >> order) + order;
	unsigned block = page_of(lowest(r, state, from), from), page = block;

	ASSERT(r->orders[state] >> order && bit_test(r->free[state], bit_of(block, from)));
	ASSERT(block < REGION_PAGES);
	for (unsigned half = from; half-- > order;) {
		unsigned given = page;

		if (upper >> half & 1)
			page += 1u << half;
		else
			given += 1u << half;
		give(r, given, half);
	}
	take(r, state, block, from);
	set_bits(r->vacant, (struct pages){page, 1u << order}, false);
	return page;
}

/* Makes blocks of pages, which are vacant; how many merges. */
static unsigned give_blocks(struct region *r, struct pages pages)
{
	unsigned merges = 0;

	while (pages.count) {
		unsigned order = log2_floor(pages.count);

		if (pages.first && lowest_bit(pages.first) < order)
			order = lowest_bit(pages.first);
		merges += give(r, pages.first, order);
		pages.first += 1u << order;
		pages.count -= 1u << order;
	}
	return merges;
}

unsigned region_give(struct region *r, struct pages pages)
{
	set_bits(r->vacant, pages, true);
	r->longest[DIRTY] = r->longest[CLEAN] = REGION_PAGES;
	return give_blocks(r, pages);
}

/* Bit i is set where bits i to i + count - 1 of the word are. */
static uint64_t rows_within(uint64_t word, unsigned count)
{
	for (unsigned have = 1, more; word && have < count; have += more) {
		more = (unsigned)smaller(have, count - have);
		word &= word >> more;
	}
	return word;
}

/* A word of the pages that fit. */
static uint64_t fitting(const struct region *r, unsigned w, enum state worst)
{
	return r->vacant[w] & (worst == DIRTY ? r->dirty[w] : ~(uint64_t)0);
}

static unsigned find(const struct region *r, unsigned count, enum state worst)
{
	unsigned row = 0; /* pages that fit, up to the word that is looked at */

	for (unsigned w = 0; w < REGION_PAGES / 64; w++) {
		uint64_t fit = fitting(r, w, worst), rows;
		unsigned low = ~fit ? lowest_bit(~fit) : 64;

		if (row + low >= count)
			return w * 64 - row;
		rows = count < 64 ? rows_within(fit, count) : 0;
		if (rows)
			return w * 64 + lowest_bit(rows);
		row = low == 64 ? row + 64 : 63 - highest_bit(~fit);
	}
	return REGION_PAGES;
}

/* The same where the first page is a multiple of `align`, which is at least count: all are in one
   word. */
static unsigned find_aligned(const struct region *r, unsigned count, unsigned align,
			     enum state worst)
{
	uint64_t multiples = ~(uint64_t)0 / bits_mask(0, 0, align);

	for (unsigned w = 0; w < REGION_PAGES / 64; w++) {
		uint64_t rows = rows_within(fitting(r, w, worst), count) & multiples;

		if (rows)
			return w * 64 + lowest_bit(rows);
	}
	return REGION_PAGES;
}

unsigned region_find(struct region *r, unsigned count, unsigned align, enum state worst)
{
	unsigned page;

	ASSERT(count && count <= REGION_PAGES && is_power_of_two(align));
	ASSERT(align == 1 || (count <= align && align <= REGION_ALIGN_MOST));
	if (count > r->longest[worst])
		return REGION_PAGES;
	if (align > 1)
		return find_aligned(r, count, align, worst);
	page = find(r, count, worst);
	if (page == REGION_PAGES)
		r->longest[worst] = count - 1;
	return page;
}

/* The free block that holds a page: its order and state. */
static unsigned block_around(const struct region *r, unsigned page, enum state *ret_state)
{
	unsigned order = 0;

	ASSERT(region_page_free(r, page));
	while (!is_free(r, page, order, ret_state))
		order++;
	return order;
}

bool region_take_exactly(struct region *r, struct pages pages)
{
	unsigned end = pages.first + pages.count;

	ASSERT(pages.count && end > pages.first);
	if (end > REGION_PAGES || count_bits(r->vacant, pages) < pages.count)
		return false;
	for (unsigned page = pages.first, past; page < end; page = past) {
		enum state state;
		unsigned order = block_around(r, page, &state);
		unsigned start = page & ~((1u << order) - 1);

		past = start + (1u << order);
		give_blocks(r, (struct pages){start, page - start});
		if (past > end)
			give_blocks(r, (struct pages){end, past - end});
		take(r, state, start, order);
	}
	set_bits(r->vacant, pages, false);
	return true;
}

void region_disown(struct region *r, enum state state, unsigned first, unsigned order)
{
	struct pages pages = {first, 1u << order};

	ASSERT(count_bits(r->owned, pages) == pages.count);
	take(r, state, first, order);
	set_bits(r->vacant, pages, false);
	KEEP_ORDER();
	set_bits(r->owned, pages, false);
	set_bits(r->dirty, pages, false);
	r->owned_pages -= pages.count;
	ASSERT(r->free_pages <= r->owned_pages); /* B6 */
}

void region_own(struct region *r, struct pages pages)
{
	ASSERT(count_bits(r->owned, pages) == 0);
	region_give(r, pages);
	KEEP_ORDER();
	set_bits(r->owned, pages, true);
	r->owned_pages += pages.count;
	ASSERT(r->owned_pages <= REGION_PAGES && r->free_pages <= r->owned_pages);
}

void region_clean(struct region *r, unsigned first, unsigned order, struct pages part)
{
	ASSERT(bit_test(r->free[DIRTY], bit_of(first, order)));
	ASSERT(part.first >= first && part.first + part.count <= first + (1u << order));
	r->dirty_pages -= region_dirty(r, part);
	set_bits(r->dirty, part, false);
	if (region_dirty(r, (struct pages){first, 1u << order})) /* B3 */
		return;
	remove(r, DIRTY, first, order);
	insert(r, CLEAN, first, order);
}

void region_rebuild(struct region *r)
{
	for (unsigned w = 0; w < REGION_PAGES / 64; w++)
		r->owned[w] |= r->vacant[w];
	r->owned_pages = count_bits(r->owned, (struct pages){0, REGION_PAGES});
	memset(r->free, 0, sizeof r->free);
	r->orders[DIRTY] = r->orders[CLEAN] = 0;
	r->free_pages = r->dirty_pages = 0;
	for (unsigned page = 0, end; page < REGION_PAGES; page = end + 1) {
		for (end = page; end < REGION_PAGES && bit_test(r->vacant, end); end++)
			continue;
		if (end > page)
			region_give(r, (struct pages){page, end - page});
	}
	ASSERT_SLOW(region_check(r));
}

static bool check_block(const struct region *r, enum state state, unsigned page, unsigned order,
			uint64_t *seen)
{
	struct pages pages = {page, 1u << order};
	enum state other;
	bool ok = true;

	if (order < ORDER_MAX)
		ok &= expect_eq("B1", is_free(r, page ^ (1u << order), order, &other), false);
	ok &= expect_eq("B2", count_bits(seen, pages), 0u);
	set_bits(seen, pages, true);
	ok &= expect_eq("B3", region_dirty(r, pages) ? DIRTY : CLEAN, state);
	return ok & expect_eq("B6", count_bits(r->owned, pages), pages.count);
}

bool region_check(const struct region *r)
{
	uint64_t seen[REGION_PAGES / 64] = {0};
	struct pages all = {0, REGION_PAGES};
	unsigned free_dirty = 0;
	bool ok = true;

	for (enum state s = DIRTY; s < STATES; s++)
		for (unsigned order = 0; order < ORDERS; order++) {
			ok &= expect_eq("B4", any_free(r, s, order), r->orders[s] >> order & 1);
			bits_for_each (bit, r->free[s], order_start(order), order_start(order + 1))
				ok &= check_block(r, s, page_of(bit, order), order, seen);
		}
	for (unsigned w = 0; w < REGION_PAGES / 64; w++) {
		free_dirty += bits_count(seen[w] & r->dirty[w]);
		ok &= expect_eq("B7", r->vacant[w], seen[w]);
	}
	for (enum state s = DIRTY; s < STATES; s++)
		if (r->longest[s] < REGION_PAGES)
			ok &= expect_eq("B8", find(r, r->longest[s] + 1, s), REGION_PAGES);
	ok &= expect_eq("B5", count_bits(seen, all), r->free_pages);
	return ok & expect_eq("B5", free_dirty, r->dirty_pages);
}
