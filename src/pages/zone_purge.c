/* Dirty blocks that are purged under the lock of the zone; see zone_purge.h. */
#include "pages/zone_purge.h"

#include "os/check.h"
#include "os/os.h"
#include "pages/retain.h"
#include "pages/thp_keep.h"
#include "pages/zone_map.h"
#include "pages/zone_regions.h"

/* What one call purges: as much as the largest block that another one brings. */
#define PURGE_STEP REGION_SIZE

/* The smallest part of a block that is purged alone. */
#define PART_ORDER 4u

/* The dirty block to purge next, and its region; NULL: none is left. The largest of the newest
   region, or, unless all are to go, one that splits no huge page that is to stay whole. */
static struct region *choose_dirty(bool all, unsigned least, unsigned *ret_page,
				   unsigned *ret_order)
{
	const struct zone_node *n = zone_dirtiest();
	struct region *r;

	if (!(n->orders[DIRTY] >> least))
		return NULL;
	*ret_order = highest_bit(n->orders[DIRTY]);
	r = zone_highest(n, DIRTY, *ret_order);
	*ret_page = region_highest(r, DIRTY, *ret_order);
	if (all || !thp_holds() || !thp_keeps_free(r, (struct pages){*ret_page, 1u << *ret_order}))
		return r;
	if (zone.look_pause) {
		zone.look_pause--;
		return NULL;
	}
	r = thp_purgeable(least, ret_page, ret_order);
	if (!r)
		zone.look_pause = 256;
	return r;
}

/* The part of a dirty block to purge for nbytes: halved while the upper half has as many dirty
   bytes, which is then kept, or none, when the lower is. */
static struct pages part_of(const struct region *r, unsigned page, unsigned order, size_t nbytes)
{
	unsigned least = (unsigned)larger(PART_ORDER, zone_order_least());
	struct pages part = {page, 1u << order};

	while (part.count > 1u << least) {
		struct pages upper = {part.first + part.count / 2, part.count / 2};
		unsigned dirty = region_dirty(r, upper);

		if (dirty && (size_t)dirty << PAGE_SHIFT < nbytes)
			break;
		part.count /= 2;
		if (dirty)
			part = upper;
	}
	return part;
}

/* Purges one dirty block, or a part that has nbytes, or unmaps it where memory is locked and the
   system purges none that is; false when none is left or allowed. Huge pages are not parted. */
static bool purge_one(bool all, size_t nbytes, size_t *purged)
{
	unsigned least = zone_order_least(), order, page;
	struct region *r = choose_dirty(all, least, &page, &order);
	struct zone_change change;
	struct pages part;

	if (!r)
		return false;
	ASSERT(ORDER_BYTES(order) >= os_page_size() && region_page_free(r, page));
	part = part_of(r, page, order, thp_holds() ? SIZE_MAX : nbytes);
	if (!os_purge(region_page_at(r, part.first), (size_t)part.count << PAGE_SHIFT)) {
		if (zone_unmap_locked(r, page, order)) {
			*purged += ORDER_BYTES(order);
			return true;
		}
		zone.purge_pause = 256;
		return false;
	}
	change = zone_change_begin(r);
	region_clean(r, page, order, part);
	*purged += (size_t)(change.dirty_pages - r->dirty_pages) << PAGE_SHIFT;
	zone_change_end(&change);
	return true;
}

size_t zone_purge_locked(size_t nbytes)
{
	bool all = nbytes == SIZE_MAX;
	size_t purged = 0, most = smaller(nbytes, PURGE_STEP);

	ASSERT(lock_held(&zone_lock));
	if (nbytes && zone.purge_pause) {
		zone.purge_pause--;
		return 0;
	}
	while (purged < most && purge_one(all, all ? nbytes : most - purged, &purged))
		;
	zone.sizes.purged += purged;
	retain_purged(purged);
	return purged;
}

size_t zone_purge(size_t nbytes)
{
	size_t purged, step, most;

	lock_acquire(&zone_lock);
	most = nbytes == SIZE_MAX ? zone.sizes.free_dirty : 0; /* what others free since stays */
	step = purged = zone_purge_locked(nbytes);
	while (step && purged < most) {
		lock_yield(&zone_lock); /* not behind the last step: the caller may hold an arena */
		step = zone_purge_locked(nbytes);
		purged += step;
	}
	lock_release(&zone_lock);
	ASSERT_SLOW(zone_check_step());
	return purged;
}
