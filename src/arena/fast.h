/*
 * The hot path: one malloc, one free.
 *
 * malloc takes the first object of the slab that the fast bin of its granule
 * points to.  free finds the slab by the page map and puts the object back.
 * Each is checked on the way, always: that the next free object lies in the
 * slab; that the pointer is the start of an object of this slab; that it is
 * not free already.  What is not quite so goes to the slow path, which sorts
 * out the cases: each `slow` below is a tail call.
 */
#pragma once

#include "arena/arena.h"

ALWAYS_INLINE void *arena_malloc(size_t req, void *(*slow)(size_t))
{
	size_t granule = (req + GRANULE - 1) / GRANULE; /* wraps to 0 near SIZE_MAX: slab_none */
	struct slab *s;
	struct object *o, *next;

	if (UNLIKELY(granule >= load_hot(&fast_limit)))
		return slow(req);
	s = arena_mine->fast[granule];
	o = s->free;
	IN_REGISTER(o); /* the result's, from the start */
	next = slab_next(s, o);
	if (UNLIKELY(!slab_in_extent(s, next)))
		return slow(req);
	s->free = next;
	o->key = 0;
	s->tag.live++;
	left_by(arena_mine);
	return o;
}

/* The same by class, for hot sizes beyond the fast bins' and for the slow path's first try; the
   last object of a list is taken too.  NULL: the class is not hot, or its slab has none to give. */
ALWAYS_INLINE void *arena_malloc_by_class(size_t req)
{
	struct slab *s;
	struct object *o, *next;

	if (req - 1 >= CLASS_SIZE_MAX || !load_hot(&fast_limit) || !arena_mine->hot)
		return NULL;
	s = arena_mine->hot->current[class_of(req)];
	if (!s)
		return NULL;
	o = s->free;
	next = slab_next(s, o);
	if (!slab_in_extent(s, next) && !slab_is_end(s, next))
		return NULL;
	s->free = next;
	o->key = 0;
	s->tag.live++;
	left_by(arena_mine);
	return o;
}

/* Whether an object of this arena's slabs holds req bytes as it is, with not half of it wasted. */
ALWAYS_INLINE bool arena_stays_in_place(const void *mem, size_t req)
{
	const struct slab *s = (const struct slab *)pagemap_get(mem);

	return s && load_relaxed(&s->tag.hot) == arena_mine && slab_starts_object(s, mem) &&
	       req <= s->size && req >= s->size / 2 && req;
}

ALWAYS_INLINE void arena_free(void *mem, void (*slow)(void *))
{
	struct slab *s = (struct slab *)pagemap_get(mem);
	struct object *o = mem;
	uint64_t secret;
	bool event;

	if (UNLIKELY(!s))
		return slow(mem);
	if (UNLIKELY(load_relaxed(&s->tag.hot) != arena_mine))
		return slow(mem);
	if (UNLIKELY(!slab_starts_object(s, mem)))
		return slow(mem);
	secret = s->secret;
	if (UNLIKELY(o->key == secret))
		return slow(mem);
	slab_push(s, o, secret);
	event = --s->tag.live == 0;
	left_by(arena_mine);
	if (UNLIKELY(event))
		arena_slab_event(mem, s);
}
