/* Purges that are held back; see thp_keep.h. */
#include "pages/thp_keep.h"

#include "base/bits.h"
#include "os/check.h"
#include "pages/zone_regions.h"

/* Regions that one look for a block visits. */
#define LOOKS_MOST 64

/* Whether more than half of a huge page is in use. */
static bool is_mostly_used(const struct region *r, unsigned start)
{
	return region_in_use(r, (struct pages){start, THP_PAGES}) > THP_PAGES / 2;
}

bool thp_keeps_free(const struct region *r, struct pages pages)
{
	ASSERT(lock_held(&zone_lock) && pages.count && is_power_of_two(pages.count));
	return is_mostly_used(r, pages.first & ~(THP_PAGES - 1));
}

struct region *thp_purgeable(unsigned least, unsigned *ret_page, unsigned *ret_order)
{
	unsigned looks = LOOKS_MOST;

	ASSERT(lock_held(&zone_lock));
	for (size_t slot = zone.slots; slot-- && looks;) {
		struct region *r = zone_region(slot);

		if (!r || !(r->orders[DIRTY] >> least))
			continue;
		looks--;
		for (unsigned start = REGION_PAGES; start; start -= THP_PAGES) {
			struct pages huge = {start - THP_PAGES, THP_PAGES};

			if (!is_mostly_used(r, huge.first) &&
			    region_largest_dirty(r, huge, least, ret_page, ret_order))
				return r;
		}
	}
	return NULL;
}
