/*
 * The hot path: one malloc, one free.
 *
 * malloc takes the object that was freed last from the magazine that the fast
 * bin of its granule points to; else the first one of the slab behind it.  free
 * finds the magazine by the hot word of the page, and puts the object there; a full
 * one is emptied by half into the slabs first.  Each is checked on the way, always: that the
 * next free object lies in the slab; that the pointer is the start of an object
 * of a slab; that it is not free already.  What is not quite so goes to the
 * slow path, which sorts out the cases: each `slow` below is a tail call.
 */
#pragma once

#include "arena/arena.h"
#include "arena/magazine.h"
#include "base/check.h"

/* The first object of a slab, when another is behind it that is one; else NULL. */
ALWAYS_INLINE struct object *fast_take(struct slab *s, bool or_last)
{
	struct object *o = s->free, *next;

	IN_REGISTER(o); /* the result's, from the start */
	next = slab_next(s, o);
	if (!CONFIG_CHECKS && slab_is_end(s, o))
		return NULL;
	if (IS_WRONG(!slab_in_extent(s, next)) && !(or_last && slab_is_end(s, next)))
		return NULL;
	if (IS_WRONG(o->key != slab_mark(o)))
		return NULL;
	s->free = next;
	o->key = 0;
	s->tag.live++;
	return o;
}

/* granule is below FAST_GRANULES. */
ALWAYS_INLINE void *arena_take(const struct door *door, size_t req, size_t granule,
			       void *(*slow)(size_t))
{
	struct magazine *m = door->fast[granule];
	struct object *o = magazine_take(m);

	if (!o)
		o = fast_take(m->slab, false);
	if (UNLIKELY(!o))
		return slow(req);
	left_by(arena_mine);
	return o;
}

/* `counted` is for what is to be counted first, and takes the rest of the hot path after that. */
ALWAYS_INLINE void *arena_malloc(const struct door *door, size_t req,
				 void *(*counted)(size_t req, size_t granule),
				 void *(*slow)(size_t))
{
	/* Wraps to 0 near SIZE_MAX, where magazine_none is. */
	size_t granule = (req + GRANULE - 1) / GRANULE;

	if (LIKELY(granule < load_hot(&fast_limit)))
		return arena_take(door, req, granule, slow);
	return granule < load_hot(&fast_limit_counted) ? counted(req, granule) : slow(req);
}

/* The same by class, for hot sizes beyond the fast bins' and for the slow path's first try; the
   last object of a list is taken too.  NULL: there is none to give. */
ALWAYS_INLINE void *arena_malloc_by_class(size_t req)
{
	struct magazine *m;
	struct object *o;

	if (req - 1 >= CLASS_SIZE_MAX || !load_hot(&fast_limit) || !hot_mine.side)
		return NULL;
	m = magazine_at(hot_mine.side, class_of(req));
	if (!m->slab)
		return NULL;
	o = magazine_take(m);
	if (!o)
		o = fast_take(m->slab, true);
	left_by(arena_mine);
	return o;
}

/* Whether an object in use of this arena's slabs holds req bytes as it is, with not half of it wasted.
   A page with a hot word is not withdrawn: the mark alone tells a free object. */
ALWAYS_INLINE bool arena_stays_in_place(const void *mem, size_t req)
{
	const struct slab *s = (const struct slab *)pagemap_get(mem);

	return pagemap_hot(mem) && s->owner == arena_mine && slab_starts_object(s, mem) &&
	       req <= s->size && req >= s->size / 2 && req &&
	       !IS_WRONG(((const struct object *)mem)->key == slab_mark(mem));
}

/* `full` is for what is an object, but finds the magazine full. */
ALWAYS_INLINE void arena_free(const struct door *door, void *mem, void (*full)(void *),
			      void (*slow)(void *))
{
	uint32_t hot = pagemap_hot(mem), accepted = door->accepted;
	struct magazine *m;
	struct object *o = mem;
	uint64_t mark;

	if (UNLIKELY(!(accepted >> hot % HOT_WHO_MOST & 1))) /* 0 is accepted by none */
		return slow(mem);
	m = magazine_named(hot_mine.side, hot);
	if (UNLIKELY(CONFIG_CHECKS ? !magazine_is_object(m, mem) : !m->limit)) /* 0 before it is ready */
		return slow(mem);
	mark = slab_mark(o);
	if (IS_WRONG(o->key == mark))
		return slow(mem);
	if (UNLIKELY(!magazine_push(m, o, mark)))
		return full(mem);
	left_by(arena_mine);
}
