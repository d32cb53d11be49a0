/*
 * How a zone's memory comes from the system and goes back to it.
 *
 * Locking: the zone's lock is held around every call.
 */
#pragma once

#include "base/compiler.h"

/* Maps so much that there is a free block of that order; false when the system refuses. */
bool zone_grow(unsigned order);

/* Maps the first step. */
void zone_map_first(void);

/* zone_unmap_free() of zone.h, under its lock. */
COLD size_t zone_unmap(bool blocks);
