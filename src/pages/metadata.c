/*
 * Pools of loam's own objects; see metadata.h.  They are cut one after the other from areas, each
 * twice the size of the one before unless addresses are dear.  What is freed is linked through its
 * last word: a late reader looks at the first ones.
 */
#include "pages/metadata.h"

#include "base/bits.h"
#include "os/check.h"
#include "os/os.h"
#include "pages/pagemap.h"
#include "pages/place.h"
#include "pages/thp.h"

#define AREA_FIRST (128 * KIB)
#define AREA_MOST  (4 * MIB)

struct lock metadata_lock = LOCK_INIT(LOCK_METADATA);

static char *area_next, *area_end; /* metadata lock; no area: area_end is NULL */
static size_t area_bytes = AREA_FIRST;
size_t metadata_bytes; /* metadata lock; read relaxed */

static struct descriptor metadata_tag = {.kind = KIND_METADATA};

static void **link_of(struct pool *pool, void *object)
{
	return (void **)((char *)object + pool->size) - 1;
}

/* Bytes that can be cut from the area. */
static size_t area_left(void)
{
	char *next = load_relaxed(&area_next), *end = load_relaxed(&area_end);

	return next < end ? (size_t)(end - next) : 0;
}

static bool map_area(size_t nbytes)
{
	char *area = place_map_guarded(nbytes);

	ASSERT(lock_held(&metadata_lock));
	if (!area)
		return false;
	thp_refuse(area, nbytes);
	pagemap_set(area, nbytes, &metadata_tag);
	store_relaxed(&area_end, NULL);
	KEEP_ORDER();
	store_relaxed(&area_next, area);
	KEEP_ORDER();
	store_relaxed(&area_end, area + nbytes);
	store_relaxed(&metadata_bytes, metadata_bytes + nbytes);
	return true;
}

static bool new_area(size_t at_least)
{
	size_t least = align_up(at_least, os_page_size());

	if (least <= area_bytes && map_area(area_bytes)) {
		if (area_bytes < AREA_MOST && os_memory_limit() >= OS_MEMORY_SCARCE)
			area_bytes *= 2;
		return true;
	}
	return map_area(least);
}

static void *cut(size_t nbytes)
{
	char *object;

	ASSERT(nbytes && is_aligned(nbytes, CACHE_LINE));
	ASSERT(lock_held(&metadata_lock));
	if (area_left() < nbytes && !new_area(nbytes))
		return NULL;
	object = area_next;
	store_relaxed(&area_next, object + nbytes);
	ASSERT(is_aligned((uintptr_t)object, CACHE_LINE) && pagemap_get(object) == &metadata_tag);
	return object;
}

void *pool_alloc(struct pool *pool)
{
	void *object;

	lock_acquire(&metadata_lock);
	object = pool->free;
	if (object) {
		store_relaxed(&pool->free, *link_of(pool, object));
		KEEP_ORDER();
		for (size_t i = 0; !pool->dirty && i < pool->size / sizeof(uint64_t); i++)
			store_relaxed((uint64_t *)object + i, 0);
	} else {
		object = cut(pool->size);
	}
	lock_release(&metadata_lock);
	return object;
}

UNSYNCHRONIZED bool pool_is_ready(const struct pool *pool)
{
	return load_relaxed(&pool->free) || area_left() >= pool->size;
}

void *pool_alloc_patiently(struct pool *pool)
{
	uint32_t refused = load_relaxed(&pool->refused);

	if (!pool_is_ready(pool) && refused < PATIENCE) {
		store_relaxed(&pool->refused, refused + 1);
		return NULL;
	}
	store_relaxed(&pool->refused, 0);
	return pool_alloc(pool);
}

void pool_free(struct pool *pool, void *object)
{
	ASSERT(!pagemap_get(object) || pagemap_get(object) == &metadata_tag);
	lock_acquire(&metadata_lock);
	ASSERT(object != load_relaxed(&pool->free)); /* freed twice */
	*link_of(pool, object) = pool->free;
	KEEP_ORDER();
	store_relaxed(&pool->free, object);
	lock_release(&metadata_lock);
}

void *metadata_alloc(size_t nbytes)
{
	void *mem;

	lock_acquire(&metadata_lock);
	mem = cut(align_up(nbytes, CACHE_LINE));
	lock_release(&metadata_lock);
	return mem;
}
