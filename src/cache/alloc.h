/* The slow path of allocation, for what the thread's magazines do not have. */
#pragma once

#include "cache/cache.h"
#include "pages/zone.h"

/* Where memory is scarce (zone_is_scarce), chunks serve requests up to this. */
#define SCARCE_PAGES_FROM (128 * KIB)

/* Whether a request gets pages of its own, not a chunk: from mmap_threshold on.  A chunk loses no
   part of a page, and what is left of its neighbours serves any size; but it is cut, merged and
   purged under the arena's lock each time, while a run is kept and taken again as it is.  Requests
   over HEAP_MAX_REQ get pages even where this is false: heap_malloc() refuses them. */
static inline bool cache_wants_pages(size_t req)
{
	return req >= options.mmap_threshold && (req >= SCARCE_PAGES_FROM || !zone_is_scarce());
}

/* At least req bytes; NULL without memory. *zero says before the call that zeros are wanted,
   after it that all of the object reads as zero. */
void *cache_alloc(size_t req, bool *zero);

/* The same at a multiple of alignment, a power of two. */
void *cache_alloc_aligned(size_t alignment, size_t req);

/* At least req bytes for an object that is going to grow: where it can grow without a copy. */
void *cache_alloc_growing(size_t req);
