/* Frees that wait; see deferred.h. */
#include "cache/deferred.h"

#include "os/check.h"

struct object *deferred_first; /* atomic */

/* Links lie in the objects' own memory, and so are encoded. */
static uintptr_t encoded(const struct object *o, uintptr_t link)
{
	return link ^ ~slab_mark(o);
}

void deferred_add(void *mem, bool is_of_slab)
{
	struct object *o = mem, *first = load_relaxed(&deferred_first);

	ASSERT(is_aligned((uintptr_t)mem, GRANULE)); /* deferred_has() looks at no other */
	o->key = is_of_slab ? slab_mark(o) : deferred_mark(o);
	do
		o->link = encoded(o, (uintptr_t)first);
	while (!__atomic_compare_exchange_n(&deferred_first, &first, o, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED));
}

struct object *deferred_take(void)
{
	return __atomic_exchange_n(&deferred_first, NULL, __ATOMIC_ACQUIRE);
}

struct object *deferred_next(struct object *o)
{
	o->key = 0;
	return (struct object *)encoded(o, o->link);
}
