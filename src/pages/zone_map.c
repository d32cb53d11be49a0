/* Mapping and unmapping of regions; see zone_map.h and zone.h. */
#include "pages/zone_map.h"

#include "base/probe.h"
#include "os/check.h"
#include "os/mappings.h"
#include "os/os.h"
#include "pages/guard.h"
#include "pages/metadata.h"
#include "pages/place.h"
#include "pages/thp.h"
#include "pages/zone_regions.h"

/* What is mapped at once. */
#define STEP_LEAST (1 * MIB)
#define STEP_MOST  (64 * MIB)

/* How many holes the blocks that are unmapped may leave, so that one call does not take long. */
#define HOLES_MOST ((size_t)32768)

/* The least where the system limits the process. */
#define STEP_LIMITED (64 * KIB)

static struct pool regions = POOL_INIT(struct region);

/* The region of the window that mem lies in, perhaps a new one; NULL without memory. */
static struct region *window(char *mem, unsigned node)
{
	struct region *r = *pagemap_region(mem);

	if (r)
		return r;
	ASSERT(lock_held(&zone_lock));
	r = pool_alloc(&regions);
	if (!r)
		return NULL;
	r->base = (char *)align_down((uintptr_t)mem, REGION_SIZE);
	r->node = node;
	if (!zone_note_region(r)) {
		pool_free(&regions, r);
		return NULL;
	}
	*pagemap_region(mem) = r;
	zone.sizes.regions++;
	return r;
}

bool zone_owns(const void *mem)
{
	const struct region *r = pagemap_has_region(mem) ? *pagemap_region(mem) : NULL;

	return r && bit_test(r->owned, region_page_of(r, mem));
}

/* Counts a stretch that is mapped (n = 1) or unmapped (-1), which may join others, or part them. */
static void count_stretch(const char *mem, size_t nbytes, int n)
{
	int alone = 1 - zone_owns(mem - 1) - zone_owns(mem + nbytes);

	zone.sizes.stretches += (size_t)(intptr_t)(n * alone);
}

/* Counts a step that began in the region, which has room for so many of the smallest at once. */
static void count_step(struct region *r)
{
	if (r->steps == REGION_SIZE / STEP_LIMITED)
		return;
	r->steps++;
	zone.sizes.steps++;
}

static void own(struct region *r, char *mem, size_t nbytes)
{
	struct pages pages = {region_page_of(r, mem), (unsigned)(nbytes >> PAGE_SHIFT)};
	struct zone_change change = zone_change_begin(r);

	ASSERT(is_aligned((uintptr_t)mem | nbytes, PAGE_SIZE) && nbytes <= REGION_SIZE);
	if (zone.locked)
		region_touch(r, pages);
	region_own(r, pages);
	zone_change_end(&change);
	count_stretch(mem, nbytes, 1);
	KEEP_ORDER();
	zone.sizes.mapped += nbytes;
	PROBE2(loam, zone_grow, mem, nbytes);
}

/* Everything that is mapped became resident: what is free and clean is dirty. */
static COLD void lock_regions(void)
{
	for (size_t slot = 0; slot < zone.slots; slot++) {
		struct region *r = zone_region(slot);
		struct zone_change change;

		if (!r)
			continue;
		change = zone_change_begin(r);
		for (unsigned w = 0; w < REGION_PAGES / 64; w++)
			r->dirty[w] |= r->owned[w];
		region_rebuild(r);
		zone_change_end(&change);
	}
}

/* Asks whether new memory is locked. */
static void note_locked(char *mem)
{
	bool locked = os_is_locked(mem);

	if (locked && !zone.locked)
		lock_regions();
	store_relaxed(&zone.locked, locked);
}

/* Maps nbytes aligned to a region, or to their size if they are less, and frees them here. */
static bool map(size_t nbytes, unsigned node)
{
	size_t alignment = nbytes < REGION_SIZE ? nbytes : REGION_SIZE;
	char *mem = place_map(nbytes, alignment, nbytes, OS_PAGES);
	size_t done = 0;

	if (!mem)
		return false;
	ASSERT(nbytes < REGION_SIZE ? is_power_of_two(nbytes) : is_aligned(nbytes, REGION_SIZE));
	thp_advise(mem, nbytes);
	note_locked(mem);
	for (; done < nbytes; done += alignment) {
		struct region *r = window(mem + done, node);

		if (!r)
			break;
		own(r, mem + done, alignment);
	}
	if (done < nbytes)
		os_unmap(mem + done, nbytes - done);
	if (done)
		count_step(*pagemap_region(mem));
	return done > 0;
}

/* A quarter to a half of what is mapped, in bounds: so a small program stays small, and a large one
   seldom calls the system. Of a limited space a small part is taken at once, and of locked memory
   only what is soon used. */
static size_t next_step(void)
{
	size_t step = STEP_LEAST;

	while (!zone.locked && step < STEP_MOST && 4 * step <= zone.sizes.mapped)
		step *= 2;
	while (step > STEP_LIMITED && step > os_memory_limit() / 64)
		step /= 2;
	return step;
}

/* Other nodes than the first have whole regions, since a window that is filled piece by piece may
   be that of another node. */
bool zone_grow(unsigned node, unsigned order)
{
	size_t least = node ? REGION_SIZE : larger(ORDER_BYTES(order), os_page_size()),
	       step = larger(next_step(), least);

	ASSERT(order < ORDERS && step >= least);
	ASSERT(lock_held(&zone_lock));
	while (!map(step, node)) {
		if (step == least) {
			store_relaxed(&zone.refused, true);
			return false;
		}
		step = larger(step / 4, least);
	}
	store_relaxed(&zone.refused, false);
	return true;
}

/* Unmaps a free block; false when the system refuses. */
static bool unmap_block(struct region *r, enum state state, unsigned page, unsigned order)
{
	struct zone_change change = zone_change_begin(r);

	ASSERT(ORDER_BYTES(order) >= os_page_size() && zone.sizes.mapped >= ORDER_BYTES(order));
	zone.sizes.mapped -= ORDER_BYTES(order);
	KEEP_ORDER();
	region_disown(r, state, page, order);
	zone_change_end(&change);
	count_stretch(region_page_at(r, page), ORDER_BYTES(order), -1);
	if (os_unmap(region_page_at(r, page), ORDER_BYTES(order)))
		return true;
	if (state == DIRTY)
		region_touch(r, (struct pages){page, 1u << order});
	own(r, region_page_at(r, page), ORDER_BYTES(order));
	return false;
}

static void forget_if_unmapped(struct region *r)
{
	if (r->owned_pages)
		return;
	zone.sizes.steps -= r->steps;
	zone_forget_region(r);
	pool_free(&regions, r);
}

/* Whether a hole may be left: loam has fewer mappings than it may take, or the zone less than a
   32nd of these. */
static COLD bool may_leave_hole(void)
{
	size_t most = smaller(HOLES_MOST, mappings_budget());

	return guard_mappings() < most || zone.sizes.stretches < most / 32;
}

bool zone_unmap_locked(struct region *r, unsigned page, unsigned order)
{
	if (!zone.locked || order < zone_order_least() || !may_leave_hole() ||
	    !unmap_block(r, DIRTY, page, order))
		return false;
	forget_if_unmapped(r);
	return true;
}

/* Unmaps free blocks of an order while they may leave holes, or all of them where nothing of the
   region is in use. */
static COLD void unmap_blocks(struct region *r, unsigned order)
{
	bool all = r->free_pages == r->owned_pages;

	for (enum state s = DIRTY; s < STATES; s++)
		while (r->orders[s] >> order & 1)
			if (!(all || may_leave_hole()) ||
			    !unmap_block(r, s, region_highest(r, s, order), order))
				break;
	forget_if_unmapped(r);
}

size_t zone_unmap_free(bool blocks)
{
	size_t unmapped = 0;

	lock_acquire(&zone_lock);
	for (unsigned order = ORDERS; order-- > zone_order_least();)
		for (size_t slot = 0; slot < zone.slots; slot++) {
			struct region *r = zone_region(slot);
			size_t before = zone.sizes.mapped;

			if (!r || !(blocks || r->free_pages == r->owned_pages))
				continue;
			unmap_blocks(r, order);
			unmapped += before - zone.sizes.mapped;
			if (zone.sizes.mapped < before)
				lock_yield(&zone_lock);
		}
	lock_release(&zone_lock);
	ASSERT_SLOW(zone_check_step());
	return unmapped;
}
