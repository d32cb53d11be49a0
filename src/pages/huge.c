/* Objects with mappings of their own; see huge.h. */
#include "pages/huge.h"

#include "base/bits.h"
#include "base/check.h"
#include "os/os.h"
#include "pages/metadata.h"
#include "pages/retain.h"

struct lock huge_lock = LOCK_INIT(LOCK_HUGE);

static struct {
	struct link in_use, kept; /* kept: the oldest is last */
	struct huge_sizes sizes;  /* G2 */
} table = {
	.in_use = {&table.in_use, &table.in_use},
	.kept = {&table.kept, &table.kept},
};

static struct pool huges = POOL_INIT(struct huge);

static struct huge *of_link(struct link *l)
{
	return container_of(l, struct huge, link);
}

static void count_use(intptr_t objects, intptr_t nbytes)
{
	struct huge_sizes *s = &table.sizes;

	s->count += (size_t)objects;
	retain_add_live_with(&s->nbytes, nbytes);
	if (s->count > s->most_count)
		s->most_count = s->count;
	if (s->nbytes > s->most_nbytes)
		s->most_nbytes = s->nbytes;
}

static void count_kept(intptr_t nbytes)
{
	retain_add_with(&table.sizes.kept, nbytes);
}

/* How many kept mappings are looked at. */
#define LOOKS 64

/* Whether a is the better start for an object of nbytes: the smallest that holds it, else the
   largest. */
static bool is_better(const struct huge *a, const struct huge *b, size_t nbytes)
{
	if (!b)
		return true;
	return b->nbytes >= nbytes ? a->nbytes >= nbytes && a->nbytes < b->nbytes
				   : a->nbytes > b->nbytes;
}

static void unlist_kept(struct huge *h)
{
	list_remove(&h->link);
	count_kept(-(intptr_t)h->dirty);
}

/* Whether b begins where a ends, and both are not too much to be kept. */
static bool adjoins(const struct huge *a, const struct huge *b)
{
	return a->dirty == a->mapped && a->mem + a->mapped == b->mem &&
	       a->dirty + b->dirty <= HUGE_KEPT_MOST;
}

/* The kept mapping that begins where h ends, or ends where it begins; NULL: there is none. */
static struct huge *neighbour(const struct huge *h)
{
	unsigned looks = LOOKS;

	list_for_each (l, &table.kept) {
		if (adjoins(h, of_link(l)) || adjoins(of_link(l), h))
			return of_link(l);
		if (--looks == 0)
			break;
	}
	return NULL;
}

/* Joins two mappings that are neighbours. */
static struct huge *join(struct huge *a, struct huge *b)
{
	if (a->mem > b->mem)
		return join(b, a);
	a->dirty += b->dirty;
	a->mapped += b->mapped;
	pool_free(&huges, b);
	return a;
}

static void list_kept(struct huge *h)
{
	struct huge *other;

	while ((other = neighbour(h))) {
		unlist_kept(other);
		h = join(h, other);
	}
	h->nbytes = h->dirty;
	list_push(&table.kept, &h->link);
	count_kept((intptr_t)h->dirty);
}

/* The best of the kept mappings, off the list; NULL: none.  Huge lock. */
static struct huge *take_kept(size_t nbytes, size_t alignment)
{
	struct huge *best = NULL;
	unsigned looks = LOOKS;

	list_for_each (l, &table.kept) {
		struct huge *h = of_link(l);

		if (is_aligned((uintptr_t)h->mem, alignment) && is_better(h, best, nbytes))
			best = h;
		if (--looks == 0)
			break;
	}
	if (best)
		unlist_kept(best);
	return best;
}

/* A mapping is kept as far as the rule allows. */
static void keep(struct huge *h)
{
	lock_acquire(&huge_lock);
	list_kept(h);
	lock_release(&huge_lock);
}

static char *map(size_t nbytes, size_t alignment)
{
	char *mem = alignment > os_page_size() ? os_map_aligned(nbytes, alignment, OS_HUGE)
					       : os_map(nbytes, OS_HUGE);

	if (mem && !pagemap_reserve(mem, PAGE_SIZE)) {
		os_unmap(mem, nbytes);
		return NULL;
	}
	return mem;
}

/* What is mapped for an object that grows. */
static size_t with_room(size_t nbytes)
{
	size_t room = os_memory_limit() == SIZE_MAX ? align_down(nbytes / 2, os_page_size()) : 0;

	return nbytes + room;
}

static struct huge *map_new(size_t nbytes, size_t alignment, size_t mapped)
{
	struct huge *h = pool_alloc(&huges);

	if (!h)
		return NULL;
	h->mem = map(mapped, alignment);
	if (!h->mem && mapped > nbytes) {
		mapped = nbytes;
		h->mem = map(nbytes, alignment);
	}
	h->nbytes = h->dirty = nbytes;
	h->mapped = mapped;
	if (!h->mem) {
		pool_free(&huges, h);
		return NULL;
	}
	if (nbytes <= HUGE_KEPT_MOST)
		retain_faults(nbytes);
	return h;
}

/* What is over nbytes becomes a kept mapping of its own, unless it is little. */
static void split(struct huge *h, size_t nbytes)
{
	struct huge *rest;

	if (h->dirty - nbytes <= nbytes / 8)
		return;
	rest = pool_alloc(&huges);
	if (!rest)
		return;
	rest->mem = h->mem + nbytes;
	if (!pagemap_reserve(rest->mem, PAGE_SIZE)) {
		pool_free(&huges, rest);
		return;
	}
	rest->dirty = h->dirty - nbytes;
	rest->mapped = h->mapped - nbytes;
	h->nbytes = h->dirty = h->mapped = nbytes;
	keep(rest);
}

/* The object's pages moved to a new mapping; NULL, and they are where they were, when that fails.
 */
static char *move_to(struct huge *h, size_t mapped)
{
	char *mem = map(mapped, os_page_size());

	if (mem && !os_remap_onto(h->mem, h->mapped, mem, mapped)) {
		os_unmap(mem, mapped);
		return NULL;
	}
	return mem;
}

/* Lets the system grow the mapping, wherever to: that takes addresses for what is added alone, where
   move_to() takes them for the old and the new mapping at once. */
static bool grow_anywhere(struct huge *h, size_t nbytes)
{
	void *spare = pagemap_spare();
	char *mem;

	if (!spare)
		return false;
	mem = os_remap(h->mem, h->mapped, nbytes, true);
	pagemap_reserve_page(mem, spare);
	if (!mem)
		return false;
	h->mem = mem;
	h->mapped = nbytes;
	return true;
}

/* Moves it to where nbytes fit, with room if there is some; its first page has no tag meanwhile. */
static bool move(struct huge *h, size_t nbytes)
{
	size_t mapped = with_room(nbytes);
	char *mem = move_to(h, mapped);

	if (!mem && mapped > nbytes)
		mem = move_to(h, mapped = nbytes);
	if (!mem)
		return grow_anywhere(h, nbytes);
	h->mem = mem;
	h->mapped = mapped;
	return true;
}

/* Takes a mapping, which is on no list, into use; huge lock. */
static void *enter_use(struct huge *h)
{
	h->tag.kind = KIND_HUGE;
	list_push(&table.in_use, &h->link);
	count_use(1, (intptr_t)h->nbytes);
	if (h->dirty > h->nbytes)
		count_kept((intptr_t)(h->dirty - h->nbytes));
	pagemap_set(h->mem, PAGE_SIZE, &h->tag);
	return h->mem;
}

/* Takes it out of use: nobody finds it, nor purges what is behind it; huge lock. */
static void leave_use(struct huge *h)
{
	pagemap_set(h->mem, PAGE_SIZE, NULL);
	list_remove(&h->link);
	count_use(-1, -(intptr_t)h->nbytes);
	if (h->dirty > h->nbytes)
		count_kept(-(intptr_t)(h->dirty - h->nbytes));
}

static void *hand_out_locked(struct huge *h)
{
	table.sizes.made++;
	return enter_use(h);
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
	if (nbytes > h->mapped && (alignment > os_page_size() || !move(h, nbytes))) {
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
	return mem ? mem : hand_out(map_new(nbytes, alignment, nbytes));
}

void *huge_alloc_with_room(size_t nbytes)
{
	void *mem;

	nbytes = align_up(nbytes, os_page_size());
	mem = reuse(nbytes, PAGE_SIZE, true);
	return mem ? mem : hand_out(map_new(nbytes, PAGE_SIZE, with_room(nbytes)));
}

static void unmap(struct huge *h)
{
	os_unmap(h->mem, h->mapped);
	pool_free(&huges, h);
}

void huge_free(struct huge *h)
{
	size_t excess;
	bool kept;

	lock_acquire(&huge_lock);
	leave_use(h);
	kept = h->dirty <= HUGE_KEPT_MOST;
	if (kept)
		list_kept(h);
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
	count_kept(-(intptr_t)nbytes);
	h->dirty = h->nbytes;
	return nbytes;
}

static size_t purge_rooms(size_t nbytes)
{
	size_t purged = 0;

	lock_acquire(&huge_lock);
	list_for_each (l, &table.in_use) {
		if (purged >= nbytes || !table.sizes.kept)
			break;
		purged += purge_room(of_link(l));
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
		if (!list_empty(&table.kept)) {
			h = of_link(table.kept.prev);
			unlist_kept(h);
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
	count_kept(-(intptr_t)(dirty - h->nbytes));
	h->dirty = h->nbytes;
	KEEP_ORDER();
	h->mapped = h->nbytes;
	if (os_unmap(h->mem + h->nbytes, nbytes))
		return nbytes;
	h->mapped += nbytes;
	KEEP_ORDER();
	h->dirty = dirty;
	count_kept((intptr_t)(dirty - h->nbytes));
	return 0;
}

size_t huge_unmap_free(void)
{
	size_t unmapped = huge_purge(SIZE_MAX);

	lock_acquire(&huge_lock);
	list_for_each (l, &table.in_use)
		unmapped += cut_room(of_link(l));
	lock_release(&huge_lock);
	return unmapped;
}

/* The object has nbytes from now on, which are mapped. */
static void set_size(struct huge *h, size_t nbytes)
{
	size_t room = h->dirty - h->nbytes, dirty = h->dirty > nbytes ? h->dirty : nbytes;

	if (nbytes > h->dirty && nbytes <= HUGE_KEPT_MOST)
		retain_faults(nbytes - h->dirty);
	count_use(0, (intptr_t)(nbytes - h->nbytes));
	count_kept((intptr_t)(dirty - nbytes - room));
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

static bool remap(struct huge *h, size_t nbytes)
{
	size_t mapped = nbytes > h->nbytes ? with_room(nbytes) : nbytes;

	if (!os_remap(h->mem, h->mapped, mapped, false))
		return nbytes > h->mapped && move(h, nbytes);
	h->mapped = mapped;
	return true;
}

/* The object is out of use while its mapping changes. */
static bool resize_mapping(struct huge *h, size_t nbytes)
{
	bool done;

	lock_acquire(&huge_lock);
	leave_use(h);
	lock_release(&huge_lock);
	done = remap(h, nbytes);
	lock_acquire(&huge_lock);
	if (done) {
		if (nbytes > h->dirty && nbytes <= HUGE_KEPT_MOST)
			retain_faults(nbytes - h->dirty);
		h->dirty = nbytes;
		store_relaxed(&h->nbytes, nbytes);
	}
	enter_use(h);
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
	list_for_each (l, &table.in_use)
		if ((uintptr_t)mem - (uintptr_t)of_link(l)->mem < of_link(l)->nbytes)
			found = of_link(l);
	lock_release(&huge_lock);
	return found;
}

size_t huge_kept_around(const void *mem, const char **ret_start)
{
	size_t nbytes = 0;

	if (lock_held(&huge_lock))
		return 0;
	lock_acquire(&huge_lock);
	list_for_each (l, &table.kept) {
		const struct huge *h = of_link(l);

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
	*ret_sizes = table.sizes;
	lock_release(&huge_lock);
}

bool huge_check(void)
{
	size_t count = 0, nbytes = 0, kept = 0;
	bool ok = true;

	lock_acquire(&huge_lock);
	list_for_each (l, &table.in_use) {
		struct huge *h = of_link(l);

		ok &= expect_eq("G1", (uintptr_t)pagemap_get(h->mem), (uintptr_t)h);
		ok &= expect_eq("G3", h->nbytes <= h->dirty && h->dirty <= h->mapped, true);
		count++;
		nbytes += h->nbytes;
		kept += h->dirty - h->nbytes;
	}
	list_for_each (l, &table.kept) {
		struct huge *h = of_link(l);

		ok &= expect_eq("G3", h->nbytes == h->dirty && h->dirty <= h->mapped, true);
		kept += h->dirty;
	}
	ok &= expect_eq("G2", kept, table.sizes.kept);
	ok &= expect_eq("G2", count, table.sizes.count);
	ok &= expect_eq("G2", nbytes, table.sizes.nbytes);
	lock_release(&huge_lock);
	return ok;
}

/* --- fork ---------------------------------------------------------------------------------- */

/* What has no tag is an object that was being taken into use, or out of it: nobody has it. */
static COLD void keep_untagged(void)
{
	struct link *l = table.in_use.next, *next;

	for (; l != &table.in_use; l = next) {
		struct huge *h = of_link(l);

		next = l->next;
		if (pagemap_get(h->mem) == &h->tag)
			continue;
		list_remove(l);
		if (h->dirty > HUGE_KEPT_MOST)
			continue; /* its addresses are lost */
		h->nbytes = h->dirty;
		list_push(&table.kept, l);
	}
}

static COLD void sum_up(void)
{
	struct huge_sizes *s = &table.sizes;

	s->count = s->nbytes = s->kept = 0;
	list_for_each (l, &table.in_use) {
		s->count++;
		s->nbytes += of_link(l)->nbytes;
		s->kept += of_link(l)->dirty - of_link(l)->nbytes;
	}
	list_for_each (l, &table.kept)
		s->kept += of_link(l)->dirty;
}

void huge_recover(void)
{
	struct huge_sizes before = table.sizes;

	list_repair(&table.in_use);
	list_repair(&table.kept);
	keep_untagged();
	sum_up();
	retain_add_live((intptr_t)(table.sizes.nbytes - before.nbytes));
	retain_add((intptr_t)(table.sizes.kept - before.kept));
}
