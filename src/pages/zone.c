/* Blocks taken, given back, purged, under one lock; see zone.h. */
#include "pages/zone.h"

#include "os/check.h"
#include "os/os.h"
#include "pages/retain.h"
#include "pages/zone_map.h"
#include "pages/zone_regions.h"

struct lock zone_lock = LOCK_INIT(LOCK_ZONE);

/* The region of a block; zone lock. */
static struct region *region_of(const void *mem)
{
	struct region *r = *pagemap_region(mem);

	CHECK(r && bit_test(r->owned, page_index(r, mem)));
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
	is_free = r && region_page_free(r, page_index(r, mem));
	lock_release(&zone_lock);
	return is_free;
}

UNSYNCHRONIZED bool zone_is_ready(unsigned order)
{
	return (load_relaxed(&zone.orders[DIRTY]) | load_relaxed(&zone.orders[CLEAN])) >> order;
}

void zone_start(void)
{
	lock_acquire(&zone_lock);
	if (!zone.sizes.mapped)
		zone_map_first();
	lock_release(&zone_lock);
}

void zone_scatter(uint64_t secret)
{
	zone.scatter = secret;
}

/* Which halves are taken; zone lock. */
static uint64_t some_halves(void)
{
	return zone.scatter ? mix64(zone.scatter++) : 0;
}

/* A block from the dirty ones, else from the clean ones; NULL when there is none. */
static void *take_block(unsigned order, bool *ret_clean)
{
	for (enum state s = DIRTY; s < STATES; s++) {
		uint16_t fit = (uint16_t)(zone.orders[s] >> order << order);
		struct region *r;
		struct zone_change change;
		unsigned page, from;

		if (!fit)
			continue;
		from = lowest_bit(fit);
		r = zone_lowest(s, from);
		change = zone_change_begin(r);
		page = region_take(r, s, order, some_halves());
		zone_change_end(&change);
		zone.sizes.splits += from - order;
		*ret_clean = region_dirty(r, (struct pages){page, 1u << order}) == 0;
		zone.sizes.takes++;
		return page_address(r, page);
	}
	return NULL;
}

static void *alloc_locked(unsigned order, bool *ret_clean)
{
	void *block = take_block(order, ret_clean);

	if (!block && zone_grow(order))
		block = take_block(order, ret_clean);
	return block;
}

static void give_locked(struct region *r, struct pages pages)
{
	struct zone_change change = zone_change_begin(r);

	zone.sizes.merges += region_give(r, pages);
	zone_change_end(&change);
}

/* Purges one dirty block, the largest of the newest region; false when none is left or allowed. */
static bool purge_one(size_t *purged)
{
	unsigned least = log2_floor(os_page_size() >> PAGE_SHIFT), order;
	struct region *r;
	struct zone_change change;
	unsigned page;

	if (!(zone.orders[DIRTY] >> least))
		return false;
	order = highest_bit(zone.orders[DIRTY]);
	r = zone_highest(DIRTY, order);
	page = region_highest(r, DIRTY, order);
	if (!os_purge(page_address(r, page), ORDER_BYTES(order))) {
		zone.purge_pause = 256;
		return false;
	}
	change = zone_change_begin(r);
	region_clean(r, page, order);
	*purged += (size_t)(change.dirty_pages - r->dirty_pages) << PAGE_SHIFT;
	zone_change_end(&change);
	return true;
}

static size_t purge_locked(size_t nbytes)
{
	size_t purged = 0;

	if (nbytes && zone.purge_pause) {
		zone.purge_pause--;
		return 0;
	}
	while (purged < nbytes && purge_one(&purged))
		;
	zone.sizes.purged += purged;
	retain_purged(purged);
	return purged;
}

/* Pages that were in use become free: that is noted before they are no longer counted as live, see
   retain_add_live_with(). */
static void give_used_locked(struct region *r, struct pages pages)
{
	give_locked(r, pages);
	retain_add_live(-(intptr_t)((size_t)pages.count << PAGE_SHIFT));
	purge_locked(retain_excess());
}

void *zone_alloc(unsigned order, bool *ret_clean)
{
	void *block;

	lock_acquire(&zone_lock);
	block = alloc_locked(order, ret_clean);
	if (block && *ret_clean)
		retain_faults(ORDER_BYTES(order));
	lock_release(&zone_lock);
	if (block)
		retain_add_live((intptr_t)ORDER_BYTES(order));
	return block;
}

void zone_free(void *block, unsigned order, size_t touched)
{
	struct region *r;
	unsigned page;

	lock_acquire(&zone_lock);
	r = region_of(block);
	page = page_index(r, block);
	region_touch(r, (struct pages){page, (unsigned)((touched + PAGE_SIZE - 1) >> PAGE_SHIFT)});
	give_used_locked(r, (struct pages){page, 1u << order});
	lock_release(&zone_lock);
}

/* The first npages of a block of that order, which may be NULL: then NULL. */
static void *cut_locked(void *block, unsigned order, size_t npages, const bool *clean)
{
	struct region *r;
	unsigned end;

	if (!block)
		return NULL;
	r = region_of(block);
	end = page_index(r, block) + (unsigned)npages;
	give_locked(r, (struct pages){end, (1u << order) - (unsigned)npages});
	if (*clean)
		retain_faults(npages << PAGE_SHIFT);
	return block;
}

void *zone_alloc_pages(size_t npages, unsigned align_order, bool *ret_clean)
{
	unsigned order = log2_ceil(npages) > align_order ? log2_ceil(npages) : align_order;
	void *mem;

	lock_acquire(&zone_lock);
	mem = cut_locked(alloc_locked(order, ret_clean), order, npages, ret_clean);
	lock_release(&zone_lock);
	if (mem)
		retain_add_live((intptr_t)(npages << PAGE_SHIFT));
	return mem;
}

/* The order of a block for what is going to grow: `most` if there is such a block, or half of all is
   in use, so that more may be mapped; else the largest that there is. */
static unsigned room_locked(unsigned least, unsigned most)
{
	uint16_t orders = zone.orders[DIRTY] | zone.orders[CLEAN];
	size_t free = zone.sizes.free_dirty + zone.sizes.free_clean;
	unsigned order = orders ? highest_bit(orders) : 0;

	if (order < most && 2 * free < zone.sizes.mapped && os_memory_limit() == SIZE_MAX)
		order = most;
	order = order < most ? order : most;
	return order > least ? order : least;
}

void *zone_alloc_with_room(size_t npages, unsigned room_order, bool *ret_clean)
{
	unsigned least = log2_ceil(npages), order;
	void *block;

	lock_acquire(&zone_lock);
	order = room_locked(least, room_order);
	block = alloc_locked(order, ret_clean);
	if (!block && order > least)
		block = alloc_locked(order = least, ret_clean);
	cut_locked(block, order, npages, ret_clean);
	lock_release(&zone_lock);
	if (block)
		retain_add_live((intptr_t)(npages << PAGE_SHIFT));
	return block;
}

void zone_free_pages(void *mem, size_t npages)
{
	struct pages pages = {0, (unsigned)npages};
	struct region *r;

	lock_acquire(&zone_lock);
	r = region_of(mem);
	pages.first = page_index(r, mem);
	region_touch(r, pages);
	give_used_locked(r, pages);
	lock_release(&zone_lock);
}

bool zone_extend_pages(void *mem, size_t npages, size_t new_npages)
{
	struct pages more = {0, (unsigned)(new_npages - npages)};
	struct zone_change change;
	struct region *r;
	bool taken;

	lock_acquire(&zone_lock);
	r = region_of(mem);
	more.first = page_index(r, mem) + (unsigned)npages;
	change = zone_change_begin(r);
	taken = region_take_exactly(r, more);
	zone_change_end(&change);
	if (taken)
		retain_faults((size_t)(more.count - region_dirty(r, more)) << PAGE_SHIFT);
	lock_release(&zone_lock);
	if (taken)
		retain_add_live((intptr_t)((size_t)more.count << PAGE_SHIFT));
	return taken;
}

size_t zone_purge(size_t nbytes)
{
	size_t purged;

	lock_acquire(&zone_lock);
	purged = purge_locked(nbytes);
	lock_release(&zone_lock);
	return purged;
}

size_t zone_unmap_free(bool blocks)
{
	size_t unmapped;

	lock_acquire(&zone_lock);
	unmapped = zone_unmap(blocks);
	lock_release(&zone_lock);
	return unmapped;
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
		char *mem = page_address(r, page);
		struct descriptor *tag = pagemap_get(mem);

		for (end = page + 1; end < REGION_PAGES; end++)
			if (pagemap_get(page_address(r, end)) != tag)
				break;
		if (tag)
			visit(tag, mem, (size_t)(end - page) << PAGE_SHIFT, arg);
	}
}

void zone_visit(void (*visit)(struct descriptor *tag, char *mem, size_t nbytes, void *arg), void *arg)
{
	lock_acquire(&zone_lock);
	for (size_t slot = 0; slot < zone.slots; slot++)
		if (zone_region(slot))
			visit_region(zone_region(slot), visit, arg);
	lock_release(&zone_lock);
}
