/* Regions under one lock; see zone.h. */
#include "pages/zone.h"

#include "base/bitset.h"
#include "base/check.h"
#include "os/os.h"
#include "pages/metadata.h"
#include "pages/region.h"
#include "pages/retain.h"

/* What is mapped at once. */
#define STEP_LEAST (1 * MIB)
#define STEP_MOST  (64 * MIB)

/* The order of blocks that are unmapped, at least, and how many holes they may leave. */
#define UNMAPPED_LEAST 2
#define HOLES_MOST     ((size_t)16384)

/* The least where the system limits the process. */
#define STEP_LIMITED (64 * KIB)

/* Regions by number are in two levels, so that a small table is small: so many parts of so many. */
#define PARTS	       BITSET_MOST
#define SLOTS_PER_PART BITSET_MOST
#define SLOTS	       (PARTS * SLOTS_PER_PART)

struct part {
	struct region *regions[SLOTS_PER_PART]; /* Z1 */
	struct bitset with[STATES][ORDERS];     /* Z3 */
};

/* Of which most programs touch the first: it lies behind the zone. */
static struct part *parts[PARTS];

struct lock zone_lock = LOCK_INIT(LOCK_ZONE);

static struct zone {
	size_t slots;                      /* numbers in use are below this */
	uint16_t orders[STATES];           /* bit o: with[][o] is not empty; written atomically, for zone_is_ready() */
	struct bitset with[STATES][ORDERS]; /* Z3: parts with such a region */
	unsigned purge_pause;              /* frees until a purge that was refused is tried again */
	uint64_t scatter;                  /* what chance is drawn from; 0: blocks lie low */
	struct zone_sizes sizes;           /* Z4 */
} zone;

static struct pool regions = POOL_INIT(struct region);

static struct region *region_at(size_t slot)
{
	const struct part *part = parts[slot / SLOTS_PER_PART];

	return part ? part->regions[slot % SLOTS_PER_PART] : NULL;
}

static bool is_with(size_t slot, enum state state, unsigned order)
{
	return bitset_has(&zone.with[state][order], slot / SLOTS_PER_PART) &&
	       bitset_has(&parts[slot / SLOTS_PER_PART]->with[state][order], slot % SLOTS_PER_PART);
}

static void add_with(size_t slot, enum state state, unsigned order)
{
	bitset_add(&parts[slot / SLOTS_PER_PART]->with[state][order], slot % SLOTS_PER_PART);
	bitset_add(&zone.with[state][order], slot / SLOTS_PER_PART);
	store_relaxed(&zone.orders[state], (uint16_t)(zone.orders[state] | 1u << order));
}

static void remove_with(size_t slot, enum state state, unsigned order)
{
	struct bitset *set = &parts[slot / SLOTS_PER_PART]->with[state][order];

	bitset_remove(set, slot % SLOTS_PER_PART);
	if (bitset_lowest(set) != BITSET_MOST)
		return;
	bitset_remove(&zone.with[state][order], slot / SLOTS_PER_PART);
	if (bitset_lowest(&zone.with[state][order]) == BITSET_MOST)
		store_relaxed(&zone.orders[state], (uint16_t)(zone.orders[state] & ~(1u << order)));
}

/* Of the regions with a block of that state and order, of which there must be one, that of the lowest number. */
static struct region *lowest_with(enum state state, unsigned order)
{
	const struct part *part = parts[bitset_lowest(&zone.with[state][order])];

	return part->regions[bitset_lowest(&part->with[state][order])];
}

/* The same of the highest number. */
static struct region *highest_with(enum state state, unsigned order)
{
	const struct part *part = parts[bitset_highest(&zone.with[state][order])];

	return part->regions[bitset_highest(&part->with[state][order])];
}

static unsigned page_index(const struct region *r, const void *mem)
{
	return (unsigned)(((const char *)mem - r->base) >> PAGE_SHIFT);
}

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

static void *page_address(const struct region *r, unsigned page)
{
	return r->base + ((size_t)page << PAGE_SHIFT);
}

/* What changed since `before` in one state's orders, brought into the zone's sets. */
static void update_state(struct region *r, enum state state, uint16_t before)
{
	uint16_t changed = before ^ r->orders[state];

	for (; changed; changed &= (uint16_t)(changed - 1)) {
		unsigned order = lowest_bit(changed);

		if (r->orders[state] >> order & 1)
			add_with(r->slot, state, order);
		else
			remove_with(r->slot, state, order);
	}
}

/* What a region was before it is changed, so that the zone's sets and sums can follow. */
struct change {
	struct region *region;
	uint16_t orders[STATES];
	unsigned free_pages, dirty_pages;
};

static struct change change_begin(struct region *r)
{
	return (struct change){r, {r->orders[DIRTY], r->orders[CLEAN]}, r->free_pages, r->dirty_pages};
}

static void change_end(const struct change *before)
{
	struct region *r = before->region;
	size_t dirty = ((size_t)r->dirty_pages - before->dirty_pages) << PAGE_SHIFT;
	size_t all = ((size_t)r->free_pages - before->free_pages) << PAGE_SHIFT;

	for (enum state s = DIRTY; s < STATES; s++)
		update_state(r, s, before->orders[s]);
	retain_add_with(&zone.sizes.free_dirty, (intptr_t)dirty);
	zone.sizes.free_clean += all - dirty;
	ASSERT_SLOW(region_check(r));
}

static bool note_slot(struct region *r)
{
	struct part **part;
	size_t slot = 0;

	while (slot < zone.slots && region_at(slot))
		slot++;
	if (slot == SLOTS)
		return false;
	part = &parts[slot / SLOTS_PER_PART];
	if (!*part)
		*part = metadata_alloc(sizeof **part);
	if (!*part)
		return false;
	r->slot = (unsigned)slot;
	KEEP_ORDER();
	(*part)->regions[slot % SLOTS_PER_PART] = r;
	KEEP_ORDER();
	if (slot >= zone.slots)
		zone.slots = slot + 1;
	return true;
}

/* The region of the window that mem lies in, perhaps a new one; NULL without memory. */
static struct region *window(char *mem)
{
	struct region *r = *pagemap_region(mem);

	if (r)
		return r;
	r = pool_alloc(&regions);
	if (!r)
		return NULL;
	r->base = (char *)align_down((uintptr_t)mem, REGION_SIZE);
	if (!note_slot(r)) {
		pool_free(&regions, r);
		return NULL;
	}
	*pagemap_region(mem) = r;
	zone.sizes.regions++;
	return r;
}

static void own(struct region *r, char *mem, size_t nbytes)
{
	struct change change = change_begin(r);

	region_own(r, (struct pages){page_index(r, mem), (unsigned)(nbytes >> PAGE_SHIFT)});
	change_end(&change);
	KEEP_ORDER();
	zone.sizes.mapped += nbytes;
}

/* Maps nbytes aligned to a region, or to their size if they are less, and frees them here. */
static bool map(size_t nbytes)
{
	size_t alignment = nbytes < REGION_SIZE ? nbytes : REGION_SIZE;
	char *mem = os_map_aligned(nbytes, alignment, OS_PAGES);
	size_t done = 0;

	if (!mem)
		return false;
	if (pagemap_reserve(mem, nbytes))
		for (; done < nbytes; done += alignment) {
			struct region *r = window(mem + done);

			if (!r)
				break;
			own(r, mem + done, alignment);
		}
	if (done < nbytes)
		os_unmap(mem + done, nbytes - done);
	return done > 0;
}

/* Half of what is mapped, in bounds: so a small program stays small, and a large one asks seldom.
   Of a limited space no more than a small part is taken at once. */
static size_t step_for(size_t least)
{
	size_t step = STEP_LEAST;

	while (step < STEP_MOST && 4 * step <= zone.sizes.mapped)
		step *= 2;
	while (step > STEP_LIMITED && step > os_memory_limit() / 64)
		step /= 2;
	return step > least ? step : least;
}

static bool grow(unsigned order)
{
	size_t least = ORDER_BYTES(order) > os_page_size() ? ORDER_BYTES(order) : os_page_size();
	size_t step = step_for(least);

	while (!map(step)) {
		if (step == least)
			return false;
		step = step / 4 > least ? step / 4 : least;
	}
	return true;
}

UNSYNCHRONIZED bool zone_is_ready(unsigned order)
{
	return (load_relaxed(&zone.orders[DIRTY]) | load_relaxed(&zone.orders[CLEAN])) >> order;
}

void zone_start(void)
{
	lock_acquire(&zone_lock);
	if (!zone.sizes.mapped)
		map(step_for(os_page_size()));
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
		struct change change;
		unsigned page, from;

		if (!fit)
			continue;
		from = lowest_bit(fit);
		r = lowest_with(s, from);
		change = change_begin(r);
		page = region_take(r, s, order, some_halves());
		change_end(&change);
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

	if (!block && grow(order))
		block = take_block(order, ret_clean);
	return block;
}

static void give_locked(struct region *r, struct pages pages)
{
	struct change change = change_begin(r);

	zone.sizes.merges += region_give(r, pages);
	change_end(&change);
}

/* Purges one dirty block, the largest of the newest region; false when none is left or allowed. */
static bool purge_one(size_t *purged)
{
	unsigned least = log2_floor(os_page_size() >> PAGE_SHIFT), order;
	struct region *r;
	struct change change;
	unsigned page;

	if (!(zone.orders[DIRTY] >> least))
		return false;
	order = highest_bit(zone.orders[DIRTY]);
	r = highest_with(DIRTY, order);
	page = region_highest(r, DIRTY, order);
	if (!os_purge(page_address(r, page), ORDER_BYTES(order))) {
		zone.purge_pause = 256;
		return false;
	}
	change = change_begin(r);
	region_clean(r, page, order);
	*purged += (size_t)(change.dirty_pages - r->dirty_pages) << PAGE_SHIFT;
	change_end(&change);
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
	struct change change;
	struct region *r;
	bool taken;

	lock_acquire(&zone_lock);
	r = region_of(mem);
	more.first = page_index(r, mem) + (unsigned)npages;
	change = change_begin(r);
	taken = region_take_exactly(r, more);
	change_end(&change);
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

/* Forgets a region of which nothing is mapped any more. */
static void forget_region(struct region *r)
{
	zone.sizes.regions--;
	*pagemap_region(r->base) = NULL;
	KEEP_ORDER();
	parts[r->slot / SLOTS_PER_PART]->regions[r->slot % SLOTS_PER_PART] = NULL;
	KEEP_ORDER();
	pool_free(&regions, r);
}

/* Unmaps the free blocks of that state and order; false when the system refuses. */
static bool unmap_blocks(struct region *r, enum state state, unsigned order)
{
	while (r->orders[state] >> order & 1) {
		unsigned page = region_highest(r, state, order);
		struct change change = change_begin(r);

		zone.sizes.mapped -= ORDER_BYTES(order);
		KEEP_ORDER();
		region_disown(r, state, page, order);
		change_end(&change);
		if (!os_unmap(page_address(r, page), ORDER_BYTES(order))) {
			if (state == DIRTY)
				region_touch(r, (struct pages){page, 1u << order});
			own(r, page_address(r, page), ORDER_BYTES(order));
			return false;
		}
	}
	return true;
}

/* Unmaps free blocks of at least that order, or all if nothing of the region is in use; the bytes. */
static size_t unmap_free(struct region *r, unsigned least)
{
	size_t before = zone.sizes.mapped;
	bool done = true;

	if (r->free_pages == r->owned_pages)
		least = log2_floor(os_page_size() >> PAGE_SHIFT);
	for (unsigned order = ORDERS; done && order-- > least;)
		for (enum state s = DIRTY; done && s < STATES; s++)
			done = unmap_blocks(r, s, order);
	if (!r->owned_pages)
		forget_region(r);
	return before - zone.sizes.mapped;
}

/* A process may have 65,530 mappings: blocks are as large as leaves most of these to others. */
static unsigned least_unmapped(void)
{
	unsigned order = UNMAPPED_LEAST;

	while (order < ORDERS && (ORDER_BYTES(order) < os_page_size() ||
				  zone.sizes.mapped / ORDER_BYTES(order) > HOLES_MOST))
		order++;
	return order;
}

size_t zone_unmap_free(bool blocks)
{
	size_t unmapped = 0;
	unsigned least;

	lock_acquire(&zone_lock);
	least = blocks ? least_unmapped() : ORDERS;
	for (size_t slot = 0; slot < zone.slots; slot++)
		if (region_at(slot))
			unmapped += unmap_free(region_at(slot), least);
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
		if (region_at(slot))
			visit_region(region_at(slot), visit, arg);
	lock_release(&zone_lock);
}

/* Of a page in use; other threads may change its tag meanwhile. */
static UNSYNCHRONIZED bool check_tag(const char *mem)
{
	const struct descriptor *tag = pagemap_get(mem);
	unsigned kind = tag ? tag->kind : KIND_METADATA;
	uint16_t hot = pagemap_hot(mem);

	if (pagemap_get(mem) != tag)
		return true;
	return expect_eq("P1", kind > KIND_NONE && kind < KINDS, true) &
	       expect_eq("P2", tag && hot && kind != KIND_SLAB, false);
}

static bool check_pages(const struct region *r)
{
	bool ok = true;

	for (enum state s = DIRTY; s < STATES; s++)
		for (unsigned order = 0; order < ORDERS; order++)
			ok &= expect_eq("Z3", r->orders[s] >> order & 1,
					is_with(r->slot, s, order));
	for (unsigned page = 0; page < REGION_PAGES; page++) {
		const char *mem = page_address(r, page);

		if (region_page_free(r, page))
			ok &= expect_eq("Z5", (uintptr_t)pagemap_get(mem), 0) &
			      expect_eq("P2", pagemap_hot(mem), 0);
		else
			ok &= check_tag(mem);
	}
	return ok;
}

bool zone_check(void)
{
	size_t free_dirty = 0, free_all = 0, mapped = 0, count = 0;
	bool ok = true;

	lock_acquire(&zone_lock);
	for (size_t slot = 0; slot < zone.slots; slot++) {
		struct region *r = region_at(slot);

		if (!r)
			continue;
		ok &= expect_eq("Z1", r->slot, slot);
		ok &= expect_eq("Z2", (uintptr_t)*pagemap_region(r->base), (uintptr_t)r);
		ok &= region_check(r);
		ok &= check_pages(r);
		free_dirty += (size_t)r->dirty_pages << PAGE_SHIFT;
		free_all += (size_t)r->free_pages << PAGE_SHIFT;
		mapped += (size_t)r->owned_pages << PAGE_SHIFT;
		count++;
	}
	ok &= expect_eq("Z4", free_dirty, zone.sizes.free_dirty);
	ok &= expect_eq("Z4", free_all - free_dirty, zone.sizes.free_clean);
	ok &= expect_eq("Z4", mapped, zone.sizes.mapped);
	ok &= expect_eq("Z4", count, zone.sizes.regions);
	lock_release(&zone_lock);
	return ok;
}

/* --- fork ---------------------------------------------------------------------------------- */

static COLD void empty_sets(void)
{
	for (enum state s = DIRTY; s < STATES; s++) {
		store_relaxed(&zone.orders[s], 0);
		for (unsigned o = 0; o < ORDERS; o++) {
			zone.with[s][o] = (struct bitset){0};
			for (size_t i = 0; i < PARTS && parts[i]; i++)
				parts[i]->with[s][o] = (struct bitset){0};
		}
	}
}

static COLD void recover_region(struct region *r)
{
	*pagemap_region(r->base) = r;
	region_rebuild(r);
	for (enum state s = DIRTY; s < STATES; s++)
		update_state(r, s, 0);
	zone.sizes.regions++;
	zone.sizes.mapped += (size_t)r->owned_pages << PAGE_SHIFT;
	zone.sizes.free_dirty += (size_t)r->dirty_pages << PAGE_SHIFT;
	zone.sizes.free_clean += (size_t)(r->free_pages - r->dirty_pages) << PAGE_SHIFT;
}

static size_t used(void)
{
	return zone.sizes.mapped - zone.sizes.free_dirty - zone.sizes.free_clean;
}

void zone_recover(void)
{
	size_t used_before = used(), dirty_before = zone.sizes.free_dirty;

	empty_sets();
	zone.sizes.regions = zone.sizes.mapped = 0;
	zone.sizes.free_dirty = zone.sizes.free_clean = 0;
	while (zone.slots < SLOTS && region_at(zone.slots))
		zone.slots++;
	for (size_t slot = 0; slot < zone.slots; slot++)
		if (region_at(slot))
			recover_region(region_at(slot));
	retain_add_live((intptr_t)(used() - used_before));
	retain_add((intptr_t)(zone.sizes.free_dirty - dirty_before));
}
