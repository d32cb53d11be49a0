/* What goes back of huge objects: kept mappings, and what is behind objects in use; see huge.h. */
#include "base/bits.h"
#include "base/probe.h"
#include "os/check.h"
#include "os/os.h"
#include "pages/huge_map.h"
#include "pages/huge_table.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/zone.h"

#define VAIN_MOST 16 /* mappings that one call tries in vain to unmap */

void huge_keep(struct huge *h)
{
	lock_acquire(&huge_lock);
	huge_list_kept(h);
	huge_unlock();
}

size_t huge_unmap(struct huge *h)
{
	size_t dirty = h->dirty;

	ASSERT(!pagemap_get(h->mem)); /* nobody finds it any more */
	if (os_unmap(h->mem, h->mapped)) {
		PROBE2(loam, huge_unmap, h->mem, h->mapped);
		pool_free(&huge_pool, h);
		return dirty;
	}
	if (dirty && !h->reserved && os_purge(h->mem, h->mapped))
		h->dirty = 0;
	dirty -= h->dirty;
	if (h->dirty <= HUGE_KEPT_MOST) {
		lock_acquire(&huge_lock);
		huge_list_alone(h);
		huge_unlock();
	}
	return dirty;
}

/* Purges the last bytes of what is behind an object in use, which cannot grow into it meanwhile, as
   many as are wanted, or unmaps all that is there; the bytes. */
static size_t give_room(struct huge *h, size_t wanted, bool unmap)
{
	size_t dirty = h->dirty, mapped = h->mapped, room = dirty - h->nbytes;
	size_t given = wanted < room && !unmap ? align_up(wanted, os_page_size()) : room;
	size_t left = dirty - given, nbytes = (unmap ? mapped : dirty) - left;

	ASSERT(lock_held(&huge_lock));
	if (!nbytes || h->reserved)
		return 0;			      /* G4 */
	ASSERT(h->nbytes <= left && dirty <= mapped); /* G3 */
	huge_count_rooms(-(intptr_t)given);
	h->dirty = left;
	KEEP_ORDER();
	if (unmap)
		h->mapped = left;
	if (unmap ? os_unmap(h->mem + left, nbytes) : os_purge(h->mem + left, nbytes))
		return nbytes;
	h->mapped = mapped;
	KEEP_ORDER();
	h->dirty = dirty;
	huge_count_rooms((intptr_t)given);
	return 0;
}

/* Of objects in use until at least nbytes are given back. */
static size_t give_rooms(size_t nbytes, bool unmap)
{
	size_t given = 0;

	lock_acquire(&huge_lock);
	list_for_each (l, &huge_table.in_use) {
		if (given >= nbytes || !(unmap || huge_table.rooms))
			break;
		given += give_room(huge_of_link(l), nbytes - given, unmap);
	}
	huge_unlock();
	return given;
}

/* The one of a list that was freed longest ago, off it; NULL: none. Most of it may be kept on: so
   it is no low of what is retained, and under `limit` no room for others (*ret_held). */
static struct huge *take_oldest(const struct link *list, size_t *ret_held)
{
	struct huge *h = NULL;

	lock_acquire(&huge_lock);
	if (!list_empty(list)) {
		h = huge_of_link(list->prev);
		*ret_held = retain_hold(h->dirty);
		list_remove(&h->link);
		retain_with(retain_set_aside, &huge_table.sizes.kept, -(intptr_t)h->dirty);
	}
	lock_release(&huge_lock);
	return h;
}

/* How many are on a list, `most` at most. */
static size_t count(const struct link *list, size_t most)
{
	size_t n = 0;

	lock_acquire(&huge_lock);
	list_for_each (l, list)
		if (n++ == most)
			break;
	huge_unlock();
	return smaller(n, most);
}

/* Purges the last nbytes that are dirty, or unmaps all from there on where much lies behind: else
   an object of a few MiB, which may get the mapping, holds its addresses as long as it lives. */
static bool give_end(struct huge *h, size_t nbytes)
{
	char *end = h->mem + h->dirty - nbytes;
	size_t behind = h->mapped - (h->dirty - nbytes);

	if ((behind <= HUGE_LARGE && !zone_is_scarce()) || !os_unmap(end, behind))
		return os_purge(end, nbytes);
	h->mapped -= behind;
	return true;
}

/* Gives back nbytes of a mapping that is on no list. One that holds more is purged at its end, and
   is the oldest again; the rest of its addresses serves on. Others are unmapped. */
static size_t give_some(struct huge *h, size_t nbytes)
{
	if (nbytes >= h->dirty || h->reserved) /* G4 */
		return huge_unmap(h);
	nbytes = align_up(nbytes, os_page_size());
	if (nbytes >= h->dirty || !give_end(h, nbytes))
		return huge_unmap(h);
	lock_acquire(&huge_lock);
	h->dirty -= nbytes;
	huge_list_oldest(h);
	huge_unlock();
	return nbytes;
}

/* Purges or unmaps mappings of a list, oldest first, until nbytes are given back; returns how many
   were. What cannot be unmapped is listed as the newest. Where all are to go each is tried once;
   else the call ends after VAIN_MOST that gave no dirty bytes back. */
static size_t unmap_listed(const struct link *list, size_t nbytes)
{
	bool all = nbytes == SIZE_MAX;
	size_t purged = 0, held, tries = count(list, all ? SIZE_MAX : VAIN_MOST);
	struct huge *h;

	while (tries && purged < nbytes && (h = take_oldest(list, &held))) {
		size_t given = give_some(h, nbytes - purged);

		retain_unclaim(held);
		retain_note_low(load_relaxed(&retain_retained));
		purged += given;
		tries -= all || !given;
	}
	return purged;
}

/* Where all are to go, the purged ones first: what this call itself purges is not tried again. */
size_t huge_purge(size_t nbytes)
{
	size_t purged = nbytes == SIZE_MAX ? unmap_listed(&huge_table.purged, nbytes) : 0;

	purged += unmap_listed(&huge_table.kept, nbytes);
	if (purged < nbytes)
		purged += give_rooms(nbytes - purged, false);
	if (purged < nbytes && nbytes < SIZE_MAX)
		unmap_listed(&huge_table.purged, nbytes);
	return purged;
}

void huge_note_unneeded(void)
{
	lock_acquire(&huge_lock);
	store_relaxed(&huge_table.unneeded, huge_table.sizes.kept_least);
	huge_table.sizes.kept_least = huge_table.sizes.kept;
	huge_unlock();
}

/* kept_least falls when a mapping is taken again: that one was needed. */
size_t huge_purge_unneeded(void)
{
	size_t unneeded, purged;

	if (!load_relaxed(&huge_table.unneeded))
		return 0;
	lock_acquire(&huge_lock);
	unneeded = smaller(huge_table.unneeded, huge_table.sizes.kept_least);
	huge_unlock();
	unneeded = smaller(unneeded, retain_step(retain_excess(), 0));
	purged = unneeded ? huge_purge(unneeded) : 0;
	lock_acquire(&huge_lock);
	store_relaxed(&huge_table.unneeded, purged ? minus(huge_table.unneeded, purged) : 0);
	huge_unlock();
	return purged;
}

size_t huge_unmap_free(void)
{
	size_t unmapped = huge_purge(SIZE_MAX);

	return unmapped + give_rooms(SIZE_MAX, true);
}
