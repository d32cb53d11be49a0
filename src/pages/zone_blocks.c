/* Blocks taken, given back, purged, under one lock; see zone.h. */
#include "pages/zone.h"

#include "os/check.h"
#include "os/os.h"
#include "pages/nodes.h"
#include "pages/retain.h"
#include "pages/zone_map.h"
#include "pages/zone_purge.h"
#include "pages/zone_regions.h"

/* Of what is over the rule, a block that is given back has so many times its size purged. */
#define PURGE_TIMES 4

/* The region of a block; zone lock. */
static struct region *region_of(const void *mem)
{
	struct region *r = *pagemap_region(mem);

	CHECK(r && bit_test(r->owned, region_page_of(r, mem)));
	return r;
}

/* A signal handler that interrupted the thread with the lock cannot look. */
bool zone_is_free(const void *mem)
{
	struct region *r;
	bool is_free;

	if (!pagemap_has_region(mem) || lock_held(&zone_lock))
		return false;
	lock_acquire(&zone_lock);
	r = *pagemap_region(mem);
	is_free = r && region_page_free(r, region_page_of(r, mem));
	lock_release(&zone_lock);
	return is_free;
}

UNSYNCHRONIZED bool zone_is_ready(unsigned order)
{
	const struct zone_node *n = zone_node(nodes_here());

	ASSERT(order < ORDERS);
	return n && (load_relaxed(&n->orders[DIRTY]) | load_relaxed(&n->orders[CLEAN])) >> order;
}

bool zone_is_scarce(void)
{
	return os_memory_limit() != SIZE_MAX || load_relaxed(&zone.locked) ||
	       load_relaxed(&zone.refused);
}

void zone_start(void)
{
	lock_acquire(&zone_lock);
	if (!zone.sizes.mapped)
		zone_grow(nodes_here(), 0);
	lock_release(&zone_lock);
	ASSERT_SLOW(zone_check_step());
}

void zone_scatter(uint64_t secret)
{
	ASSERT(secret);
	zone.scatter = secret;
}

/* Which halves are taken; zone lock. */
static uint64_t some_halves(void)
{
	ASSERT(lock_held(&zone_lock));
	return zone.scatter ? mix64(zone.scatter++) : 0;
}

/* A block of a node from the dirty ones, else from the clean ones; NULL when there is none. */
static void *take_block(const struct zone_node *n, unsigned order)
{
	ASSERT(lock_held(&zone_lock));
	ASSERT(order < ORDERS);
	for (enum state s = DIRTY; n && s < STATES; s++) {
		uint16_t fit = (uint16_t)(n->orders[s] >> order << order);
		struct region *r;
		struct zone_change change;
		unsigned page, from;

		if (!fit)
			continue;
		from = lowest_bit(fit);
		r = zone_lowest(n, s, from);
		change = zone_change_begin(r);
		page = region_take(r, s, order, some_halves());
		zone_change_end(&change);
		zone.sizes.splits += from - order;
		ASSERT(is_aligned(page, (size_t)1 << order) && !region_page_free(r, page));
		zone.sizes.takes++;
		return region_page_at(r, page);
	}
	return NULL;
}

/* The same of any node, where one cannot have more of its own. */
static COLD void *take_elsewhere(unsigned order)
{
	void *block = NULL;

	for (unsigned node = 0; !block && node < NODES_MOST; node++)
		block = take_block(zone_node(node), order);
	return block;
}

/* Free pages beside each other that need be no block; NULL: a block is to be cut. */
static void *take_stretch(const struct zone_node *n, unsigned npages, unsigned align)
{
	struct pages pages = {.count = npages};
	bool may = align == 1 || (npages <= align && align <= REGION_ALIGN_MOST);
	struct region *r = n && may ? zone_find(n, align, &pages) : NULL;
	struct zone_change change;

	ASSERT(lock_held(&zone_lock) && npages && npages <= REGION_PAGES);
	if (!r)
		return NULL;
	change = zone_change_begin(r);
	region_take_exactly(r, pages);
	zone_change_end(&change);
	zone.sizes.takes++;
	return region_page_at(r, pages.first);
}

static void give_locked(struct region *r, struct pages pages)
{
	struct zone_change change = zone_change_begin(r);

	ASSERT(pages.count && pages.first + pages.count <= REGION_PAGES);
	ASSERT(!region_page_free(r, pages.first)); /* freed twice */
	ASSERT(!region_page_free(r, pages.first + pages.count - 1));
	zone.sizes.merges += region_give(r, pages);
	zone_change_end(&change);
}

/* The first npages of a block of that order; what follows them is free. */
static void *alloc_block(unsigned node, size_t npages, unsigned order)
{
	char *block = take_block(zone_node(node), order);

	if (!block && zone_grow(node, order))
		block = take_block(zone_node(node), order);
	if (!block && load_relaxed(&nodes_many))
		block = take_elsewhere(order);
	if (block && npages < (size_t)1 << order) {
		struct region *r = region_of(block);
		unsigned end = region_page_of(r, block) + (unsigned)npages;

		give_locked(r, (struct pages){end, (1u << order) - (unsigned)npages});
	}
	return block;
}

/* Pages were taken: whether all read as zero. */
static bool note_taken(const void *mem, size_t npages)
{
	struct region *r = region_of(mem);
	unsigned dirty = region_dirty(r, (struct pages){region_page_of(r, mem), (unsigned)npages});

	ASSERT(!pagemap_get(mem) && !pagemap_hot(mem)); /* Z5, P2 */
	if (dirty < npages)
		retain_faults((npages - dirty) << PAGE_SHIFT);
	return !dirty;
}

/* The order of a block for what is going to grow: `most` if there is such a block, or half of all
   is in use, so that more may be mapped; else the largest that there is. */
static unsigned room_locked(const struct zone_node *n, unsigned least, unsigned most)
{
	uint16_t orders = n ? n->orders[DIRTY] | n->orders[CLEAN] : 0;
	size_t free = zone.sizes.free_dirty + zone.sizes.free_clean;
	unsigned order = orders ? highest_bit(orders) : 0;

	ASSERT(lock_held(&zone_lock) && free <= zone.sizes.mapped && most < ORDERS);
	if (order < most && 2 * free < zone.sizes.mapped && os_memory_limit() == SIZE_MAX)
		order = most;
	return (unsigned)larger(least, smaller(order, most));
}

/* npages of a stretch if no room is asked for and there is one that may be taken, else of a block
   of at least 2^align_order pages, and up to 2^room_order if one can be had. */
static void *alloc(size_t npages, unsigned align_order, unsigned room_order, bool *ret_clean)
{
	unsigned order = (unsigned)larger(log2_ceil(npages), align_order), roomy,
		 node = nodes_here();
	size_t claim = retain_claim(npages << PAGE_SHIFT);
	void *mem = NULL;

	ASSERT(npages && npages <= (size_t)1 << order);
	ASSERT(order < ORDERS && !lock_held(&zone_lock));
	if (claim == RETAIN_REFUSED)
		return NULL;
	lock_acquire(&zone_lock);
	roomy = room_locked(zone_node(node), order, room_order);
	if (roomy > order)
		mem = alloc_block(node, npages, roomy);
	else if (!room_order && npages > 1 && !zone.scatter)
		mem = take_stretch(zone_node(node), (unsigned)npages, 1u << align_order);
	if (!mem)
		mem = alloc_block(node, npages, order);
	if (mem)
		*ret_clean = note_taken(mem, npages);
	lock_release(&zone_lock);
	ASSERT_SLOW(zone_check_step());
	if (mem)
		retain_add_live((intptr_t)(npages << PAGE_SHIFT));
	retain_unclaim(claim);
	return mem;
}

void *zone_alloc(unsigned order, bool *ret_clean)
{
	return alloc((size_t)1 << order, order, 0, ret_clean);
}

void *zone_alloc_pages(size_t npages, unsigned align_order, bool *ret_clean)
{
	return alloc(npages, align_order, 0, ret_clean);
}

void *zone_alloc_with_room(size_t npages, unsigned room_order, bool *ret_clean)
{
	return alloc(npages, 0, room_order, ret_clean);
}

/* Frees pages of which so many first ones may have been written.  That they are free is noted
   before they are no longer counted as live, see retain_with(). */
static void give_back(void *mem, size_t npages, size_t touched)
{
	struct region *r;
	unsigned page;

	ASSERT(is_aligned((uintptr_t)mem, PAGE_SIZE) && npages && touched <= npages);
	ASSERT(!pagemap_get(mem) && !pagemap_get((char *)mem + (npages - 1) * PAGE_SIZE)); /* Z5 */
	lock_acquire(&zone_lock);
	r = region_of(mem);
	page = region_page_of(r, mem);
	region_touch(r, (struct pages){page, (unsigned)touched});
	give_locked(r, (struct pages){page, (unsigned)npages});
	retain_add_live(-(intptr_t)(npages << PAGE_SHIFT));
	zone_purge_locked(smaller(retain_excess(), PURGE_TIMES * (npages << PAGE_SHIFT)));
	lock_release(&zone_lock);
	ASSERT_SLOW(zone_check_step());
}

void zone_free(void *block, unsigned order, size_t touched)
{
	ASSERT(order < ORDERS && is_aligned((uintptr_t)block, ORDER_BYTES(order)));
	give_back(block, (size_t)1 << order, (touched + PAGE_SIZE - 1) >> PAGE_SHIFT);
}

void zone_free_pages(void *mem, size_t npages)
{
	give_back(mem, npages, npages);
}

bool zone_extend_pages(void *mem, size_t npages, size_t new_npages)
{
	struct pages more = {0, (unsigned)(new_npages - npages)};
	size_t claim = retain_claim((size_t)more.count << PAGE_SHIFT);
	struct zone_change change;
	struct region *r;
	bool taken;

	ASSERT(npages && npages < new_npages);
	if (claim == RETAIN_REFUSED)
		return false;
	lock_acquire(&zone_lock);
	r = region_of(mem);
	more.first = region_page_of(r, mem) + (unsigned)npages;
	change = zone_change_begin(r);
	taken = region_take_exactly(r, more);
	zone_change_end(&change);
	if (taken)
		retain_faults((size_t)(more.count - region_dirty(r, more)) << PAGE_SHIFT);
	lock_release(&zone_lock);
	ASSERT_SLOW(zone_check_step());
	if (taken)
		retain_add_live((intptr_t)((size_t)more.count << PAGE_SHIFT));
	retain_unclaim(claim);
	return taken;
}

void zone_sizes(struct zone_sizes *ret_sizes)
{
	lock_acquire(&zone_lock);
	*ret_sizes = zone.sizes;
	lock_release(&zone_lock);
}

static void visit_region(struct region *r,
			 void (*visit)(struct descriptor *, char *, size_t, void *), void *arg)
{
	for (unsigned page = 0, end; page < REGION_PAGES; page = end) {
		char *mem = region_page_at(r, page);
		struct descriptor *tag = pagemap_get(mem);

		for (end = page + 1; end < REGION_PAGES; end++)
			if (pagemap_get(region_page_at(r, end)) != tag)
				break;
		if (tag)
			visit(tag, mem, (size_t)(end - page) << PAGE_SHIFT, arg);
	}
}

void zone_visit(void (*visit)(struct descriptor *tag, char *mem, size_t nbytes, void *arg),
		void *arg)
{
	lock_acquire(&zone_lock);
	for (size_t slot = 0; slot < zone.slots; slot++)
		if (zone_region(slot))
			visit_region(zone_region(slot), visit, arg);
	lock_release(&zone_lock);
}
