/*
 * malloc, calloc, realloc, free and what derives from them: what a caller was
 * promised.  errno is set here and nowhere below.
 */
#include "api/alloc.h"

#include "api/foreign.h"
#include "api/start.h"
#include "api/watch.h"
#include "arena/early.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/options.h"
#include "base/report.h"
#include "cache/alloc.h"
#include "cache/free.h"
#include "harden/fence.h"
#include "harden/sampled.h"

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

/* *zero is as in cache_alloc(). */
static void *serve(size_t req, bool *zero)
{
	return UNLIKELY(fences) ? fence_alloc(GRANULE, req, zero) : cache_alloc(req, zero);
}

static NOINLINE void *malloc_not_plain(size_t req)
{
	bool is_zero = false;
	unsigned watch;
	void *mem;

	if (UNLIKELY(!start()))
		return early_alloc(GRANULE, req);
	watch = watch_begin(TRACE_MALLOC);
	mem = serve(req, &is_zero);
	if (!mem)
		out_of_memory();
	else if (UNLIKELY(options.perturb))
		perturb(mem, req, options.perturb ^ 0xff);
	if (UNLIKELY(watch))
		watch_end(watch, (struct record_call){.size = req, .result = mem});
	return mem;
}

static NOINLINE void *malloc_general(size_t req)
{
	bool is_zero = false;
	void *mem;

	if (UNLIKELY(!cache_is_plain()))
		return malloc_not_plain(req);
	start_seen();
	mem = cache_alloc(req, &is_zero);
	return LIKELY(mem) ? mem : out_of_memory();
}

/* Where the fast bins had none. */
ALWAYS_INLINE void *malloc_beyond(size_t req)
{
	void *mem = fast_malloc_by_class(&mine.libc, req);

	return LIKELY(mem) ? mem : malloc_general(req);
}

static NOINLINE void *malloc_large(size_t req)
{
	return cache_wants_pages(req) && req <= RUN_MAX ? fast_take_run(req, malloc_general) : malloc_general(req);
}

static NOINLINE void *malloc_uncounted(size_t req)
{
	return malloc_beyond(req);
}

static LATER void *malloc_sampled(size_t req)
{
	unsigned watch = watch_begin(TRACE_MALLOC);
	void *mem = sampled_alloc(GRANULE, req);

	if (!mem)
		return malloc_uncounted(req);
	if (watch)
		watch_end(watch, (struct record_call){.size = req, .result = mem});
	return mem;
}

void *malloc_counted(size_t req, size_t granule)
{
	return sampled_count() ? malloc_sampled(req) : fast_take(&mine.libc, req, granule, malloc_uncounted);
}

void *malloc_slow(size_t req)
{
	if (LIKELY(cache_is_plain()))
		return req > CLASS_SIZE_MAX ? malloc_large(req) : malloc_beyond(req);
	return load_hot(&sampling) && sampled_count() ? malloc_sampled(req) : malloc_uncounted(req);
}

/* False, and reported, for what is no object in use. */
static LATER bool perturb_freed(void *mem, struct descriptor *tag)
{
	size_t usable = cache_usable(mem, tag, "free");

	perturb(mem, usable, options.perturb);
	return usable != 0;
}

static void free_served(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	if (UNLIKELY(!tag)) {
		foreign_free(mem);
		return;
	}
	if (UNLIKELY(tag->kind == KIND_SAMPLED)) {
		sampled_free(mem, tag, "free");
		return;
	}
	if (UNLIKELY(fences && tag->kind != KIND_EARLY)) {
		fence_free(mem, tag, "free");
		return;
	}
	if (UNLIKELY(options.perturb) && !perturb_freed(mem, tag))
		return;
	cache_release(mem, tag, "free");
}

static LATER void free_not_plain(void *mem)
{
	unsigned watch;

	if (UNLIKELY(!start()))
		return;
	watch = watch_begin(TRACE_FREE);
	if (mem)
		free_served(mem);
	if (UNLIKELY(watch))
		watch_end(watch, (struct record_call){.given = mem});
}

static NOINLINE void free_any(void *mem)
{
	cache_release(mem, pagemap_get(mem), "free");
}

void free_slow(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	if (UNLIKELY(!tag || !cache_is_plain())) {
		if (mem || load_relaxed(&recording))
			free_not_plain(mem);
		return;
	}
	start_seen();
	if (tag->kind == KIND_RUN)
		fast_free_run(mem, (struct run *)tag, free_any);
	else
		cache_release(mem, tag, "free");
}

void free_full(void *mem)
{
	if (UNLIKELY(!cache_release_full(mem)))
		free_slow(mem);
}

void *loam_malloc(size_t req)
{
	return malloc_inline(req);
}

void loam_free(void *mem)
{
	free_inline(mem);
}

/* One of a size beyond the hot path's, if it can be had as quickly. */
static void *take_larger(size_t req)
{
	void *mem = sampled_now_and_then(GRANULE, req);

	return mem ? mem : fast_malloc_by_class(&mine.libc, req);
}

/* An object that is not known to be zero is cleared, one from the hot path too. */
static void *zeroed(size_t req)
{
	bool is_zero = false;
	void *mem = req <= FAST_MAX ? malloc_inline(req) : take_larger(req);

	if (!mem) {
		start_seen();
		is_zero = true;
		mem = serve(req, &is_zero);
	}
	if (UNLIKELY(!mem))
		return out_of_memory();
	if (!is_zero)
		memset(mem, 0, req);
	return mem;
}

static LATER void *calloc_slow(size_t req)
{
	unsigned watch;
	void *mem;

	if (!start())
		return early_alloc(GRANULE, req);
	watch = watch_begin(TRACE_CALLOC);
	mem = zeroed(req);
	if (watch)
		watch_end(watch, (struct record_call){.size = req, .result = mem});
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
	return req > CLASS_SIZE_MAX && cache_wants_pages(req) && usable >= req / 4 &&
	       usable < req && !options.perturb && !fences;
}

/* A new object with the old one's contents, which is freed; it stays when there is no memory. */
static NOINLINE void *move(void *mem, size_t usable, size_t req)
{
	void *moved = grows(usable, req) ? cache_alloc_growing(req) : malloc_inline(req);

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

/* A pointer that was no object's: reported, and the program goes on. */
static COLD void *invalid(void)
{
	errno = EINVAL;
	return NULL;
}

/* Whether the size of an object is known to the byte. */
static inline bool is_exact(const struct descriptor *tag)
{
	return tag->kind == KIND_SAMPLED || (fences && tag->kind != KIND_EARLY);
}

static LATER size_t exact_size(const void *mem, struct descriptor *tag, const char *call)
{
	size_t size;

	if (tag->kind == KIND_SAMPLED)
		return sampled_size(mem, tag, call);
	tools_enter();
	size = fence_size(mem, tag, call);
	tools_leave();
	return size;
}

/* Such objects always move: so who holds the old address is found out. */
static LATER void *realloc_exact(void *mem, struct descriptor *tag, size_t req)
{
	size_t size = exact_size(mem, tag, "realloc");

	return size == SIZE_MAX ? invalid() : move(mem, size, req);
}

static void *realloc_object(void *mem, struct descriptor *tag, size_t req)
{
	size_t usable;
	void *resized;

	if (UNLIKELY(req > PTRDIFF_MAX))
		return out_of_memory();
	if (UNLIKELY(is_exact(tag)))
		return realloc_exact(mem, tag, req);
	resized = cache_resize(mem, tag, req, &usable);
	if (resized)
		return resized;
	return LIKELY(usable) ? move(mem, usable, req) : invalid();
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
		return invalid();
	loam_free(mem);
	return NULL;
}

/* No object, or no size. */
static NOINLINE void *realloc_nothing(void *mem, struct descriptor *tag, size_t req)
{
	return mem ? realloc_to_nothing(mem, tag) : loam_malloc(req);
}

/* Whether a slab object in use must move to hold req bytes: it is too small, or more than half would
   be wasted. */
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

size_t loam_malloc_usable_size(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);
	size_t size;

	if (!mem)
		return 0;
	if (!tag)
		return foreign_usable_size(mem);
	if (LIKELY(!is_exact(tag)))
		return cache_usable(mem, tag, "malloc_usable_size");
	size = exact_size(mem, tag, "malloc_usable_size");
	return size == SIZE_MAX ? 0 : size;
}

void loam_cfree(void *mem)
{
	loam_free(mem);
}

static bool has_size(const void *mem, struct descriptor *tag, size_t size, const char *call)
{
	size_t real = exact_size(mem, tag, call);

	if (real != SIZE_MAX && real != size)
		report_wrong_size(call, (struct report_about){.mem = mem, .kind = "object", .usable = real},
				  size);
	return real == size;
}

LATER void free_fenced(void *mem, size_t size, const char *call)
{
	struct descriptor *tag = pagemap_get(mem);

	if (mem && tag && is_exact(tag) && !has_size(mem, tag, size, call))
		return;
	loam_free(mem);
}

static void free_of_size(void *mem, size_t size, const char *call)
{
	if (UNLIKELY(load_hot(&fences)))
		free_fenced(mem, size, call);
	else
		loam_free(mem);
}

void loam_free_sized(void *mem, size_t size)
{
	free_of_size(mem, size, "free_sized");
}

void loam_free_aligned_sized(void *mem, size_t alignment, size_t size)
{
	(void)alignment;
	free_of_size(mem, size, "free_aligned_sized");
}
