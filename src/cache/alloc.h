/* The slow path of allocation, for what the thread's magazines do not have. */
#pragma once

#include "cache/cache.h"

/* Whether a request gets pages of its own: one from mmap_threshold on, and one of whole pages
   from half of that on, which wastes nothing so. */
static inline bool cache_wants_pages(size_t req)
{
	return req >= options.mmap_threshold ||
	       (req >= options.mmap_threshold / 2 && req % PAGE_SIZE == 0);
}

/* At least req bytes; NULL without memory. *zero says before the call that zeros are wanted,
   after it that all of the object reads as zero. */
void *cache_alloc(size_t req, bool *zero);

/* The same at a multiple of alignment, a power of two. */
void *cache_alloc_aligned(size_t alignment, size_t req);

/* At least req bytes for an object that is going to grow: where it can grow without a copy. */
void *cache_alloc_growing(size_t req);
