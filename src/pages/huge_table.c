/* Huge objects in use and kept mappings; see huge_table.h. */
#include "pages/huge_table.h"

struct lock huge_lock = LOCK_INIT(LOCK_HUGE);

struct huge_table huge_table = {
	.in_use = {&huge_table.in_use, &huge_table.in_use},
	.kept = {&huge_table.kept, &huge_table.kept},
};

struct pool huge_pool = POOL_INIT(struct huge);

/* Whether b begins where a ends, and both are not too much to be kept. */
static bool adjoins(const struct huge *a, const struct huge *b)
{
	return a->dirty == a->mapped && a->mem + a->mapped == b->mem &&
	       a->dirty + b->dirty <= HUGE_KEPT_MOST;
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
	a->dirty += b->dirty;
	a->mapped += b->mapped;
	pool_free(&huge_pool, b);
	return a;
}

void huge_list_kept(struct huge *h)
{
	struct huge *other;

	while ((other = neighbour(h))) {
		huge_unlist_kept(other);
		h = join(h, other);
	}
	h->nbytes = h->dirty;
	list_push(&huge_table.kept, &h->link);
	huge_count_kept((intptr_t)h->dirty);
}

/* Takes a mapping, which is on no list, into use; huge lock. */
void *huge_enter_use(struct huge *h)
{
	h->tag.kind = KIND_HUGE;
	list_push(&huge_table.in_use, &h->link);
	huge_count_use(1, (intptr_t)h->nbytes);
	if (h->dirty > h->nbytes)
		huge_count_kept((intptr_t)(h->dirty - h->nbytes));
	pagemap_set(h->mem, PAGE_SIZE, &h->tag);
	return h->mem;
}

/* Takes it out of use: nobody finds it, nor purges what is behind it; huge lock. */
void huge_leave_use(struct huge *h)
{
	pagemap_set(h->mem, PAGE_SIZE, NULL);
	list_remove(&h->link);
	huge_count_use(-1, -(intptr_t)h->nbytes);
	if (h->dirty > h->nbytes)
		huge_count_kept(-(intptr_t)(h->dirty - h->nbytes));
}
