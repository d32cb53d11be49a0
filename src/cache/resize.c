/* Sizes of objects, and resizing in place; see resize.h. */
#include "cache/resize.h"

#include "arena/early.h"
#include "cache/alloc.h"
#include "cache/bad_pointer.h"
#include "cache/deferred.h"
#include "cache/upkeep.h"
#include "os/check.h"
#include "pages/huge.h"

bool cache_is_in_use(struct slab *s, const struct object *o, const char *call)
{
	if (UNLIKELY(!slab_starts_object(s, o))) {
		cache_report_bad(o, &s->tag, call);
		return false;
	}
	if (LIKELY(!slab_is_free(s, o)))
		return true;
	cache_report_double_free(o, &s->tag, call);
	return false;
}

/* 0, and reported, for what is no chunk in use, or waits to be freed. */
static size_t chunk_usable_in(const struct heap *h, const void *mem, const char *call)
{
	size_t usable = chunk_usable_for(mem, call);

	if (LIKELY(!usable || !deferred_has(mem)))
		return usable;
	cache_report_double_free(mem, &h->tag, call);
	return 0;
}

/* Whether a run or a huge object is among the deferred frees; reports a double free then. */
static LATER bool is_waiting(const void *mem, const struct descriptor *tag, const char *call)
{
	bool waits = !tag->guarded && deferred_has(mem);

	if (waits)
		cache_report_double_free(mem, tag, call);
	return waits;
}

size_t cache_usable(const void *mem, struct descriptor *tag, const char *call)
{
	ASSERT(tag->kind > KIND_NONE && tag->kind < KINDS);
	/* Another thread may be freeing a huge one. */
	ASSERT(tag->kind == KIND_HUGE || pagemap_get(mem) == tag);
	switch (tag->kind) {
	case KIND_SLAB:
		return cache_is_in_use((struct slab *)tag, mem, call) ? ((struct slab *)tag)->size
								      : 0;
	case KIND_HEAP:
		return chunk_usable_in((struct heap *)tag, mem, call);
	case KIND_RUN:
		if (((struct run *)tag)->mem != mem || ((struct run *)tag)->kept)
			break;
		if (((struct run *)tag)->usable && UNLIKELY(!run_fences_hold((struct run *)tag)))
			run_report_fence((struct run *)tag);
		if (UNLIKELY(load_hot(&deferred_first)) && is_waiting(mem, tag, call))
			return 0;
		return run_usable((struct run *)tag);
	case KIND_HUGE:
		if (((struct huge *)tag)->mem != mem)
			break;
		if (UNLIKELY(load_hot(&deferred_first)) && is_waiting(mem, tag, call))
			return 0;
		return load_relaxed(&((struct huge *)tag)->nbytes);
	case KIND_EARLY:
		return early_usable(mem);
	}
	cache_report_bad(mem, tag, call);
	return 0;
}

/* Whether req bytes may stay in an object of that many: it fits, and not half is wasted. */
static bool stays(size_t usable, size_t req)
{
	return req <= usable && req >= usable / 2;
}

static bool resize_chunk(struct heap *h, void *mem, size_t req, size_t usable)
{
	struct arena *a = h->owner->arena;
	bool resized;

	if (req > usable && cache_wants_pages(req))
		return false;
	if (!ring_lock_this(a))
		return stays(usable, req);
	resized = heap_resize(&a->chunks, mem, req);
	ring_unlock(a);
	return resized;
}

/* What would be small for a run or a mapping moves. */
static bool resize_run(struct cache *c, struct run *run, size_t req)
{
	struct arena *a;
	bool moves = false;

	ASSERT(!run->kept);
	if (req < smaller(options.mmap_threshold, HEAP_MAX_REQ) / 2)
		return false;
	if (run_pages_behind((uintptr_t)run->mem % PAGE_SIZE, req) > run->npages) {
		a = ring_lock(&c->arena);
		moves = a && runs_have_room(&a->runs, run);
		if (a)
			ring_unlock(a);
	}
	return !moves && run_resize(run, req);
}

static void *resize_huge(struct cache *c, struct huge *h, size_t req)
{
	size_t before = h->nbytes;
	void *mem;

	if ((req <= RUN_MAX / 2 && req < before / 2) || (h->reserved && req > h->mapped))
		return NULL;
	mem = huge_resize(h, req);
	for (unsigned step = 0; UNLIKELY(!mem) && step < RECLAIM_STEPS; step++) {
		cache_reclaim(c, req, step);
		mem = huge_resize(h, req);
	}
	cache_make_way(c, minus(req, before));
	return mem;
}

static void *resize(struct cache *c, void *mem, struct descriptor *tag, size_t req, size_t usable)
{
	bool stayed = false;

	if (tag->kind == KIND_HUGE)
		return resize_huge(c, (struct huge *)tag, req);
	if (tag->kind == KIND_HEAP)
		stayed = resize_chunk((struct heap *)tag, mem, req, usable);
	else if (tag->kind == KIND_RUN)
		stayed = resize_run(c, (struct run *)tag, req);
	else if (tag->kind == KIND_SLAB)
		stayed = stays(usable, req);
	return stayed ? mem : NULL;
}

void *cache_resize(void *mem, struct descriptor *tag, size_t req, size_t *ret_usable)
{
	struct cache *c;
	void *resized;

	*ret_usable = cache_usable(mem, tag, "realloc");
	if (!*ret_usable)
		return NULL;
	c = cache_enter(); /* a signal handler in the middle of it is served elsewhere */
	if (!c)
		return NULL;
	resized = resize(c, mem, tag, req, *ret_usable);
	ASSERT(!resized || resized == mem || tag->kind == KIND_HUGE); /* which alone may move */
	if (!resized && tag->kind == KIND_HEAP) {
		*ret_usable = 0;
		if (chunk_is_in_use(mem)) /* else heap_resize() has reported it */
			*ret_usable = chunk_usable(mem);
	}
	if (UNLIKELY(!resized && tag->kind == KIND_HUGE && pagemap_get(mem) != tag)) {
		cache_report_double_free(mem, NULL, "realloc"); /* another thread was first */
		*ret_usable = 0;
	}
	cache_leave(c);
	return resized;
}
