/* Pages shared with the parent of a fork; see shared_pages.h. */
#include "cache/shared_pages.h"

#include "arena/ring.h"

bool shared_pages_due, shared_pages_closed;

void shared_pages_begin(void)
{
	store_relaxed(&shared_pages_due, true);
}

void shared_pages_close(void)
{
	store_relaxed(&shared_pages_due, false);
	store_relaxed(&shared_pages_closed, true);
	for (struct arena *a = NULL; (a = ring_next(a));) {
		if (!ring_lock_this(a))
			continue;
		if (a->slabs)
			slabs_close(a->slabs);
		ring_unlock(a);
	}
}

bool shared_pages_give(struct slab *s, const struct object *o)
{
	struct arena *a = s->owner;
	bool given;

	if (!ring_lock_this(a))
		return true; /* lost, as all that belongs to it */
	given = slabs_give_unmarked(a->slabs, s, o);
	ring_unlock(a);
	return given;
}
