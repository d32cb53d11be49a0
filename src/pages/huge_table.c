/* Huge objects in use and kept mappings; see huge_table.h. */
#include "pages/huge_table.h"

#include "base/bits.h"
#include "pages/hugetlb.h"

struct lock huge_lock = LOCK_INIT(LOCK_HUGE);

struct huge_table huge_table = {
	.in_use = {&huge_table.in_use, &huge_table.in_use},
	.kept = {&huge_table.kept, &huge_table.kept},
	.purged = {&huge_table.purged, &huge_table.purged},
};

struct pool huge_pool = POOL_INIT(struct huge);

/* Whether b begins where a ends, and both are not too much to be kept. */
static bool adjoins(const struct huge *a, const struct huge *b)
{
	return !a->reserved && !b->reserved && a->dirty == a->mapped &&
	       a->mem + a->mapped == b->mem && a->dirty + b->dirty <= HUGE_KEPT_MOST;
}

/* The kept mapping that begins where h ends, or ends where it begins; NULL: there is none. */
static struct huge *neighbour(const struct huge *h)
{
	unsigned looks = HUGE_LOOKS;

	list_for_each (l, &huge_table.kept) {
		if (adjoins(h, huge_of_link(l)) || adjoins(huge_of_link(l), h))
			return huge_of_link(l);
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
	ASSERT(a->mem + a->mapped == b->mem);
	ASSERT(a->dirty == a->mapped && !pagemap_get(a->mem) && !pagemap_get(b->mem));
	a->dirty += b->dirty;
	a->mapped += b->mapped;
	pool_free(&huge_pool, b);
	return a;
}

void huge_list_kept(struct huge *h)
{
	struct huge *other;

	ASSERT(lock_held(&huge_lock));
	ASSERT(h->dirty <= h->mapped && h->dirty <= HUGE_KEPT_MOST);
	ASSERT(!pagemap_get(h->mem));
	while ((other = neighbour(h))) {
		huge_unlist_kept(other);
		h = join(h, other);
	}
	huge_list_alone(h);
}

void huge_list_alone(struct huge *h)
{
	ASSERT(lock_held(&huge_lock) && h->dirty <= HUGE_KEPT_MOST && !pagemap_get(h->mem));
	h->nbytes = h->dirty;
	list_push(h->dirty ? &huge_table.kept : &huge_table.purged, &h->link);
	huge_count_kept((intptr_t)h->dirty);
}

void huge_list_oldest(struct huge *h)
{
	ASSERT(lock_held(&huge_lock) && h->dirty && !pagemap_get(h->mem));
	h->nbytes = h->dirty;
	list_push_back(&huge_table.kept, &h->link);
	huge_count_kept((intptr_t)h->dirty);
}

void *huge_enter_use(struct huge *h)
{
	ASSERT(lock_held(&huge_lock));
	ASSERT(h->nbytes && h->nbytes <= h->dirty && h->dirty <= h->mapped && !pagemap_get(h->mem));
	h->tag.kind = KIND_HUGE;
	store_relaxed(&h->in_use, true);
	list_push(&huge_table.in_use, &h->link);
	huge_count_use(1, (intptr_t)h->nbytes);
	huge_count_rooms((intptr_t)(h->dirty - h->nbytes));
	pagemap_set(h->mem, PAGE_SIZE, &h->tag);
	return h->mem;
}

void huge_leave_use(struct huge *h)
{
	ASSERT(lock_held(&huge_lock));
	ASSERT(pagemap_get(h->mem) == &h->tag);
	ASSERT(huge_table.sizes.count && h->nbytes <= h->dirty && h->dirty <= h->mapped); /* G3 */
	pagemap_set(h->mem, PAGE_SIZE, NULL);
	store_relaxed(&h->in_use, false);
	list_remove(&h->link);
	huge_count_use(-1, -(intptr_t)h->nbytes);
	huge_count_rooms(-(intptr_t)(h->dirty - h->nbytes));
}

/* The table, of which the sums that G2 is of are made anew; its lists are not to be followed. */
static COLD struct huge_table sum_up(void)
{
	struct huge_table t = huge_table;
	struct huge_sizes *s = &t.sizes;

	s->count = s->nbytes = t.rooms = 0;
	list_for_each (l, &huge_table.in_use) {
		s->count++;
		s->nbytes += huge_of_link(l)->nbytes;
		t.rooms += huge_of_link(l)->dirty - huge_of_link(l)->nbytes;
	}
	s->kept = t.rooms;
	list_for_each (l, &huge_table.kept)
		s->kept += huge_of_link(l)->dirty;
	return t;
}

static COLD bool check_reserved(const struct huge *h)
{
	return expect_eq("G4", h->reserved && !is_aligned(h->mapped, HUGETLB_PAGE), false);
}

static COLD bool check_kept(const struct huge *h, bool dirty)
{
	return expect_eq("G3", h->nbytes == h->dirty && h->dirty <= h->mapped, true) &
	       expect_eq("G3", h->dirty != 0, dirty) & check_reserved(h);
}

bool huge_check(void)
{
	struct huge_table sums;
	bool ok = true;

	lock_acquire(&huge_lock);
	list_for_each (l, &huge_table.in_use) {
		struct huge *h = huge_of_link(l);

		ok &= expect_eq("G1", (uintptr_t)pagemap_get(h->mem), (uintptr_t)h);
		ok &= expect_eq("G3", h->nbytes <= h->dirty && h->dirty <= h->mapped, true);
		ok &= expect_eq("G4", h->reserved && h->nbytes != h->dirty, false);
		ok &= check_reserved(h);
	}
	list_for_each (l, &huge_table.kept)
		ok &= check_kept(huge_of_link(l), true);
	list_for_each (l, &huge_table.purged)
		ok &= check_kept(huge_of_link(l), false);
	sums = sum_up();
	ok &= expect_eq("G2", sums.sizes.kept, huge_table.sizes.kept);
	ok &= expect_eq("G2", sums.sizes.count, huge_table.sizes.count);
	ok &= expect_eq("G2", sums.sizes.nbytes, huge_table.sizes.nbytes);
	ok &= expect_eq("G2", sums.rooms, huge_table.rooms);
	lock_release(&huge_lock);
	return ok;
}

/* What has no tag is an object that was being taken into use, or out of it: nobody has it. */
static COLD void keep_untagged(void)
{
	struct link *l = huge_table.in_use.next, *next;

	for (; l != &huge_table.in_use; l = next) {
		struct huge *h = huge_of_link(l);

		next = l->next;
		if (pagemap_get(h->mem) == &h->tag)
			continue;
		list_remove(l);
		if (h->dirty > HUGE_KEPT_MOST)
			continue; /* its addresses are lost */
		h->nbytes = h->dirty;
		list_push(&huge_table.kept, l);
	}
}

void huge_recover(void)
{
	struct huge_sizes before = huge_table.sizes;
	struct huge_table sums;

	list_repair(&huge_table.in_use);
	list_repair(&huge_table.kept);
	list_repair(&huge_table.purged);
	keep_untagged();
	sums = sum_up();
	huge_table.sizes = sums.sizes;
	huge_table.rooms = sums.rooms;
	retain_add_live((intptr_t)(huge_table.sizes.nbytes - before.nbytes));
	retain_add((intptr_t)(huge_table.sizes.kept - before.kept));
}
