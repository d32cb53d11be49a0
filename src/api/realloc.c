/* realloc: where an object stays, and how it moves. */
#include "api/alloc.h"
#include "api/foreign.h"
#include "api/sizes.h"
#include "api/start.h"
#include "observe/profile.h"
#include "observe/watch.h"
#include "arena/early.h"
#include "base/options.h"
#include "cache/alloc.h"
#include "cache/resize.h"
#include "harden/fence.h"
#include "os/check.h"

#include <errno.h>
#include <loam/loam.h>
#include <string.h>

/* Whether an object of that size which becomes a larger one is likely to go on growing, and large
   enough that it shall not be copied each time. */
static bool grows(size_t usable, size_t req)
{
	return req > CLASS_SIZE_MAX && cache_wants_pages(req) && usable >= req / 4 &&
	       usable < req && !options.perturb && !fences;
}

/* What is not had by malloc_inline(), which counts by itself. */
static LATER void *counted_growing(size_t req)
{
	unsigned chosen = chosen_now_and_then(req);
	void *mem = chosen & CHOSEN_GUARD ? sampled_alloc(GRANULE, req) : NULL;

	if (!mem)
		mem = cache_alloc_growing(req);
	if (chosen & CHOSEN_PROFILE)
		profile_allocated(mem, req);
	return mem;
}

/* Called without memory for a new object. mem, and errno as it was before, if it has req bytes and
   its size is not known to the byte; else NULL. */
static LATER void *stay(void *mem, size_t usable, size_t req, int error)
{
	if (req > usable || is_exact(pagemap_get(mem)))
		return NULL;
	errno = error;
	return mem;
}

/* Clears the mark of to's address in the object that is about to be copied there. Memory that the
   program never wrote may hold it, and free() of the copy would report a double free. */
static void forget_mark(struct object *from, const struct object *to)
{
	if (UNLIKELY(from->key == slab_mark(to)))
		from->key = 0;
}

/* A new object with the old one's contents, which is freed; it stays when there is no memory. */
static NOINLINE void *move(void *mem, size_t usable, size_t req)
{
	int error = req <= usable ? errno : 0; /* for stay() */
	void *moved;

	if (!grows(usable, req))
		moved = malloc_inline(req);
	else
		moved = UNLIKELY(load_hot(&sampling)) ? counted_growing(req)
						      : cache_alloc_growing(req);

	ASSERT(moved != mem);
	if (!moved) {
		out_of_memory();
		return stay(mem, usable, req, error);
	}
	forget_mark(mem, moved);
	memcpy(moved, mem, usable < req ? usable : req);
	free_inline(mem);
	return moved;
}

/* Before relocation nothing of libc can be called. */
static void *realloc_early(void *mem, size_t req)
{
	size_t usable = early_usable(mem);
	char *moved = early_alloc(GRANULE, req);

	for (size_t i = 0; moved && i < usable && i < req; i++)
		moved[i] = ((char *)mem)[i];
	return moved;
}

/* Such objects always move: so who holds the old address is found out. */
static LATER void *realloc_exact(void *mem, struct descriptor *tag, size_t req)
{
	size_t size = exact_size(mem, tag, "realloc");
	void *moved;

	if (size == SIZE_MAX)
		return invalid_argument();
	if (size)
		return move(mem, size, req);
	/* A sampled one of no bytes lies where nothing can be read. */
	moved = malloc_inline(req);
	if (!moved)
		return out_of_memory();
	free_inline(mem);
	return moved;
}

static LATER void *resize_counted(void *mem, struct descriptor *tag, size_t req, size_t *ret_usable)
{
	void *resized = cache_resize(mem, tag, req, ret_usable);

	if (resized && load_relaxed(&profiling))
		profile_resized(mem, resized, *ret_usable, req);
	return resized;
}

static void *realloc_object(void *mem, struct descriptor *tag, size_t req)
{
	size_t usable;
	void *resized;

	if (UNLIKELY(req > PTRDIFF_MAX))
		return out_of_memory();
	if (UNLIKELY(is_exact(tag)))
		return realloc_exact(mem, tag, req);
	resized = UNLIKELY(load_hot(&sampling)) ? resize_counted(mem, tag, req, &usable)
						: cache_resize(mem, tag, req, &usable);
	if (resized)
		return resized;
	return LIKELY(usable) ? move(mem, usable, req) : invalid_argument();
}

/* Whether it is an object in use; else false, and reported. */
static LATER bool is_object(const void *mem, struct descriptor *tag, const char *call)
{
	return is_exact(tag) ? exact_size(mem, tag, call) != SIZE_MAX
			     : cache_usable(mem, tag, call) != 0;
}

/* Frees what is given no size. */
static LATER void *realloc_to_nothing(void *mem, struct descriptor *tag)
{
	if (tag && start() && !is_object(mem, tag, "realloc"))
		return invalid_argument();
	loam_free(mem);
	return NULL;
}

/* No object, or no size. */
static NOINLINE void *realloc_nothing(void *mem, struct descriptor *tag, size_t req)
{
	return mem ? realloc_to_nothing(mem, tag) : loam_malloc(req);
}

/* Whether a slab object in use must move to hold req bytes: it is too small, or more than half
   would be wasted. */
static bool moves(const struct slab *s, const void *mem, size_t req)
{
	return s->tag.kind == KIND_SLAB && slab_starts_object(s, mem) &&
	       (req > s->size || req < s->size / 2) && !slab_is_free(s, mem);
}

static void *realloc_served(void *mem, size_t req)
{
	struct descriptor *tag = pagemap_get(mem);

	if (UNLIKELY(!mem || !req))
		return realloc_nothing(mem, tag, req);
	if (tag && !fences && moves((struct slab *)tag, mem, req))
		return move(mem, ((struct slab *)tag)->size, req);
	if (UNLIKELY(!start()))
		return tag ? realloc_early(mem, req) : NULL;
	if (UNLIKELY(!tag))
		return foreign_realloc(mem, req);
	return realloc_object(mem, tag, req);
}

static LATER void *realloc_slow(void *mem, size_t req)
{
	unsigned watch = start() ? watch_begin(TRACE_REALLOC) : 0;
	void *moved = realloc_served(mem, req);

	if (watch)
		watch_end(watch, (struct record_call){.given = mem, .size = req, .result = moved});
	return moved;
}

void *loam_realloc(void *mem, size_t req)
{
	if (UNLIKELY(!load_hot(&fast_limit)))
		return realloc_slow(mem, req);
	if (!mem)
		return loam_malloc(req);
	return fast_stays_in_place(mem, req) ? mem : realloc_served(mem, req);
}

void *loam_reallocarray(void *mem, size_t count, size_t size)
{
	size_t req;

	if (UNLIKELY(__builtin_mul_overflow(count, size, &req)))
		return out_of_memory();
	return loam_realloc(mem, req);
}
