/* What becomes of a pointer that the program gives back or asks about: by the kind of its page. */
#include "arena/arena.h"

#include "arena/early.h"
#include "arena/hot.h"
#include "arena/magazine.h"
#include "arena/registry.h"
#include "arena/remote.h"
#include "arena/run_cache.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/options.h"
#include "pages/huge.h"

static void check_object(const struct slab *s, const void *mem, const char *call)
{
	if (!slab_starts_object(s, mem))
		arena_report_bad(mem, (struct descriptor *)&s->tag, call);
}

static COLD _Noreturn void report_object_double_free(const struct slab *s, const void *mem,
						     const char *call)
{
	report_double_free(call,
			   (struct report_about){.mem = mem, .kind = "object", .usable = s->size});
}

static void release_object(struct arena *self, struct slab *s, struct object *o, const char *call)
{
	check_object(s, o, call);
	if (slab_is_withdrawn(s, o) || o->key == slab_mark(o))
		report_object_double_free(s, o, call);
	if (s->owner == self) {
		hot_free(self, s, o);
		return;
	}
	if (magazine_keep(self, s, o))
		return;
	o->key = slab_mark(o);
	remote_free(self, s->owner, o, s->size);
}

static void release_chunk(struct arena *self, struct heap *h, void *mem)
{
	if (h->owner == &self->chunks)
		heap_free(&self->chunks, mem);
	else
		remote_free(self, h->owner->arena, mem, chunk_usable(mem));
}

static void release_run(struct arena *self, struct run *run, void *mem, const char *call)
{
	if (run->mem != mem)
		arena_report_bad(mem, &run->tag, call);
	if (run->kept)
		report_double_free(call, (struct report_about){.mem = mem,
							       .kind = "run",
							       .usable = run_usable(run)});
	run_cache_keep(self, run);
}

static void release(struct arena *self, struct descriptor *tag, void *mem, const char *call)
{
	switch (tag->kind) {
	case KIND_SLAB:
		release_object(self, (struct slab *)tag, mem, call);
		break;
	case KIND_HEAP:
		release_chunk(self, (struct heap *)tag, mem);
		break;
	case KIND_RUN:
		release_run(self, (struct run *)tag, mem, call);
		break;
	case KIND_HUGE:
		if (((struct huge *)tag)->mem != mem)
			arena_report_bad(mem, tag, call);
		huge_free((struct huge *)tag);
		break;
	case KIND_EARLY:
		break;
	default:
		arena_report_bad(mem, tag, call);
	}
}

void arena_release(void *mem, struct descriptor *tag, const char *call)
{
	struct arena *self = arena_enter();

	if (UNLIKELY(!self)) {
		remote_defer(mem);
		return;
	}
	arena_tick(self);
	release(self, tag, mem, call);
	arena_leave(self);
}

void arena_release_drained(struct arena *a, void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	if (tag->kind == KIND_SLAB && ((struct slab *)tag)->owner == a)
		hot_free(a, (struct slab *)tag, mem);
	else
		release(a, tag, mem, "free");
}

/* --- objects in use ------------------------------------------------------------------------ */

size_t arena_usable(const void *mem, struct descriptor *tag, const char *call)
{
	switch (tag->kind) {
	case KIND_SLAB:
		check_object((struct slab *)tag, mem, call);
		return ((struct slab *)tag)->size;
	case KIND_HEAP:
		return chunk_usable(mem);
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

	if (req >= options.mmap_threshold && req > chunk_usable(mem))
		return false;
	self = arena_enter();
	if (UNLIKELY(!self))
		return false;
	resized = h->owner == &self->chunks ? heap_resize(&self->chunks, mem, req)
					    : stays(chunk_usable(mem), req);
	arena_leave(self);
	return resized;
}

/* What would be small for a run or a mapping moves. */
static bool resize_run(struct run *run, size_t req)
{
	if (req < options.mmap_threshold / 2 ||
	    (req > run_usable(run) && run_cache_has_room(arena_mine, run)))
		return false;
	return run_resize(run, req);
}

static void *resize_huge(struct huge *h, size_t req)
{
	return req > RUN_MAX / 2 || req >= h->nbytes / 2 ? huge_resize(h, req) : NULL;
}

static NOINLINE void *resize_any(void *mem, struct descriptor *tag, size_t req, size_t *ret_usable)
{
	bool stayed = false;

	*ret_usable = arena_usable(mem, tag, "realloc");
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
	    !arena_begin(self))
		return resize_any(mem, tag, req, ret_usable);
	resized = heap_resize(&self->chunks, mem, req);
	if (!resized)
		*ret_usable = chunk_usable(mem);
	arena_end(self);
	return resized ? mem : NULL;
}

/* --- reports ------------------------------------------------------------------------------- */

static COLD _Noreturn void report_inside(const void *mem, const void *start, size_t usable,
					 const char *kind, const char *call)
{
	report_interior_pointer(call, (struct report_about){mem, kind, usable, start});
}

void arena_report_bad(const void *mem, struct descriptor *tag, const char *call)
{
	struct slab *s = (struct slab *)tag;
	struct huge *h = tag && tag->kind != KIND_HUGE ? NULL : huge_around(mem);

	if (h)
		report_inside(mem, h->mem, h->nbytes, "huge object", call);
	if (!tag)
		report_unknown_pointer(call, (struct report_about){.mem = mem});
	if (!is_aligned((uintptr_t)mem, GRANULE))
		report_misaligned_pointer(call, (struct report_about){.mem = mem});
	switch (tag->kind) {
	case KIND_SLAB:
		if ((uintptr_t)mem - s->base < s->extent)
			report_inside(mem, slab_object_around(s, mem), s->size, "object", call);
		break;
	case KIND_RUN:
		report_inside(mem, ((struct run *)tag)->mem, run_usable((struct run *)tag), "run",
			      call);
	case KIND_METADATA:
		report_metadata_pointer(call, (struct report_about){.mem = mem});
	}
	report_unknown_pointer(call, (struct report_about){.mem = mem});
}
