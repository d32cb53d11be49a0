/* What magazines and the depot hold; see cached.h. */
#include "observe/cached.h"

#include "cache/caches.h"
#include "cache/depot.h"

/* Another thread may just be changing the array: then the magazine counts as empty. */
static UNSYNCHRONIZED void visit_magazine(const struct magazine *m,
					  void (*visit)(const struct object *o, void *arg),
					  void *arg)
{
	size_t capacity = load_relaxed(&m->capacity);
	struct object **none = load_relaxed(&m->none), **end = load_relaxed(&m->end);
	size_t n = (size_t)(load_relaxed(&m->last) - none);
	size_t leaving = (size_t)(none + capacity - end);

	if (load_relaxed(&m->none) != none)
		return;
	for (size_t i = 1; n <= MAGAZINE_MOST && i <= n; i++)
		visit(none[i], arg);
	for (size_t i = 1; leaving <= MAGAZINE_MOST && i <= leaving; i++)
		visit(end[i], arg);
}

void cached_visit(void (*visit)(const struct object *o, void *arg), void *arg)
{
	for (struct cache *c = NULL; (c = cache_next(c));)
		for (unsigned sc = 0; sc < CLASSES; sc++)
			if (cache_magazine(c, sc))
				visit_magazine(cache_magazine(c, sc), visit, arg);
	depot_visit(visit, arg);
}
