/* Mappings that can be tagged; see place.h. */
#include "pages/place.h"

#include "base/bits.h"
#include "os/check.h"
#include "pages/pagemap.h"

#define LEAF_BYTES ((uintptr_t)1 << LEAF_SHIFT)

/* How often the system is asked again; it has fewer addresses to choose from each time. */
#define TRIES 64

/* Whether others have a leaf of [mem, mem + nbytes). */
static COLD bool collides(uintptr_t mem, size_t nbytes)
{
	uintptr_t last = mem + nbytes - 1;

	for (uintptr_t at = mem; at < last; at += LEAF_BYTES)
		if (pagemap_is_others(at))
			return true;
	return pagemap_is_others(last);
}

/* Reserves the addresses from `from` on, towards `to`, as far as nothing lies there; false when the
   system refuses to reserve any. */
static COLD bool reserve_towards(uintptr_t from, uintptr_t to)
{
	size_t page = os_page_size(), nbytes = to < from ? from - to : to - from;

	while (nbytes >= page) {
		uintptr_t there = to < from ? from - nbytes : from;
		void *mem = os_reserve((void *)there, nbytes);

		if (!mem || mem == (void *)there)
			return mem != NULL;
		os_unmap(mem, nbytes);
		nbytes = align_down(nbytes / 2, page);
	}
	return true;
}

/* Sets aside the start of a mapping that collides, and what is free around it as far as leaves are
   others'. False when the system refuses; the mapping is gone in any case. */
static COLD bool set_aside(char *mem, size_t nbytes, size_t tagged)
{
	uintptr_t start = (uintptr_t)mem, end = start + tagged, low = start, high = end;

	while (pagemap_is_others(low - 1))
		low = align_down(low - 1, LEAF_BYTES);
	while (pagemap_is_others(high))
		high = align_down(high, LEAF_BYTES) + LEAF_BYTES;
	if (tagged < nbytes)
		os_unmap(mem + tagged, nbytes - tagged);
	if (os_guard(mem, tagged) && reserve_towards(start, low) && reserve_towards(end, high))
		return true;
	os_unmap(mem, tagged);
	return false;
}

static COLD char *map_there(uintptr_t there, size_t nbytes, size_t tagged)
{
	char *mem = collides(there, tagged) ? NULL : os_map_at((void *)there, nbytes);

	if (mem && !pagemap_reserve(mem, tagged)) {
		os_unmap(mem, nbytes);
		return NULL;
	}
	return mem;
}

/* A mapping at the least distance from an address at which there is room. */
static COLD char *map_apart(uintptr_t from, size_t nbytes, size_t alignment, size_t tagged)
{
	char *mem = NULL;

	for (unsigned shift = LEAF_SHIFT; !mem && shift < ROOT_BITS; shift++) {
		uintptr_t distance = (uintptr_t)1 << shift;

		mem = map_there(align_down(from - distance, alignment), nbytes, tagged);
		if (!mem)
			mem = map_there(align_down(from + distance, alignment), nbytes, tagged);
	}
	return mem;
}

/* A mapping in the place of one that cannot be tagged. */
static COLD char *map_elsewhere(char *mem, size_t nbytes, size_t alignment, size_t tagged,
				enum os_use use)
{
	for (int tries = TRIES; tries && mem && collides((uintptr_t)mem, tagged); tries--) {
		if (!set_aside(mem, nbytes, tagged))
			return map_apart((uintptr_t)mem, nbytes, alignment, tagged);
		mem = os_map_aligned(nbytes, alignment, use);
	}
	if (mem && !pagemap_reserve(mem, tagged)) {
		os_unmap(mem, nbytes);
		return NULL;
	}
	return mem;
}

void *place_map(size_t nbytes, size_t alignment, size_t tagged, enum os_use use)
{
	char *mem = os_map_aligned(nbytes, alignment, use);

	tagged = align_up(tagged, os_page_size());
	ASSERT(tagged && tagged <= nbytes && is_power_of_two(alignment));
	return !mem || pagemap_reserve(mem, tagged)
		       ? mem
		       : map_elsewhere(mem, nbytes, alignment, tagged, use);
}

void *place_map_guarded(size_t nbytes)
{
	size_t page = os_page_size(), whole = nbytes + 2 * page;
	char *mem = place_map(whole, page, whole, OS_METADATA);

	if (!mem)
		return place_map(nbytes, page, nbytes, OS_METADATA);
	os_guard(mem, page);
	os_guard(mem + page + nbytes, page);
	return mem + page;
}
