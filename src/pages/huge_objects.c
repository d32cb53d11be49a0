/* Huge objects handed out, resized, freed; see huge.h. */
#include "pages/huge.h"

#include "base/bits.h"
#include "os/check.h"
#include "os/os.h"
#include "pages/huge_map.h"
#include "pages/huge_table.h"
#include "pages/hugetlb.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/zone.h"

/* What the caller of reuse() needs: any bytes, zeros, or room to grow. */
enum use { PLAIN, ZEROED, GROWING };

/* The largest object that can be a kept mapping. */
static size_t reused_most(enum use use)
{
	return use == ZEROED ? HUGE_LARGE : HUGE_KEPT_MOST;
}

/* `more` bytes of an object of nbytes are not in RAM. They were not purged in vain where it would
   have taken no kept mapping. */
static NOINLINE void note_faults(size_t nbytes, size_t more, enum use use)
{
	if (nbytes <= reused_most(use))
		retain_faults(more);
	else
		retain_note_taken();
}

/* Whether a is the better start for an object of nbytes: the smallest that holds it, else the
   largest. */
static bool is_better(const struct huge *a, const struct huge *b, size_t nbytes)
{
	if (!b)
		return true;
	return b->nbytes >= nbytes ? a->nbytes >= nbytes && a->nbytes < b->nbytes
				   : a->nbytes > b->nbytes;
}

/* Whether a kept mapping can become an object of nbytes. A reserved one stays as large as it is.
   For zeros nbytes of it must be dirty: clearing would fault in untouched pages. */
static bool serves(const struct huge *h, size_t nbytes, size_t alignment, enum use use)
{
	if (!is_aligned((uintptr_t)h->mem, alignment) || (use == ZEROED && h->dirty < nbytes))
		return false;
	if (!h->dirty && h->mapped < nbytes) /* nothing in RAM is worth a move */
		return false;
	return LIKELY(!h->reserved) ||
	       (use != GROWING && h->mapped >= nbytes && h->mapped - nbytes <= nbytes / 2);
}

/* The best of a list; NULL: none.  Huge lock. */
static struct huge *best_of(const struct link *list, size_t nbytes, size_t alignment, enum use use)
{
	struct huge *best = NULL;
	unsigned looks = HUGE_LOOKS;

	ASSERT(lock_held(&huge_lock));
	list_for_each (l, list) {
		struct huge *h = huge_of_link(l);

		if (serves(h, nbytes, alignment, use) && is_better(h, best, nbytes))
			best = h;
		if (--looks == 0)
			break;
	}
	return best;
}

/* The best of the kept mappings, those that are purged last, off its list; NULL: none. */
static struct huge *take_kept(size_t nbytes, size_t alignment, enum use use)
{
	struct huge *best = best_of(&huge_table.kept, nbytes, alignment, use);

	if (!best)
		best = best_of(&huge_table.purged, nbytes, alignment, use);
	if (best)
		huge_unlist_kept(best);
	return best;
}

/* What is over nbytes, which is more than a little, becomes a kept mapping of its own. */
static void split(struct huge *h, size_t nbytes)
{
	struct huge *rest;

	ASSERT(nbytes && nbytes <= h->dirty && is_aligned(nbytes, os_page_size()));
	if (h->reserved)
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
	huge_keep(rest);
}

static void *hand_out_locked(struct huge *h)
{
	ASSERT(is_aligned((uintptr_t)h->mem | h->nbytes, os_page_size()));
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
	huge_unlock();
	return mem;
}

/* How much of a kept mapping an object that grows gets: all, but of a much larger one a part. */
static size_t growing_most(size_t nbytes)
{
	return larger(8 * nbytes, HUGE_LARGE);
}

/* A kept mapping is made to fit: too large a one is split, too small a one is moved to where there
   is room; so what it holds in RAM is used again.  NULL, and it is kept on, if that cannot be. */
static struct huge *fit(struct huge *h, size_t nbytes, size_t alignment, enum use use)
{
	if (h->dirty >= nbytes) {
		split(h, use == GROWING ? smaller(growing_most(nbytes), h->dirty) : nbytes);
		if (use == GROWING)
			h->nbytes = nbytes;
		return h;
	}
	if (nbytes > h->mapped && (alignment > os_page_size() || !huge_move(h, nbytes))) {
		huge_keep(h);
		return NULL;
	}
	note_faults(nbytes, nbytes - h->dirty, use);
	h->nbytes = h->dirty = nbytes;
	return h;
}

/* An object of a kept mapping; NULL: there is none. */
static void *reuse(size_t nbytes, size_t alignment, enum use use)
{
	bool grows = use == GROWING;
	void *mem = NULL;
	struct huge *h;

	if (nbytes > reused_most(use))
		return NULL;
	lock_acquire(&huge_lock);
	h = take_kept(nbytes, alignment, use);
	if (h && h->dirty >= nbytes &&
	    h->dirty <= (grows ? growing_most(nbytes) : nbytes + nbytes / 8)) {
		h->nbytes = grows ? nbytes : h->dirty;
		mem = hand_out_locked(h);
	}
	huge_unlock();
	return mem || !h ? mem : hand_out(fit(h, nbytes, alignment, use));
}

static struct huge *map_new(size_t nbytes, size_t alignment, size_t mapped, enum use use)
{
	struct huge *h = huge_map(nbytes, alignment, mapped);

	if (h)
		note_faults(nbytes, nbytes, use);
	return h;
}

static struct huge *map_reserved(size_t nbytes, size_t alignment)
{
	return UNLIKELY(hugetlb_wanted) ? huge_map_reserved(nbytes, alignment) : NULL;
}

void *huge_alloc(size_t nbytes, size_t alignment, bool *zero)
{
	enum use use = *zero ? ZEROED : PLAIN;
	struct huge *h;
	size_t claim;
	void *mem;

	ASSERT(nbytes && nbytes <= PTRDIFF_MAX && is_power_of_two(alignment));
	nbytes = align_up(nbytes, os_page_size());
	claim = retain_claim(nbytes);
	if (claim == RETAIN_REFUSED)
		return NULL;
	mem = reuse(nbytes, alignment, use);
	*zero = !mem;
	if (!mem) {
		h = map_reserved(nbytes, alignment);
		mem = hand_out(h ? h : map_new(nbytes, alignment, nbytes, use));
	}
	retain_unclaim(claim);
	return mem;
}

void *huge_alloc_with_room(size_t nbytes)
{
	size_t claim;
	void *mem;

	ASSERT(nbytes && nbytes <= PTRDIFF_MAX);
	nbytes = align_up(nbytes, os_page_size());
	claim = retain_claim(nbytes);
	if (claim == RETAIN_REFUSED)
		return NULL;
	mem = reuse(nbytes, PAGE_SIZE, GROWING);
	if (!mem)
		mem = hand_out(map_new(nbytes, PAGE_SIZE, huge_with_room(nbytes), GROWING));
	retain_unclaim(claim);
	return mem;
}

bool huge_free(struct huge *h)
{
	size_t nbytes, excess;
	bool kept;

	ASSERT(h->tag.kind == KIND_HUGE && !lock_held(&huge_lock));
	lock_acquire(&huge_lock);
	if (UNLIKELY(!h->in_use)) {
		huge_unlock();
		return false;
	}
	huge_leave_use(h);
	nbytes = h->dirty;
	kept = nbytes <= HUGE_LARGE || (nbytes <= HUGE_KEPT_MOST && !zone_is_scarce());
	if (kept)
		huge_list_kept(h);
	huge_unlock();
	if (!kept) {
		huge_unmap(h);
		return true;
	}
	excess = retain_excess();
	if (excess)
		retain_purged(huge_purge(retain_step(excess, nbytes)));
	return true;
}

/* The object has nbytes from now on, which are mapped. */
static void set_size(struct huge *h, size_t nbytes)
{
	size_t room = h->dirty - h->nbytes, dirty = larger(h->dirty, nbytes);

	ASSERT(lock_held(&huge_lock));
	ASSERT(nbytes <= h->mapped);
	if (nbytes > h->dirty)
		note_faults(nbytes, nbytes - h->dirty, GROWING);
	huge_count_use(0, (intptr_t)(nbytes - h->nbytes));
	huge_count_rooms((intptr_t)(dirty - nbytes - room));
	h->dirty = dirty;
	KEEP_ORDER();
	store_relaxed(&h->nbytes, nbytes);
}

/* Grows into the room, of which another thread may purge what is dirty. */
static bool grow_into_room(struct huge *h, size_t nbytes)
{
	bool fits;

	lock_acquire(&huge_lock);
	fits = h->in_use && nbytes >= h->nbytes && nbytes <= h->mapped;
	if (fits)
		set_size(h, nbytes);
	huge_unlock();
	return fits;
}

/* The object is out of use while its mapping changes. */
static bool resize_mapping(struct huge *h, size_t nbytes)
{
	size_t held = 0;
	bool done;

	lock_acquire(&huge_lock);
	done = h->in_use;
	if (done) {
		held = retain_hold(h->nbytes);
		huge_leave_use(h);
	}
	huge_unlock();
	if (!done)
		return false;
	done = huge_remap(h, nbytes);
	lock_acquire(&huge_lock);
	if (done) {
		if (nbytes > h->dirty)
			note_faults(nbytes, nbytes - h->dirty, GROWING);
		h->dirty = nbytes;
		store_relaxed(&h->nbytes, nbytes);
	}
	huge_enter_use(h);
	huge_unlock();
	retain_unclaim(held);
	return done;
}

void *huge_resize(struct huge *h, size_t nbytes)
{
	size_t claim;
	bool done;

	ASSERT(nbytes && h->tag.kind == KIND_HUGE);
	nbytes = align_up(nbytes, os_page_size());
	claim = nbytes > h->nbytes ? retain_claim(nbytes - h->nbytes) : 0;
	if (claim == RETAIN_REFUSED)
		return NULL;
	done = nbytes != h->nbytes && (grow_into_room(h, nbytes) || resize_mapping(h, nbytes));
	retain_unclaim(claim);
	if (done)
		return h->mem;
	/* Where the system refuses, the object stays as it is, which serves fewer bytes. */
	return nbytes <= h->nbytes && load_relaxed(&h->in_use) ? h->mem : NULL;
}

static struct huge *around(const struct link *list, const void *mem, bool kept)
{
	struct huge *found = NULL;

	list_for_each (l, list) {
		struct huge *h = huge_of_link(l);

		if ((uintptr_t)mem - (uintptr_t)h->mem < (kept ? h->mapped : h->nbytes))
			found = h;
	}
	return found;
}

struct huge *huge_around(const void *mem, bool kept)
{
	struct huge *found;

	if (lock_held(&huge_lock))
		return NULL;
	lock_acquire(&huge_lock);
	found = around(kept ? &huge_table.kept : &huge_table.in_use, mem, kept);
	if (kept && !found)
		found = around(&huge_table.purged, mem, kept);
	lock_release(&huge_lock);
	return found;
}

void huge_visit(void (*visit)(const struct huge *h, bool kept, void *arg), void *arg)
{
	lock_acquire(&huge_lock);
	list_for_each (l, &huge_table.in_use)
		visit(huge_of_link(l), false, arg);
	list_for_each (l, &huge_table.kept)
		visit(huge_of_link(l), true, arg);
	list_for_each (l, &huge_table.purged)
		visit(huge_of_link(l), true, arg);
	lock_release(&huge_lock);
}

void huge_sizes(struct huge_sizes *ret_sizes)
{
	lock_acquire(&huge_lock);
	*ret_sizes = huge_table.sizes;
	lock_release(&huge_lock);
}
