/* What becomes of a pointer that the program gives back or asks about: by the kind of its page. */
#include "arena/arena.h"

#include "arena/early.h"
#include "arena/hot.h"
#include "arena/magazine.h"
#include "arena/reclaim.h"
#include "arena/registry.h"
#include "arena/remote.h"
#include "arena/run_cache.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/options.h"
#include "pages/huge.h"
#include "pages/zone.h"

static struct report_about about_object(const struct slab *s, const void *mem)
{
	return (struct report_about){
		.mem = mem, .kind = "object", .usable = s->size, .arena = s->owner->number + 1};
}

/* Whether it is an object in use; else false, and reported. */
static bool check_in_use(const struct slab *s, const struct object *o, const char *call)
{
	if (UNLIKELY(!slab_starts_object(s, o))) {
		arena_report_bad(o, (struct descriptor *)&s->tag, call);
		return false;
	}
	if (LIKELY(!slab_is_free(s, o)))
		return true;
	report_double_free(call, about_object(s, o));
	return false;
}

static void release_object(struct arena *self, struct slab *s, struct object *o, const char *call)
{
	if (!check_in_use(s, o, call))
		return;
	if (s->owner == self) {
		hot_free(self, s, o);
		return;
	}
	if (magazine_keep(self, s, o))
		return;
	o->key = slab_mark(o);
	remote_free(self, s->owner, o, s->size);
}

/* The mark of a chunk that another thread freed, and which is in use until its owner sees it.  It
   is none of an object: that may be left where a slab was before. */
static uint64_t in_transit(const struct object *o)
{
	return ~slab_mark(o);
}

static bool is_in_transit(const struct object *o)
{
	return is_aligned((uintptr_t)o, GRANULE) && o->key == in_transit(o);
}

/* What the program may use of a chunk; 0, and reported, if it is none in use or on its way home. */
static size_t chunk_usable_in(const struct heap *h, const void *mem, const char *call)
{
	size_t usable = chunk_usable_for(mem, call);

	if (LIKELY(!usable || !is_in_transit(mem)))
		return usable;
	report_double_free(call, (struct report_about){.mem = mem,
						       .kind = "chunk",
						       .usable = usable,
						       .arena = h->owner->number});
	return 0;
}

static void release_chunk(struct arena *self, struct heap *h, void *mem, const char *call)
{
	size_t usable;

	if (h->owner == &self->chunks && !is_in_transit(mem)) {
		heap_free(&self->chunks, mem);
		return;
	}
	usable = chunk_usable_in(h, mem, call);
	if (!usable)
		return;
	((struct object *)mem)->key = in_transit(mem);
	remote_free(self, h->owner->arena, mem, usable);
}

static void release_run(struct arena *self, struct run *run, void *mem, const char *call)
{
	if (run->mem != mem)
		arena_report_bad(mem, &run->tag, call);
	else if (run->kept)
		report_double_free(call, (struct report_about){.mem = mem,
							       .kind = "run",
							       .usable = run_usable(run)});
	else
		run_cache_keep(self, run);
}

static void release(struct arena *self, struct descriptor *tag, void *mem, const char *call)
{
	switch (tag->kind) {
	case KIND_SLAB:
		release_object(self, (struct slab *)tag, mem, call);
		break;
	case KIND_HEAP:
		release_chunk(self, (struct heap *)tag, mem, call);
		break;
	case KIND_RUN:
		release_run(self, (struct run *)tag, mem, call);
		break;
	case KIND_HUGE:
		if (((struct huge *)tag)->mem != mem)
			arena_report_bad(mem, tag, call);
		else
			huge_free((struct huge *)tag);
		break;
	case KIND_EARLY:
		break;
	default:
		arena_report_bad(mem, tag, call);
	}
}

/* In a signal handler that interrupted the arena's use.  Runs and huge objects bear the mark of a chunk on
   its way home: nobody but this function looks at it there. */
static void defer(struct descriptor *tag, void *mem, const char *call)
{
	struct object *o = mem;

	if (tag->kind == KIND_EARLY || !arena_usable(mem, tag, call))
		return;
	if (is_in_transit(o)) {
		report_double_free(call, (struct report_about){.mem = mem});
		return;
	}
	o->key = tag->kind == KIND_SLAB ? slab_mark(o) : in_transit(o);
	remote_defer(mem);
}

void arena_release(void *mem, struct descriptor *tag, const char *call)
{
	struct arena *self = arena_enter();

	if (UNLIKELY(!self)) {
		defer(tag, mem, call);
		return;
	}
	arena_tick(self);
	release(self, tag, mem, call);
	arena_leave(self);
}

void arena_release_drained(struct arena *a, struct descriptor *tag, void *mem)
{
	struct slab *s = (struct slab *)tag;
	struct object *o = mem;

	if (tag->kind != KIND_SLAB) {
		if (tag->kind == KIND_HEAP && is_in_transit(o))
			o->key = 0;
		release(a, tag, mem, "free");
		return;
	}
	if (UNLIKELY(!slab_starts_object(s, o) || o->key != slab_mark(o)))
		report_corruption("corrupted list of freed objects", about_object(s, o));
	if (s->owner == a)
		hot_free(a, s, o);
	else
		remote_free(a, s->owner, o, s->size);
}

/* --- objects in use ------------------------------------------------------------------------ */

size_t arena_usable(const void *mem, struct descriptor *tag, const char *call)
{
	switch (tag->kind) {
	case KIND_SLAB:
		return check_in_use((struct slab *)tag, mem, call) ? ((struct slab *)tag)->size : 0;
	case KIND_HEAP:
		return chunk_usable_in((struct heap *)tag, mem, call);
	case KIND_RUN:
		if (((struct run *)tag)->mem == mem && !((struct run *)tag)->kept)
			return run_usable((struct run *)tag);
		break;
	case KIND_HUGE:
		if (((struct huge *)tag)->mem == mem)
			return load_relaxed(&((struct huge *)tag)->nbytes);
		break;
	case KIND_EARLY:
		return early_usable(mem);
	}
	arena_report_bad(mem, tag, call);
	return 0;
}

/* Whether req bytes may stay in an object of that many: it fits, and not half is wasted. */
static bool stays(size_t usable, size_t req)
{
	return req <= usable && req >= usable / 2;
}

static bool resize_chunk(struct heap *h, void *mem, size_t req)
{
	struct arena *self;
	bool resized;

	if (req >= options.mmap_threshold && req > chunk_usable_for(mem, "realloc"))
		return false;
	self = arena_enter();
	if (UNLIKELY(!self))
		return false;
	resized = h->owner == &self->chunks ? heap_resize(&self->chunks, mem, req)
					    : stays(chunk_usable_for(mem, "realloc"), req);
	arena_leave(self);
	return resized;
}

/* What would be small for a run or a mapping moves. */
static bool resize_run(struct run *run, size_t req)
{
	struct arena *self;
	bool resized;

	if (req < options.mmap_threshold / 2 ||
	    (req > run_usable(run) && run_cache_has_room(arena_mine, run)))
		return false;
	self = arena_enter(); /* a signal handler in the middle of it is served elsewhere */
	if (!self)
		return false;
	resized = run_resize(run, req);
	arena_leave(self);
	return resized;
}

static void *resize_huge(struct huge *h, size_t req)
{
	struct arena *self;
	void *mem;

	if (req <= RUN_MAX / 2 && req < h->nbytes / 2)
		return NULL;
	self = arena_enter();
	if (!self)
		return NULL;
	mem = huge_resize(h, req);
	for (unsigned step = 0; UNLIKELY(!mem) && step < RECLAIM_STEPS; step++) {
		reclaim(self, step);
		mem = huge_resize(h, req);
	}
	arena_leave(self);
	return mem;
}

static NOINLINE void *resize_any(void *mem, struct descriptor *tag, size_t req, size_t *ret_usable)
{
	bool stayed = false;

	*ret_usable = arena_usable(mem, tag, "realloc");
	if (!*ret_usable)
		return NULL;
	if (tag->kind == KIND_HUGE)
		return resize_huge((struct huge *)tag, req);
	if (tag->kind == KIND_HEAP)
		stayed = resize_chunk((struct heap *)tag, mem, req);
	else if (tag->kind == KIND_RUN)
		stayed = resize_run((struct run *)tag, req);
	else if (tag->kind == KIND_SLAB)
		stayed = stays(*ret_usable, req);
	return stayed ? mem : NULL;
}

void *arena_resize(void *mem, struct descriptor *tag, size_t req, size_t *ret_usable)
{
	struct heap *h = (struct heap *)tag;
	struct arena *self = arena_mine;
	bool resized;

	if (tag->kind != KIND_HEAP || h->owner != &self->chunks || req >= options.mmap_threshold ||
	    UNLIKELY(is_in_transit(mem)) || !arena_begin(self))
		return resize_any(mem, tag, req, ret_usable);
	resized = heap_resize(&self->chunks, mem, req);
	if (!resized) /* what is not in use was reported */
		*ret_usable = chunk_is_in_use(mem) ? chunk_size(chunk_of(mem)) - 8 : 0;
	arena_end(self);
	return resized ? mem : NULL;
}

/* --- reports ------------------------------------------------------------------------------- */

static void report_in_slab(const struct slab *s, const void *mem, const char *call)
{
	struct report_about about = about_object(s, mem);

	if ((uintptr_t)mem - s->base >= load_relaxed(&s->extent)) {
		report_unknown_pointer(call, (struct report_about){.mem = mem});
		return;
	}
	about.start = slab_object_around(s, mem);
	report_interior_pointer(call, about);
}

static void report_in_run(const struct run *run, const void *mem, const char *call)
{
	struct report_about about = {.mem = mem, .kind = "run", .usable = run_usable(run)};

	if (run->kept)
		about.state = "free";
	if (run->mem != mem)
		about.start = run->mem;
	if (run->mem != mem || !run->kept)
		report_interior_pointer(call, about);
	else
		report_double_free(call, about);
}

static void report_in_huge(const struct huge *h, const void *mem, const char *call)
{
	report_interior_pointer(call, (struct report_about){.mem = mem,
							    .kind = "huge object",
							    .usable = h->nbytes,
							    .start = h->mem});
}

/* Nothing of the page map's. */
static void report_untagged(const void *mem, const char *call)
{
	const char *start;
	size_t kept = huge_kept_around(mem, &start);
	struct report_about about = {.mem = mem, .usable = kept};

	if (kept || zone_is_free(mem))
		report_free_memory(call, about, kept && mem == start);
	else
		report_unknown_pointer(call, about);
}

void arena_report_bad(const void *mem, struct descriptor *tag, const char *call)
{
	struct huge *h = tag && tag->kind != KIND_HUGE ? NULL : huge_around(mem);
	unsigned kind = tag ? tag->kind : KIND_NONE;

	if (h)
		report_in_huge(h, mem, call);
	else if (tag && !is_aligned((uintptr_t)mem, GRANULE))
		report_misaligned_pointer(call, (struct report_about){.mem = mem});
	else if (kind == KIND_SLAB)
		report_in_slab((struct slab *)tag, mem, call);
	else if (kind == KIND_RUN)
		report_in_run((struct run *)tag, mem, call);
	else if (kind == KIND_METADATA)
		report_metadata_pointer(call, (struct report_about){.mem = mem});
	else if (!tag)
		report_untagged(mem, call);
	else
		report_unknown_pointer(call, (struct report_about){.mem = mem});
}
