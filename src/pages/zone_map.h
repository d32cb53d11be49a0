/* How a zone's memory comes from the system; how it goes back is zone_unmap_free() of zone.h. */
#pragma once

#include "base/compiler.h"
#include "pages/region.h"

/* Maps so much for a node that there is a free block of that order; false when the system refuses.
   What is mapped may lie in a region of another node, of which a part was unmapped. Zone lock. */
bool zone_grow(unsigned node, unsigned order);

/* Unmaps a dirty free block that cannot be purged because memory is locked; false where it is not,
   where the holes would be too many, and when the system refuses. Zone lock. */
COLD bool zone_unmap_locked(struct region *r, unsigned page, unsigned order);
