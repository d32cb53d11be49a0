/* The slow path of free; see free.h. */
#include "cache/free.h"

#include "cache/bad_pointer.h"
#include "cache/deferred.h"
#include "cache/depot.h"
#include "cache/resize.h"
#include "cache/shared_pages.h"
#include "cache/upkeep.h"
#include "os/check.h"
#include "pages/huge.h"
#include "report/report.h"

/* The older half of a magazine goes to other threads, or home. */
static void spill_oldest(struct magazine *m)
{
	uint32_t n = magazine_surplus(m);
	bool to_others = n && !m->packs && depot_put(m->sc, m->none + 1, n);

	if (!to_others)
		cache_give_home(m->none + 1, n);
	magazine_drop(m, n);
	magazine_learn_to_give(m, to_others);
}

/* Makes room in a full magazine: what leaves it goes home, and if that is little, what it holds
   gives way. */
static void spill(struct cache *c, struct magazine *m)
{
	uint32_t leaving;

	if (UNLIKELY(load_relaxed(&shared_pages_due)))
		shared_pages_note_full();
	cache_shut_doors();
	ASSERT(mine.libc.magazines != c->magazines->magazine); /* the doors are shut */
	leaving = magazine_leaving(m);
	if (leaving)
		cache_send_leaving(m);
	if (leaving <= magazine_capacity(m) / 2)
		spill_oldest(m);
	ASSERT_SLOW(magazine_check(m));
	cache_open_doors(c);
}

static LATER bool put_leaving(struct magazine *m, struct object *o)
{
	return magazine_push_leaving(m, o, slab_mark(o));
}

static bool put(struct magazine *m, struct object *o)
{
	return UNLIKELY(m->packs) ? put_leaving(m, o) : magazine_push(m, o, slab_mark(o));
}

static void push(struct cache *c, struct magazine *m, struct object *o)
{
	ASSERT(((const struct slab *)pagemap_get(o))->class == m->sc &&
	       !slab_has_free((const struct slab *)pagemap_get(o), o));
	cache_pay_if_owed(c);
	while (!put(m, o)) { /* a signal handler may fill it again */
		spill(c, m);
		if (magazine_capacity(m))
			continue;
		slab_set_marks(o);
		cache_give_home(&o, 1);
		return;
	}
}

static void release_object(struct cache *c, struct slab *s, struct object *o, const char *call)
{
	struct magazine *m = cache_magazine(c, s->class);

	if (!cache_is_in_use(s, o, call))
		return;
	if (UNLIKELY(load_relaxed(&shared_pages_closed)) && shared_pages_give(s, o))
		return;
	if (!m)
		m = cache_learn(c, s->class);
	if (m) {
		push(c, m, o);
		return;
	}
	slab_set_marks(o);
	cache_give_home(&o, 1);
}

/* What belongs to an arena that is retired is lost. */
static void release_chunk(struct heap *h, void *mem, const char *call)
{
	struct arena *a = h->owner->arena;

	if (UNLIKELY(deferred_has(mem)) && !cache_usable(mem, &h->tag, call))
		return;
	if (!ring_lock_this(a))
		return;
	heap_free(&a->chunks, mem);
	ring_unlock(a);
}

static void keep_run(struct cache *c, struct run *run)
{
	struct arena *a = ring_lock(&c->arena);

	if (UNLIKELY(!a)) {
		run_free(run);
		return;
	}
	if (runs_keep(&a->runs, run) && load_relaxed(&ring_surplus) != a)
		store_release(&ring_surplus, a);
	ring_unlock(a);
}

static void release(struct cache *c, struct descriptor *tag, void *mem, const char *call)
{
	if (LIKELY(tag->kind == KIND_HEAP))
		release_chunk((struct heap *)tag, mem, call);
	else if (tag->kind == KIND_SLAB)
		release_object(c, (struct slab *)tag, mem, call);
	else if (tag->kind == KIND_HUGE && ((struct huge *)tag)->mem == mem) {
		if (UNLIKELY(!huge_free((struct huge *)tag)))
			cache_report_double_free(mem, NULL, call);
	} /* else it was reported, or is early */
	else if (cache_usable(mem, tag, call) && tag->kind == KIND_RUN)
		keep_run(c, (struct run *)tag);
}

/* In a signal handler that interrupted its thread inside loam. */
static LATER void defer(struct descriptor *tag, void *mem, const char *call)
{
	if (tag->kind == KIND_EARLY || !cache_usable(mem, tag, call))
		return;
	ASSERT(mine.inside);
	if (deferred_has(mem))
		cache_report_double_free(mem, tag, call);
	else
		deferred_add(mem, tag->kind == KIND_SLAB);
}

/* Frees what waits. mem may be among it, or its slab or heap given back after it: its tag, NULL if
   there is none now. */
static LATER struct descriptor *free_deferred(struct cache *c, const void *mem)
{
	struct object *next;

	for (struct object *o = deferred_take(); o; o = next) {
		struct descriptor *tag = pagemap_get(o);

		if (UNLIKELY(!tag))
			report_corruption("corrupted list of freed objects",
					  (struct report_about){.mem = o});
		next = deferred_next(o);
		release(c, tag, o, "free");
	}
	return pagemap_get(mem);
}

bool cache_release_full(void *mem)
{
	struct slab *s = (struct slab *)pagemap_get(mem);
	struct cache *c = UNLIKELY(load_relaxed(&deferred_first)) ? NULL : cache_enter();

	ASSERT(s->tag.kind == KIND_SLAB && slab_starts_object(s, mem));
	if (UNLIKELY(!c))
		return false;
	cache_tick(c);
	push(c, cache_magazine(c, s->class), mem);
	cache_leave(c);
	return true;
}

void cache_release(void *mem, struct descriptor *tag, const char *call)
{
	struct cache *c = cache_enter();

	if (UNLIKELY(!c)) {
		defer(tag, mem, call);
		return;
	}
	cache_tick(c);
	if (UNLIKELY(load_relaxed(&deferred_first)))
		tag = free_deferred(c, mem);
	if (LIKELY(tag))
		release(c, tag, mem, call);
	else
		cache_report_bad(mem, NULL, call);
	cache_leave(c);
}
