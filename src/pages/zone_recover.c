/* zone_recover(): a zone whose lock another thread held when this process was forked. */
#include "pages/retain.h"
#include "pages/zone.h"
#include "pages/zone_regions.h"

static COLD void recover_region(struct region *r)
{
	*pagemap_region(r->base) = r;
	region_rebuild(r);
	for (enum state s = DIRTY; s < STATES; s++)
		zone_update(r, s, 0);
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

	zone_empty_sets();
	zone.sizes.regions = zone.sizes.mapped = 0;
	zone.sizes.free_dirty = zone.sizes.free_clean = 0;
	zone_find_slots();
	for (size_t slot = 0; slot < zone.slots; slot++)
		if (zone_region(slot))
			recover_region(zone_region(slot));
	retain_add_live((intptr_t)(used() - used_before));
	retain_add((intptr_t)(zone.sizes.free_dirty - dirty_before));
}
