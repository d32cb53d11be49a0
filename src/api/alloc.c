/*
 * malloc, calloc, realloc, free and what derives from them: what a caller was
 * promised.  errno is set here and nowhere below.
 */
#include "api/alloc.h"

#include "api/foreign.h"
#include "api/record.h"
#include "api/start.h"
#include "arena/early.h"
#include "arena/remote.h"
#include "arena/run_cache.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/options.h"

#include <errno.h>
#include <loam/loam.h>
#include <string.h>

static void *out_of_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

static void perturb(void *mem, size_t nbytes, size_t byte)
{
	memset(mem, (int)byte, nbytes);
}

static void *malloc_served(size_t req)
{
	bool is_zero = false;
	void *mem = arena_alloc(req, &is_zero);

	if (UNLIKELY(!mem))
		return out_of_memory();
	if (UNLIKELY(options.perturb))
		perturb(mem, req, options.perturb ^ 0xff);
	return mem;
}

static NOINLINE void *malloc_general(size_t req)
{
	bool recorded;
	void *mem;

	if (UNLIKELY(!start()))
		return early_alloc(GRANULE, req);
	recorded = record_begin(TRACE_MALLOC);
	mem = malloc_served(req);
	if (UNLIKELY(recorded))
		record_end((struct record_call){.size = req, .result = mem});
	return mem;
}

void *malloc_slow(size_t req)
{
	void *mem;

	if (req > CLASS_SIZE_MAX)
		return run_cache_malloc(req, malloc_general);
	mem = arena_malloc_by_class(req);
	return LIKELY(mem) ? mem : malloc_general(req);
}

static void free_served(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	if (UNLIKELY(!tag)) {
		foreign_free(mem);
		return;
	}
	if (UNLIKELY(options.perturb))
		perturb(mem, arena_usable(mem, tag, "free"), options.perturb);
	arena_release(mem, tag, "free");
}

static NOINLINE void free_general(void *mem)
{
	bool recorded;

	if (pagemap_hot(mem) && remote_free_short(mem))
		return;
	if (UNLIKELY(!start()))
		return;
	recorded = record_begin(TRACE_FREE);
	if (mem)
		free_served(mem);
	if (UNLIKELY(recorded))
		record_end((struct record_call){.given = mem});
}

void free_full(void *mem)
{
	if (UNLIKELY(!magazine_push_full(mem)))
		free_general(mem);
}

void free_slow(void *mem)
{
	if (!mem && !load_relaxed(&recording))
		return;
	if (is_aligned((uintptr_t)mem, PAGE_SIZE))
		run_cache_free(mem, free_general);
	else
		free_general(mem);
}

void *loam_malloc(size_t req)
{
	return malloc_inline(req);
}

void loam_free(void *mem)
{
	free_inline(mem);
}

/* An object that is not known to be zero is cleared, one from the hot path too. */
static void *zeroed(size_t req)
{
	bool is_zero = false;
	void *mem = req <= FAST_MAX ? malloc_inline(req) : arena_malloc_by_class(req);

	if (!mem) {
		is_zero = true;
		mem = arena_alloc(req, &is_zero);
	}
	if (UNLIKELY(!mem))
		return out_of_memory();
	if (!is_zero)
		memset(mem, 0, req);
	return mem;
}

static COLD void *calloc_slow(size_t req)
{
	bool recorded;
	void *mem;

	if (!start())
		return early_alloc(GRANULE, req);
	recorded = record_begin(TRACE_CALLOC);
	mem = zeroed(req);
	if (recorded)
		record_end((struct record_call){.size = req, .result = mem});
	return mem;
}

void *loam_calloc(size_t count, size_t size)
{
	size_t req;

	if (UNLIKELY(__builtin_mul_overflow(count, size, &req)))
		req = SIZE_MAX; /* which is always refused */
	return LIKELY(load_hot(&fast_limit)) ? zeroed(req) : calloc_slow(req);
}

/* Whether an object of that size which becomes a larger one is likely to go on growing, and large
   enough that it shall not be copied each time. */
static bool grows(size_t usable, size_t req)
{
	return req > CLASS_SIZE_MAX && arena_wants_pages(req) && usable >= req / 4 &&
	       usable < req && !options.perturb;
}

/* A new object with the old one's contents, which is freed; it stays when there is no memory. */
static NOINLINE void *move(void *mem, size_t usable, size_t req)
{
	void *moved = grows(usable, req) ? arena_alloc_growing(req) : malloc_inline(req);

	if (!moved)
		return out_of_memory();
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

static void *realloc_object(void *mem, struct descriptor *tag, size_t req)
{
	size_t usable;
	void *resized;

	if (UNLIKELY(req > PTRDIFF_MAX))
		return out_of_memory();
	resized = arena_resize(mem, tag, req, &usable);
	return resized ? resized : move(mem, usable, req);
}

/* No object, or no size. */
static NOINLINE void *realloc_nothing(void *mem, size_t req)
{
	if (!mem)
		return malloc_inline(req);
	free_inline(mem);
	return NULL;
}

/* A small object that another size is wanted of than it is for, see arena_stays_in_place(). */
static bool moves(const struct slab *s, const void *mem, size_t req)
{
	return s->tag.kind == KIND_SLAB && slab_starts_object(s, mem) &&
	       (req > s->size || req < s->size / 2);
}

static void *realloc_served(void *mem, size_t req)
{
	struct descriptor *tag = pagemap_get(mem);

	if (UNLIKELY(!mem || !req))
		return realloc_nothing(mem, req);
	if (tag && moves((struct slab *)tag, mem, req))
		return move(mem, ((struct slab *)tag)->size, req);
	if (UNLIKELY(!start()))
		return tag ? realloc_early(mem, req) : NULL;
	if (UNLIKELY(!tag))
		return foreign_realloc(mem, req);
	return realloc_object(mem, tag, req);
}

static COLD void *realloc_slow(void *mem, size_t req)
{
	bool recorded = start() && record_begin(TRACE_REALLOC);
	void *moved = realloc_served(mem, req);

	if (recorded)
		record_end((struct record_call){.given = mem, .size = req, .result = moved});
	return moved;
}

void *loam_realloc(void *mem, size_t req)
{
	if (UNLIKELY(!load_hot(&fast_limit)))
		return realloc_slow(mem, req);
	if (!mem)
		return loam_malloc(req);
	return arena_stays_in_place(mem, req) ? mem : realloc_served(mem, req);
}

void *loam_reallocarray(void *mem, size_t count, size_t size)
{
	size_t req;

	if (UNLIKELY(__builtin_mul_overflow(count, size, &req)))
		return out_of_memory();
	return loam_realloc(mem, req);
}

size_t loam_malloc_usable_size(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	if (!mem)
		return 0;
	return tag ? arena_usable(mem, tag, "malloc_usable_size") : foreign_usable_size(mem);
}

void loam_cfree(void *mem)
{
	free_inline(mem);
}

void loam_free_sized(void *mem, size_t size)
{
	(void)size;
	free_inline(mem);
}

void loam_free_aligned_sized(void *mem, size_t alignment, size_t size)
{
	(void)alignment;
	(void)size;
	free_inline(mem);
}
