/*
 * The hot path: one malloc, one free.
 *
 * malloc takes the object that was freed last from the magazine that the fast
 * bin of its granule points to; else the first one of the slab behind it.  free
 * finds the slab by the page map, and puts the object into the magazine, or if
 * that is full back into the slab.  Each is checked on the way, always: that the
 * next free object lies in the slab; that the pointer is the start of an object
 * of this slab; that it is not free already.  What is not quite so goes to the
 * slow path, which sorts out the cases: each `slow` below is a tail call.
 */
#pragma once

#include "arena/arena.h"
#include "arena/magazine.h"

/* The first object of a slab, when another is behind it that is one; else NULL. */
ALWAYS_INLINE struct object *fast_take(struct slab *s, bool or_last)
{
	struct object *o = s->free, *next;

	IN_REGISTER(o); /* the result's, from the start */
	next = slab_next(s, o);
	if (UNLIKELY(!slab_in_extent(s, next)) && !(or_last && slab_is_end(s, next)))
		return NULL;
	s->free = next;
	o->key = 0;
	s->tag.live++;
	return o;
}

ALWAYS_INLINE void *arena_malloc(size_t req, void *(*slow)(size_t))
{
	/* Wraps to 0 near SIZE_MAX, where magazine_none is. */
	size_t granule = (req + GRANULE - 1) / GRANULE;
	struct magazine *m;
	struct object *o;

	if (UNLIKELY(granule >= load_hot(&fast_limit)))
		return slow(req);
	m = fast_mine[granule];
	o = magazine_take(m);
	if (!o)
		o = fast_take(m->slab, false);
	if (UNLIKELY(!o))
		return slow(req);
	left_by(arena_mine);
	return o;
}

/* The same by class, for hot sizes beyond the fast bins' and for the slow path's first try; the
   last object of a list is taken too.  NULL: there is none to give. */
ALWAYS_INLINE void *arena_malloc_by_class(size_t req)
{
	struct magazine *m;
	struct object *o;

	if (req - 1 >= CLASS_SIZE_MAX || !load_hot(&fast_limit))
		return NULL;
	m = magazine_at(hot_mine, class_of(req));
	if (!m->slab)
		return NULL;
	o = magazine_take(m);
	if (!o)
		o = fast_take(m->slab, true);
	left_by(arena_mine);
	return o;
}

/* Whether an object of this arena's slabs holds req bytes as it is, with not half of it wasted. */
ALWAYS_INLINE bool arena_stays_in_place(const void *mem, size_t req)
{
	const struct slab *s = (const struct slab *)pagemap_get(mem);

	return s && load_relaxed(&s->tag.hot) != HOT_NOBODY && s->side == hot_mine &&
	       slab_starts_object(s, mem) && req <= s->size && req >= s->size / 2 && req;
}

ALWAYS_INLINE void arena_free(void *mem, void (*slow)(void *))
{
	struct slab *s = (struct slab *)pagemap_find(mem); /* zeroes fail each check */
	uintptr_t mine = (uintptr_t)hot_mine, hot = load_relaxed(&s->tag.hot);
	struct object *o = mem;
	uint64_t secret;
	bool event;

	if (UNLIKELY(!(hot & HOT_OPEN) && hot != mine))
		return slow(mem);
	if (UNLIKELY(!slab_starts_object(s, mem)))
		return slow(mem);
	secret = s->secret;
	if (UNLIKELY(o->key == secret))
		return slow(mem);
	IN_REGISTER(mine); /* and changed there */
	if (LIKELY(magazine_push((struct magazine *)(mine + s->magazine), o, secret)))
		return left_by(arena_mine);
	if (UNLIKELY((hot ^ (uintptr_t)hot_mine) > HOT_OPEN))
		return slow(mem);
	slab_push(s, o, secret);
	event = --s->tag.live == 0;
	left_by(arena_mine);
	if (UNLIKELY(event))
		arena_slab_event(mem, s);
}
