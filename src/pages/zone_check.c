/* zone_check(): the invariants Z1 to Z5 of a zone, and P1 and P2 of its pages. */
#include "os/check.h"
#include "os/lock.h"
#include "pages/zone.h"
#include "pages/zone_regions.h"

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
					zone_has(r->slot, s, order));
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
		struct region *r = zone_region(slot);

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
