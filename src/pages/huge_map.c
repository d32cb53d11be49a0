/* Mapping, growing and moving of huge objects; see huge_map.h. */
#include "pages/huge_map.h"

#include "base/bits.h"
#include "base/probe.h"
#include "os/check.h"
#include "os/os.h"
#include "pages/huge_table.h"
#include "pages/hugetlb.h"
#include "pages/metadata.h"
#include "pages/place.h"
#include "pages/retain.h"
#include "pages/thp.h"
#include "pages/zone.h"

static char *map(size_t nbytes, size_t alignment)
{
	char *mem = place_map(nbytes, alignment, PAGE_SIZE, OS_HUGE);

	if (mem)
		thp_advise(mem, nbytes);
	return mem;
}

size_t huge_with_room(size_t nbytes)
{
	size_t room = zone_is_scarce() ? 0 : align_down(nbytes / 2, os_page_size());

	return nbytes + room;
}

/* How many bytes stay mapped: a room is to be addresses only, and goes again where memory is
   locked, and in RAM at once. */
static size_t without_locked_room(char *mem, size_t nbytes, size_t mapped)
{
	if (mapped > nbytes && os_is_locked(mem + nbytes) &&
	    os_unmap(mem + nbytes, mapped - nbytes))
		return nbytes;
	return mapped;
}

/* Makes h an object of nbytes in a new mapping; NULL, and h is freed, where that could not be. */
static struct huge *make(struct huge *h, char *mem, size_t nbytes, size_t mapped)
{
	if (!mem) {
		pool_free(&huge_pool, h);
		return NULL;
	}
	h->mem = mem;
	h->nbytes = h->dirty = nbytes;
	h->mapped = mapped;
	PROBE2(loam, huge_map, mem, mapped);
	return h;
}

struct huge *huge_map(size_t nbytes, size_t alignment, size_t mapped)
{
	struct huge *h = pool_alloc(&huge_pool);
	char *mem;

	ASSERT(nbytes && nbytes <= mapped && is_power_of_two(alignment));
	if (!h)
		return NULL;
	mem = map(mapped, alignment);
	if (mem)
		mapped = without_locked_room(mem, nbytes, mapped);
	return make(h, mem, nbytes, mapped);
}

struct huge *huge_map_reserved(size_t nbytes, size_t alignment)
{
	size_t mapped = align_up(nbytes, HUGETLB_PAGE);
	struct huge *h;

	if (nbytes < HUGETLB_PAGE || alignment > HUGETLB_PAGE || mapped < nbytes)
		return NULL;
	h = pool_alloc(&huge_pool);
	if (!h)
		return NULL;
	h->reserved = true;
	return make(h, hugetlb_map(mapped), nbytes, mapped);
}

/* The object's pages moved to a new mapping; NULL, and they are where they were, when that
   fails. */
static char *move_to(struct huge *h, size_t mapped)
{
	char *mem = map(mapped, os_page_size());

	if (mem && !os_remap_onto(h->mem, h->mapped, mem, mapped)) {
		os_unmap(mem, mapped);
		return NULL;
	}
	return mem;
}

/* Back from where it cannot be tagged, piece by piece: where addresses are short there are no more
   than were added. */
static COLD void move_back(struct huge *h, char *from, size_t nbytes)
{
	size_t piece = nbytes - h->mapped;

	os_unmap(from + h->mapped, piece);
	for (size_t at = 0; at < h->mapped; at += piece) {
		size_t n = smaller(piece, h->mapped - at);
		void *place = os_map_at(h->mem + at, n);

		CHECK(place && os_remap_onto(from + at, n, place, n));
	}
}

/* Lets the system grow the mapping, wherever to, where addresses are short: it needs them for what
   is added alone, but the page map a leaf to spare. */
static bool grow_anywhere(struct huge *h, size_t nbytes)
{
	struct pagemap_spare spare;
	char *mem;

	if (!pagemap_map_spare(&spare))
		return false;
	mem = os_remap(h->mem, h->mapped, nbytes, true);
	if (!pagemap_reserve_page(mem, &spare)) {
		if (mem)
			move_back(h, mem, nbytes);
		return false;
	}
	ASSERT(nbytes > h->mapped && is_aligned((uintptr_t)mem, os_page_size()));
	h->mem = mem;
	h->mapped = nbytes;
	return true;
}

bool huge_move(struct huge *h, size_t nbytes)
{
	size_t mapped = huge_with_room(nbytes);
	char *mem;

	ASSERT(nbytes > h->mapped && !pagemap_get(h->mem) && !h->reserved);
	mem = move_to(h, mapped);
	if (!mem)
		return grow_anywhere(h, nbytes);
	h->mem = mem;
	h->mapped = without_locked_room(mem, nbytes, mapped);
	return true;
}

/* Unmaps what is behind nbytes; of a reserved mapping whole huge pages. */
static bool shorten(struct huge *h, size_t nbytes)
{
	size_t mapped = h->reserved ? align_up(nbytes, HUGETLB_PAGE) : nbytes;

	if (mapped < h->mapped && !os_unmap(h->mem + mapped, h->mapped - mapped))
		return false;
	h->mapped = mapped;
	return true;
}

bool huge_remap(struct huge *h, size_t nbytes)
{
	size_t mapped = huge_with_room(nbytes);

	ASSERT(!lock_held(&huge_lock) && !pagemap_get(h->mem));
	if (nbytes <= h->mapped)
		return shorten(h, nbytes);
	if (h->reserved) /* cannot grow */
		return false;
	if (!os_remap(h->mem, h->mapped, mapped, false))
		return huge_move(h, nbytes);
	h->mapped = without_locked_room(h->mem, nbytes, mapped);
	return true;
}
