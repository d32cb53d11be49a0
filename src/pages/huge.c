/* Objects with mappings of their own; see huge.h. */
#include "pages/huge.h"

#include "base/bits.h"
#include "base/check.h"
#include "os/lock.h"
#include "os/os.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/zone.h"

static struct {
	struct lock lock;
	struct link in_use, kept; /* kept: the oldest is last */
	struct huge_sizes sizes;  /* G2 */
} table = {
	.lock = LOCK_INIT(LOCK_HUGE),
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
	s->nbytes += (size_t)nbytes;
	if (s->count > s->most_count)
		s->most_count = s->count;
	if (s->nbytes > s->most_nbytes)
		s->most_nbytes = s->nbytes;
	retain_add_live(nbytes);
}

static void count_kept(intptr_t nbytes)
{
	table.sizes.kept += (size_t)nbytes;
	retain_add(nbytes);
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

/* The best of the kept mappings, off the list; NULL: none. */
static struct huge *take_kept(size_t nbytes, size_t alignment)
{
	struct huge *best = NULL;
	unsigned looks = LOOKS;

	lock_acquire(&table.lock);
	list_for_each (l, &table.kept) {
		struct huge *h = of_link(l);

		if (is_aligned((uintptr_t)h->mem, alignment) && is_better(h, best, nbytes))
			best = h;
		if (--looks == 0)
			break;
	}
	if (best) {
		list_remove(&best->link);
		count_kept(-(intptr_t)best->nbytes);
	}
	lock_release(&table.lock);
	return best;
}

/* A freed mapping is kept as far as the rule allows. */
static void keep(struct huge *h)
{
	lock_acquire(&table.lock);
	list_push(&table.kept, &h->link);
	count_kept((intptr_t)h->nbytes);
	lock_release(&table.lock);
}

static char *map_once(size_t nbytes, size_t alignment)
{
	char *mem = alignment > os_page_size() ? os_map_aligned(nbytes, alignment, OS_HUGE)
					       : os_map(nbytes, OS_HUGE);

	if (mem && !pagemap_reserve(mem, PAGE_SIZE)) {
		os_unmap(mem, nbytes);
		return NULL;
	}
	return mem;
}

/* Where addresses run short, what loam keeps goes back first. */
static char *map(size_t nbytes, size_t alignment)
{
	char *mem = map_once(nbytes, alignment);

	if (!mem && huge_purge(SIZE_MAX) + zone_unmap_free() > 0)
		mem = map_once(nbytes, alignment);
	return mem;
}

static struct huge *map_new(size_t nbytes, size_t alignment)
{
	struct huge *h = pool_alloc(&huges);

	if (!h)
		return NULL;
	h->mem = map(nbytes, alignment);
	h->nbytes = nbytes;
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

	if (h->nbytes - nbytes <= nbytes / 8)
		return;
	rest = pool_alloc(&huges);
	if (!rest)
		return;
	rest->mem = h->mem + nbytes;
	rest->nbytes = h->nbytes - nbytes;
	h->nbytes = nbytes;
	keep(rest);
}

/* The object's pages moved to a new mapping, which is given back when that fails. */
static char *move(struct huge *h, size_t nbytes)
{
	char *mem = map(nbytes, os_page_size());

	if (mem && !os_remap_onto(h->mem, h->nbytes, mem, nbytes)) {
		os_unmap(mem, nbytes);
		return NULL;
	}
	return mem;
}

/* A kept mapping made to fit: too large a one is split, too small a one is moved to where there is
   room; so what it holds in RAM is used again. */
static struct huge *reuse(size_t nbytes, size_t alignment)
{
	struct huge *h = take_kept(nbytes, alignment);
	char *mem;

	if (!h)
		return NULL;
	if (h->nbytes >= nbytes) {
		split(h, nbytes);
		return h;
	}
	mem = alignment <= os_page_size() ? move(h, nbytes) : NULL;
	if (!mem) {
		keep(h);
		return NULL;
	}
	retain_faults(nbytes - h->nbytes);
	h->mem = mem;
	h->nbytes = nbytes;
	return h;
}

static void enter_use(struct huge *h)
{
	h->tag.kind = KIND_HUGE;
	lock_acquire(&table.lock);
	list_push(&table.in_use, &h->link);
	count_use(1, (intptr_t)h->nbytes);
	table.sizes.made++;
	pagemap_set(h->mem, PAGE_SIZE, &h->tag);
	lock_release(&table.lock);
}

void *huge_alloc(size_t nbytes, size_t alignment, bool *zero)
{
	struct huge *h;

	nbytes = align_up(nbytes, os_page_size());
	h = *zero || nbytes > HUGE_KEPT_MOST ? NULL : reuse(nbytes, alignment);
	*zero = !h;
	if (!h)
		h = map_new(nbytes, alignment);
	if (!h)
		return NULL;
	enter_use(h);
	return h->mem;
}

static size_t unmap(struct huge *h)
{
	size_t nbytes = h->nbytes;

	os_unmap(h->mem, nbytes);
	pool_free(&huges, h);
	return nbytes;
}

void huge_free(struct huge *h)
{
	size_t excess;

	lock_acquire(&table.lock);
	pagemap_set(h->mem, PAGE_SIZE, NULL);
	list_remove(&h->link);
	count_use(-1, -(intptr_t)h->nbytes);
	lock_release(&table.lock);
	if (h->nbytes > HUGE_KEPT_MOST) {
		unmap(h);
		return;
	}
	keep(h);
	excess = retain_excess();
	if (excess)
		retain_purged(huge_purge(excess));
}

size_t huge_purge(size_t nbytes)
{
	size_t purged = 0;

	while (purged < nbytes) {
		struct huge *h = NULL;

		lock_acquire(&table.lock);
		if (!list_empty(&table.kept)) {
			h = of_link(table.kept.prev);
			list_remove(&h->link);
			count_kept(-(intptr_t)h->nbytes);
		}
		lock_release(&table.lock);
		if (!h)
			break;
		purged += unmap(h);
	}
	return purged;
}

void *huge_resize(struct huge *h, size_t nbytes)
{
	char *old_mem = h->mem, *mem = old_mem;

	nbytes = align_up(nbytes, os_page_size());
	if (nbytes == h->nbytes)
		return mem;
	lock_acquire(&table.lock);
	pagemap_set(old_mem, PAGE_SIZE, NULL);
	lock_release(&table.lock);
	if (!os_remap(old_mem, h->nbytes, nbytes, false))
		mem = move(h, nbytes);
	lock_acquire(&table.lock);
	if (mem) {
		h->mem = mem;
		count_use(0, (intptr_t)(nbytes - h->nbytes));
		store_relaxed(&h->nbytes, nbytes);
	}
	pagemap_set(h->mem, PAGE_SIZE, &h->tag);
	lock_release(&table.lock);
	return mem;
}

struct huge *huge_around(const void *mem)
{
	struct huge *found = NULL;

	lock_acquire(&table.lock);
	list_for_each (l, &table.in_use)
		if ((uintptr_t)mem - (uintptr_t)of_link(l)->mem < of_link(l)->nbytes)
			found = of_link(l);
	lock_release(&table.lock);
	return found;
}

void huge_sizes(struct huge_sizes *ret_sizes)
{
	lock_acquire(&table.lock);
	*ret_sizes = table.sizes;
	lock_release(&table.lock);
}

bool huge_check(void)
{
	size_t count = 0, nbytes = 0;
	bool ok = true;

	lock_acquire(&table.lock);
	list_for_each (l, &table.in_use) {
		struct huge *h = of_link(l);

		ok &= expect_eq("G1", (uintptr_t)pagemap_get(h->mem), (uintptr_t)h);
		count++;
		nbytes += h->nbytes;
	}
	ok &= expect_eq("G2", count, table.sizes.count);
	ok &= expect_eq("G2", nbytes, table.sizes.nbytes);
	lock_release(&table.lock);
	return ok;
}

bool huge_locked(void)
{
	return lock_held(&table.lock);
}

void huge_prefork(void)
{
	lock_prefork(&table.lock);
}

void huge_postfork(void)
{
	lock_postfork(&table.lock);
}

void huge_recover(void)
{
	if (!lock_recover(&table.lock))
		return;
	list_init(&table.in_use);
	list_init(&table.kept);
	table.sizes = (struct huge_sizes){0};
}
