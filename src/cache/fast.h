/*
 * The fast path: one malloc, one free.
 *
 * malloc takes the newest object from the magazine that the fast bin of the request's granule
 * points to. free finds the magazine by the hot word of the object's page and puts the object
 * there, whichever thread allocated it. free always checks that the pointer is the start of an
 * object of a slab, and not free already. A magazine that packs is closed to it, and `closed` puts
 * the object where it goes home from. Everything else goes to the slow path: each `slow` below
 * is a tail call.
 */
#pragma once

#include "os/check.h"
#include "cache/cache.h"
#include "cache/deferred.h"

/* malloc from the fast bin of a granule, which is below FAST_GRANULES. */
ALWAYS_INLINE void *fast_take(const struct door *door, size_t req, size_t granule,
			      void *(*slow)(size_t))
{
	struct object *o = magazine_take(door->fast[granule]);

	if (UNLIKELY(!o))
		return slow(req);
	left_by(mine.cache);
	return o;
}

/* malloc. With sampling on it counts what is below fast_limit_counted, where is_shut is not true:
   `slow` must not count that, but look whether its count has ended. */
ALWAYS_INLINE void *fast_malloc(const struct door *door, size_t req, const bool *is_shut,
				void *(*slow)(size_t))
{
	/* Wraps to 0 near SIZE_MAX, where magazine_none is. */
	size_t granule = (req + GRANULE - 1) / GRANULE;

	if (UNLIKELY(granule >= load_hot(&fast_limit))) {
		if (granule >= load_hot(&fast_limit_counted) || (is_shut && *is_shut))
			return slow(req);
		if (!LIKELY((mine.until_profiled -= (int64_t)granule) >= 0))
			return slow(req);
	}
	return fast_take(door, req, granule, slow);
}

/* malloc for sizes beyond the fast bins, to CLASS_SIZE_MAX. NULL when the thread's magazine has
   none. */
ALWAYS_INLINE void *fast_malloc_by_class(const struct door *door, size_t req)
{
	struct magazine *m;
	struct object *o;

	if (req - 1 >= CLASS_SIZE_MAX || !load_hot(&fast_limit))
		return NULL;
	m = door->magazines + class_of(req) + 1;
	o = magazine_is_ready(m) ? magazine_take(m) : NULL;
	left_by(mine.cache);
	return o;
}

/* malloc at a multiple of `alignment`, a power of two. The objects of the class of a multiple of it
   are all aligned so (slab/classes.h). NULL as above. */
ALWAYS_INLINE void *fast_malloc_aligned(const struct door *door, size_t alignment, size_t req)
{
	/* Where that wraps it is 0, and no class has it. */
	return fast_malloc_by_class(door, align_up(req ? req : 1, alignment));
}

/* Whether an object may bear its mark; if so, the slow path looks whether it is free. Half of the
   mark is read: a load waits for a store of a part of what it reads, and a program often wrote four
   bytes there just before, as a count of references. */
ALWAYS_INLINE bool fast_may_be_marked(const struct object *o, uint64_t mark)
{
	return *(const uint32_t *)&o->key == (uint32_t)mark;
}

/* Whether mem is an object of a slab in use that holds req bytes with at most half of it wasted.
   The mark tells, since on a page with a hot word every free object bears it. */
ALWAYS_INLINE bool fast_stays_in_place(const void *mem, size_t req)
{
	struct descriptor *tag;
	const struct slab *s;

	if (!pagemap_hot_and_tag(mem, &tag))
		return false;
	s = (const struct slab *)tag;
	return slab_starts_object(s, mem) && req <= s->size && req >= s->size / 2 && req &&
	       !IS_WRONG(fast_may_be_marked(mem, slab_mark(mem)));
}

/* free of what a magazine does not take: slow(mem), unless it packs. */
typedef void free_into_closed(void *mem, struct magazine *m, void (*slow)(void *));

/* Frees mem, which is on an open page, into the magazine of the page's class. `full` is for what is
   an object, but finds the magazine full. */
ALWAYS_INLINE void fast_give(struct magazine *m, void *mem, free_into_closed *closed,
			     void (*full)(void *), void (*slow)(void *))
{
	struct object *o = mem;
	uint64_t mark;

	if (UNLIKELY(CONFIG_CHECKS ? !magazine_is_object(m, mem) : !m->limit))
		return closed(mem, m, slow);
	mark = slab_mark(o);
	if (IS_WRONG(fast_may_be_marked(o, mark)))
		return slow(mem);
	if (UNLIKELY(!magazine_push(m, o, mark)))
		return full(mem);
	left_by(mine.cache);
}

/* Frees mem, an object, that goes home. */
ALWAYS_INLINE void fast_give_leaving(struct magazine *m, void *mem, void (*full)(void *),
				     void (*slow)(void *))
{
	struct object *o = mem;
	uint64_t mark = slab_mark(o);

	if (IS_WRONG(fast_may_be_marked(o, mark)))
		return slow(mem);
	if (UNLIKELY(!magazine_push_leaving(m, o, mark)))
		return full(mem);
	left_by(mine.cache);
}

/* free. `closed` and `full` are as above. */
ALWAYS_INLINE void fast_free(const struct door *door, void *mem, free_into_closed *closed,
			     void (*full)(void *), void (*slow)(void *))
{
	size_t hot = pagemap_hot(mem);

	if (UNLIKELY(!hot)) /* `mine` cannot be read yet, perhaps */
		return slow(mem);
	fast_give((struct magazine *)((char *)door->magazines + hot), mem, closed, full, slow);
}

/* --- runs ------------------------------------------------------------------------------------ */

/* fast_enter() notes an address this far below its stack pointer. Where it refuses, the slow path
   runs next, with a stack pointer between the two: so cache_report_if_left() sees there that an
   earlier fast path was left at this depth. The fast path calls nothing that allocates, and the
   frame of a signal handler is larger than this. */
#define FAST_BELOW 256

/* cache_enter() for a fast path that locks the arena. NULL where that would be refused, or make a
   cache. */
ALWAYS_INLINE struct cache *fast_enter(void)
{
	struct cache *c = mine.cache;

	if (UNLIKELY(mine.inside || !c))
		return NULL;
	mine.inside = stack_pointer - FAST_BELOW;
	store_relaxed(&c->inside, true);
	KEEP_ORDER();
	return c;
}

/* In what follows `alone` is a constant: is_alone(), which the caller looks at, so that each of two
   functions has half of the branches. */

/* Locks the arena, if nobody has to wait. Alone, nobody else can lock it before fast_unlock(), and
   a signal handler is refused: so it need not be. */
ALWAYS_INLINE bool fast_lock(struct arena *a, bool alone)
{
	return alone ? load_hot(&a->lock.word) == LOCK_FREE : lock_take(&a->lock, 0);
}

/* Whether somebody waits for it. */
ALWAYS_INLINE bool fast_unlock(struct arena *a, bool alone)
{
	ASSERT_SLOW(arena_check_step(a));
	return !alone && lock_leave(&a->lock);
}

/* malloc from the run that the thread's arena kept last, if it fits npages. A small request gets
   an object that begins so far behind the start of its pages; the run of another has no fences. */
ALWAYS_INLINE void *fast_take_newest(size_t req, size_t npages, bool small, size_t lead, bool alone,
				     void *(*slow)(size_t))
{
	struct cache *c = fast_enter();
	struct run *run;
	struct arena *a;
	bool waited;

	if (UNLIKELY(!c))
		return slow(req);
	a = c->arena;
	if (UNLIKELY(!fast_lock(a, alone))) {
		cache_leave(c);
		return slow(req);
	}
	run = runs_take_newest(&a->runs, npages);
	if (UNLIKELY(!run))
		return cache_leave_then_alloc(c, alone ? NULL : &a->lock, req, slow);
	waited = fast_unlock(a, alone);
	cache_leave(c);
	ASSERT(small || !run->usable);
	if (UNLIKELY(waited) ||
	    (small && UNLIKELY(!run->usable || (uintptr_t)run->mem % PAGE_SIZE != lead)))
		return cache_wake_then_lay_out(waited ? &a->lock : NULL, run, lead, req);
	if (small) {
		run_unmark(run);
		run_set_size(run, req);
	}
	return run->mem;
}

/* malloc of more than RUN_MARKED_PAGES: no kept run with fences has as many. */
ALWAYS_INLINE void *fast_take_run(size_t req, bool alone, void *(*slow)(size_t))
{
	return fast_take_newest(req, run_pages(req), false, 0, alone, slow);
}

/* malloc of at most RUN_MARKED_PAGES. */
ALWAYS_INLINE void *fast_take_small_run(size_t req, bool alone, void *(*slow)(size_t))
{
	size_t lead = run_lead(req, RUN_ALIGN);

	return fast_take_newest(req, run_pages_behind(lead, req), true, lead, alone, slow);
}

/* The thread's arena keeps a run, if no other run must go, and no upkeep is due; else the slow
   path. */
ALWAYS_INLINE void fast_keep_run(void *mem, struct run *run, bool alone, void (*slow)(void *mem))
{
	struct cache *c = fast_enter();
	struct arena *a;
	bool kept, waited;

	if (UNLIKELY(!c))
		return slow(mem);
	a = c->arena;
	if (UNLIKELY(load_hot(&c->ticks) == UINT8_MAX || !fast_lock(a, alone))) {
		cache_leave(c);
		return slow(mem);
	}
	add_hot(&c->ticks, 1);
	kept = runs_push(&a->runs, run);
	waited = fast_unlock(a, alone);
	cache_leave(c);
	if (UNLIKELY(!kept))
		return cache_wake_then_free(waited ? &a->lock : NULL, mem, slow);
	if (UNLIKELY(waited))
		lock_wake(&a->lock);
}

/* free of a run. `fenced` is for one that has fences, and for one that is kept. */
ALWAYS_INLINE void fast_free_run(void *mem, struct run *run, bool alone,
				 void (*fenced)(void *mem, struct run *run),
				 void (*slow)(void *mem))
{
	/* Among the frees that wait may be one of the same run. */
	if (UNLIKELY(run->mem != mem || load_hot(&deferred_first)))
		return slow(mem);
	if (run->special)
		return fenced(mem, run);
	fast_keep_run(mem, run, alone, slow);
}

/* free of a run of which run->special is not 0. */
ALWAYS_INLINE void fast_free_fenced(void *mem, struct run *run, bool alone, void (*slow)(void *mem))
{
	if (UNLIKELY(run->kept || run->npages > RUN_MARKED_PAGES || !run_fences_hold(run)))
		return slow(mem);
	run_mark(run);
	fast_keep_run(mem, run, alone, slow);
}
