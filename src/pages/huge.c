/* Huge objects handed out, resized, freed, purged; see huge.h. */
#include "pages/huge.h"

#include "base/bits.h"
#include "os/os.h"
#include "pages/huge_map.h"
#include "pages/huge_table.h"
#include "pages/metadata.h"
#include "pages/retain.h"

/* Whether a is the better start for an object of nbytes: the smallest that holds it, else the
   largest. */
static bool is_better(const struct huge *a, const struct huge *b, size_t nbytes)
{
	if (!b)
		return true;
	return b->nbytes >= nbytes ? a->nbytes >= nbytes && a->nbytes < b->nbytes
				   : a->nbytes > b->nbytes;
}

/* The best of the kept mappings, off the list; NULL: none.  Huge lock. */
static struct huge *take_kept(size_t nbytes, size_t alignment)
{
	struct huge *best = NULL;
	unsigned looks = HUGE_LOOKS;

	list_for_each (l, &huge_table.kept) {
		struct huge *h = huge_of_link(l);

		if (is_aligned((uintptr_t)h->mem, alignment) && is_better(h, best, nbytes))
			best = h;
		if (--looks == 0)
			break;
	}
	if (best)
		huge_unlist_kept(best);
	return best;
}

/* A mapping is kept as far as the rule allows. */
static void keep(struct huge *h)
{
	lock_acquire(&huge_lock);
	huge_list_kept(h);
	lock_release(&huge_lock);
}

/* What is over nbytes becomes a kept mapping of its own, unless it is little. */
static void split(struct huge *h, size_t nbytes)
{
	struct huge *rest;

	if (h->dirty - nbytes <= nbytes / 8)
		return;
	rest = pool_alloc(&huge_pool);
	if (!rest)
		return;
	rest->mem = h->mem + nbytes;
	if (!pagemap_reserve(rest->mem, PAGE_SIZE)) {
		pool_free(&huge_pool, rest);
		return;
	}
	rest->dirty = h->dirty - nbytes;
	rest->mapped = h->mapped - nbytes;
	h->nbytes = h->dirty = h->mapped = nbytes;
	keep(rest);
}

static void *hand_out_locked(struct huge *h)
{
	huge_table.sizes.made++;
	return huge_enter_use(h);
}

static void *hand_out(struct huge *h)
{
	void *mem;

	if (!h)
		return NULL;
	lock_acquire(&huge_lock);
	mem = hand_out_locked(h);
	lock_release(&huge_lock);
	return mem;
}

/* A kept mapping is made to fit: too large a one is split, too small a one is moved to where there
   is room; so what it holds in RAM is used again.  NULL, and it is kept on, if that cannot be. */
static struct huge *fit(struct huge *h, size_t nbytes, size_t alignment)
{
	if (h->dirty >= nbytes) {
		split(h, nbytes);
		return h;
	}
	if (nbytes > h->mapped && (alignment > os_page_size() || !huge_move(h, nbytes))) {
		keep(h);
		return NULL;
	}
	retain_faults(nbytes - h->dirty);
	h->nbytes = h->dirty = nbytes;
	return h;
}

/* An object of a kept mapping; NULL: there is none.  One that grows gets it whole. */
static void *reuse(size_t nbytes, size_t alignment, bool grows)
{
	void *mem = NULL;
	struct huge *h;

	if (nbytes > HUGE_KEPT_MOST)
		return NULL;
	lock_acquire(&huge_lock);
	h = take_kept(nbytes, alignment);
	if (h && h->dirty >= nbytes && (grows || h->dirty - nbytes <= nbytes / 8)) {
		h->nbytes = grows ? nbytes : h->dirty;
		mem = hand_out_locked(h);
	}
	lock_release(&huge_lock);
	return mem || !h ? mem : hand_out(fit(h, nbytes, alignment));
}

void *huge_alloc(size_t nbytes, size_t alignment, bool *zero)
{
	void *mem;

	nbytes = align_up(nbytes, os_page_size());
	mem = *zero ? NULL : reuse(nbytes, alignment, false);
	*zero = !mem;
	return mem ? mem : hand_out(huge_map(nbytes, alignment, nbytes));
}

void *huge_alloc_with_room(size_t nbytes)
{
	void *mem;

	nbytes = align_up(nbytes, os_page_size());
	mem = reuse(nbytes, PAGE_SIZE, true);
	return mem ? mem : hand_out(huge_map(nbytes, PAGE_SIZE, huge_with_room(nbytes)));
}

static void unmap(struct huge *h)
{
	os_unmap(h->mem, h->mapped);
	pool_free(&huge_pool, h);
}

void huge_free(struct huge *h)
{
	size_t excess;
	bool kept;

	lock_acquire(&huge_lock);
	huge_leave_use(h);
	kept = h->dirty <= HUGE_KEPT_MOST;
	if (kept)
		huge_list_kept(h);
	lock_release(&huge_lock);
	if (!kept) {
		unmap(h);
		return;
	}
	excess = retain_excess();
	if (excess)
		retain_purged(huge_purge(excess));
}

/* Purges what is behind an object in use, which cannot grow into it meanwhile; the bytes. */
static size_t purge_room(struct huge *h)
{
	size_t nbytes = h->dirty - h->nbytes;

	if (!nbytes || !os_purge(h->mem + h->nbytes, nbytes))
		return 0;
	huge_count_kept(-(intptr_t)nbytes);
	h->dirty = h->nbytes;
	return nbytes;
}

static size_t purge_rooms(size_t nbytes)
{
	size_t purged = 0;

	lock_acquire(&huge_lock);
	list_for_each (l, &huge_table.in_use) {
		if (purged >= nbytes || !huge_table.sizes.kept)
			break;
		purged += purge_room(huge_of_link(l));
	}
	lock_release(&huge_lock);
	return purged;
}

size_t huge_purge(size_t nbytes)
{
	size_t purged = 0;

	while (purged < nbytes) {
		struct huge *h = NULL;

		lock_acquire(&huge_lock);
		if (!list_empty(&huge_table.kept)) {
			h = huge_of_link(huge_table.kept.prev);
			huge_unlist_kept(h);
		}
		lock_release(&huge_lock);
		if (!h)
			break;
		purged += h->dirty;
		unmap(h);
	}
	return purged < nbytes ? purged + purge_rooms(nbytes - purged) : purged;
}

/* Unmaps what is behind an object in use, which cannot grow into it meanwhile; the bytes. */
static size_t cut_room(struct huge *h)
{
	size_t nbytes = h->mapped - h->nbytes, dirty = h->dirty;

	if (!nbytes)
		return 0;
	huge_count_kept(-(intptr_t)(dirty - h->nbytes));
	h->dirty = h->nbytes;
	KEEP_ORDER();
	h->mapped = h->nbytes;
	if (os_unmap(h->mem + h->nbytes, nbytes))
		return nbytes;
	h->mapped += nbytes;
	KEEP_ORDER();
	h->dirty = dirty;
	huge_count_kept((intptr_t)(dirty - h->nbytes));
	return 0;
}

size_t huge_unmap_free(void)
{
	size_t unmapped = huge_purge(SIZE_MAX);

	lock_acquire(&huge_lock);
	list_for_each (l, &huge_table.in_use)
		unmapped += cut_room(huge_of_link(l));
	lock_release(&huge_lock);
	return unmapped;
}

/* The object has nbytes from now on, which are mapped. */
static void set_size(struct huge *h, size_t nbytes)
{
	size_t room = h->dirty - h->nbytes, dirty = h->dirty > nbytes ? h->dirty : nbytes;

	if (nbytes > h->dirty && nbytes <= HUGE_KEPT_MOST)
		retain_faults(nbytes - h->dirty);
	huge_count_use(0, (intptr_t)(nbytes - h->nbytes));
	huge_count_kept((intptr_t)(dirty - nbytes - room));
	h->dirty = dirty;
	KEEP_ORDER();
	store_relaxed(&h->nbytes, nbytes);
}

/* Grows into the room, of which another thread may purge what is dirty. */
static bool grow_into_room(struct huge *h, size_t nbytes)
{
	bool fits;

	lock_acquire(&huge_lock);
	fits = nbytes >= h->nbytes && nbytes <= h->mapped;
	if (fits)
		set_size(h, nbytes);
	lock_release(&huge_lock);
	return fits;
}

/* The object is out of use while its mapping changes. */
static bool resize_mapping(struct huge *h, size_t nbytes)
{
	bool done;

	lock_acquire(&huge_lock);
	huge_leave_use(h);
	lock_release(&huge_lock);
	done = huge_remap(h, nbytes);
	lock_acquire(&huge_lock);
	if (done) {
		if (nbytes > h->dirty && nbytes <= HUGE_KEPT_MOST)
			retain_faults(nbytes - h->dirty);
		h->dirty = nbytes;
		store_relaxed(&h->nbytes, nbytes);
	}
	huge_enter_use(h);
	lock_release(&huge_lock);
	return done;
}

void *huge_resize(struct huge *h, size_t nbytes)
{
	nbytes = align_up(nbytes, os_page_size());
	if (nbytes == h->nbytes || grow_into_room(h, nbytes) || resize_mapping(h, nbytes))
		return h->mem;
	return NULL;
}

/* A signal handler that interrupted the thread with the lock cannot look. */
struct huge *huge_around(const void *mem)
{
	struct huge *found = NULL;

	if (lock_held(&huge_lock))
		return NULL;
	lock_acquire(&huge_lock);
	list_for_each (l, &huge_table.in_use)
		if ((uintptr_t)mem - (uintptr_t)huge_of_link(l)->mem < huge_of_link(l)->nbytes)
			found = huge_of_link(l);
	lock_release(&huge_lock);
	return found;
}

size_t huge_kept_around(const void *mem, const char **ret_start)
{
	size_t nbytes = 0;

	if (lock_held(&huge_lock))
		return 0;
	lock_acquire(&huge_lock);
	list_for_each (l, &huge_table.kept) {
		const struct huge *h = huge_of_link(l);

		if ((uintptr_t)mem - (uintptr_t)h->mem >= h->mapped)
			continue;
		nbytes = h->mapped;
		*ret_start = h->mem;
	}
	lock_release(&huge_lock);
	return nbytes;
}

void huge_sizes(struct huge_sizes *ret_sizes)
{
	lock_acquire(&huge_lock);
	*ret_sizes = huge_table.sizes;
	lock_release(&huge_lock);
}
