/*
 * Which free blocks of the zone are not purged so that huge pages stay whole (see thp.h): those
 * that are a part of a huge page of which more than half is in use.  In use are pages that are not
 * free in the zone.  Slabs and chunk heaps purge pages of their own all the same: they do where
 * they are sparse, which the zone does not see, and what was held back there would be many times
 * what is live.
 */
#pragma once

#include "base/compiler.h"
#include "pages/region.h"
#include "pages/thp.h"

#define THP_PAGES 512u /* pages of a huge page, where pages are of 4 KiB */

/* Whether purging free pages of a region would split a huge page of which more than half is in use.
   Zone lock. */
COLD bool thp_keeps_free(const struct region *r, struct pages pages);

/* The largest dirty free block of the newest region that may be purged, below the size of a huge
   page and of at least that order; false: none. Zone lock. */
COLD struct region *thp_purgeable(unsigned least, unsigned *ret_page, unsigned *ret_order);
