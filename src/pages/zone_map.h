/* How a zone's memory comes from the system; how it goes back is zone_unmap_free() of zone.h. */
#pragma once

#include "base/compiler.h"

/* Maps so much that there is a free block of that order; false when the system refuses.  Zone
   lock. */
bool zone_grow(unsigned order);
