/* See last_resort.h. */
#include "cache/last_resort.h"

#include "arena/ring.h"
#include "base/probe.h"

static void *object_of(struct arena *a, size_t alignment, size_t req)
{
	size_t size = alignment <= CLASS_SIZE_MAX ? class_size_aligned(alignment, req) : 0;
	void *mem = NULL;
	bool zero;

	for (unsigned sc = size ? class_of(size) : CLASSES; !mem && sc < CLASSES; sc++)
		if (arena_is_hot(a, sc) && class_size(sc) % alignment == 0)
			mem = slabs_take_one(a->slabs, sc, false, &zero);
	return mem;
}

void *cache_alloc_held(size_t alignment, size_t req)
{
	void *mem = NULL;

	for (struct arena *a = NULL; !mem && (a = ring_next(a));) {
		if (!ring_lock_this(a))
			continue;
		mem = heap_memalign_held(&a->chunks, alignment, req);
		if (!mem)
			mem = object_of(a, alignment, req);
		ring_unlock(a);
	}
	if (!mem)
		PROBE2(loam, no_memory, req, alignment);
	return mem;
}
