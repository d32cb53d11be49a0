/* Which magazines pack, and how what leaves them goes home; see magazine.h. */
#include "cache/cache.h"
#include "os/check.h"

/* Whether an object that goes home may help its slab to become empty: a sixth of that is free, and
   the magazine was not filled from it last. */
static bool helps(const struct magazine *m, const struct object *o)
{
	const struct slab *s = cache_slab_of(o);

	return s && ((uintptr_t)o ^ (uintptr_t)m->none[1]) > m->mask &&
	       slab_objects_out(s) < s->capacity - s->capacity / 6;
}

/* Whether no more than an eighth of what leaves helps: what lies in sparse slabs stays there. */
static bool leaves_in_vain(const struct magazine *m)
{
	uint32_t n = magazine_leaving(m), helping = 0;

	for (uint32_t i = 1; i <= n; i++)
		helping += helps(m, m->end[i]);
	return helping <= n / 8;
}

void cache_send_leaving(struct magazine *m)
{
	ASSERT(mine.libc.magazines != m - m->sc - 1); /* the doors are shut */
	magazine_note_batch(m, leaves_in_vain(m));
	cache_give_home(m->end + 1, magazine_leaving(m));
	magazine_drop_leaving(m);
}

void cache_learn_to_pack(struct cache *c)
{
	struct arena *a = load_acquire(&c->arena);

	if (!c->magazines || !a || !ring_try(a))
		return;
	for (unsigned sc = 0; sc < CLASSES; sc++) {
		struct magazine *m = cache_magazine(c, sc);

		if (m)
			magazine_learn_to_pack(m, a->slabs && slabs_look(a->slabs, sc));
	}
	ring_unlock(a);
}
