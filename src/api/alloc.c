/*
 * malloc, calloc and free: what a caller was promised.  errno is set in this folder and nowhere
 * below.
 */
#include "api/alloc.h"

#include "api/foreign.h"
#include "api/start.h"
#include "observe/profile.h"
#include "observe/watch.h"
#include "arena/early.h"
#include "base/options.h"
#include "cache/alloc.h"
#include "cache/free.h"
#include "cache/resize.h"
#include "cache/shared_pages.h"
#include "harden/fence.h"

#include <loam/loam.h>
#include <string.h>

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
		memset(mem, (int)options.perturb ^ 0xff, req);
	if (UNLIKELY(watch))
		watch_end(watch, (struct record_call){.size = req, .result = mem});
	return mem;
}

static NOINLINE void *malloc_general(size_t req)
{
	bool is_zero = false;
	void *mem;

	if (UNLIKELY(!cache_is_plain() && !cache_is_counted()))
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

static LATER void *malloc_small_run_shared(size_t req)
{
	return fast_take_small_run(req, false, malloc_general);
}

static LATER void *malloc_run_shared(size_t req)
{
	return fast_take_run(req, false, malloc_general);
}

/* Below a threshold that was raised while the program ran, a kept run would serve what realloc then
   moves, again and again. */
static NOINLINE void *malloc_small_run(size_t req)
{
	if (UNLIKELY(req < options.mmap_threshold))
		return malloc_general(req);
	return is_alone() ? fast_take_small_run(req, true, malloc_general)
			  : malloc_small_run_shared(req);
}

static NOINLINE void *malloc_large(size_t req)
{
	if (req <= RUN_MARKED_PAGES << PAGE_SHIFT)
		return malloc_small_run(req);
	if (req > RUN_MAX)
		return malloc_general(req);
	return is_alone() ? fast_take_run(req, true, malloc_general) : malloc_run_shared(req);
}

static NOINLINE void *malloc_uncounted(size_t req)
{
	return req > CLASS_SIZE_MAX && cache_is_counted() ? malloc_large(req) : malloc_beyond(req);
}

/* One with guarded pages of its own; NULL: there is no slot for it. */
static LATER void *malloc_guarded(size_t req)
{
	unsigned watch = watch_begin(TRACE_MALLOC);
	void *mem = sampled_alloc(GRANULE, req);

	if (mem && options.perturb)
		memset(mem, (int)options.perturb ^ 0xff, req);
	if (watch && mem)
		watch_end(watch, (struct record_call){.size = req, .result = mem});
	else if (watch)
		watch_cancel(watch);
	return mem;
}

static LATER void *malloc_chosen(size_t req)
{
	unsigned chosen = chosen_for(chosen_granules(req));
	void *mem = chosen & CHOSEN_GUARD ? malloc_guarded(req) : NULL;

	if (!mem)
		mem = malloc_uncounted(req);
	if (chosen & CHOSEN_PROFILE)
		profile_allocated(mem, req);
	return mem;
}

static LATER void *malloc_slow_counted(size_t req)
{
	size_t granules = chosen_granules(req);

	if (LIKELY(cache_is_counted())) {
		if (!req || granules >= FAST_GRANULES)
			mine.until_profiled -= (int64_t)granules;
		return UNLIKELY(mine.until_profiled < 0) ? malloc_chosen(req)
							 : malloc_uncounted(req);
	}
	if (choose(granules))
		return malloc_chosen(req);
	return load_hot(&fast_limit) && granules < FAST_GRANULES
		       ? fast_take(&mine.libc, req, granules, malloc_uncounted)
		       : malloc_uncounted(req);
}

void *malloc_slow(size_t req)
{
	if (LIKELY(cache_is_plain()))
		return req > CLASS_SIZE_MAX ? malloc_large(req) : malloc_beyond(req);
	return UNLIKELY(load_hot(&sampling)) ? malloc_slow_counted(req) : malloc_uncounted(req);
}

/* False, and reported, for what is no object in use. */
static LATER bool perturb_freed(void *mem, struct descriptor *tag)
{
	size_t usable = cache_usable(mem, tag, "free");

	memset(mem, (int)options.perturb, usable);
	return usable != 0;
}

static void free_served(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	if (UNLIKELY(!tag)) {
		foreign_free(mem);
		return;
	}
	if (UNLIKELY(load_relaxed(&profiling)))
		profile_freed(mem);
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

static LATER void free_fenced_shared(void *mem, struct run *run)
{
	fast_free_fenced(mem, run, false, free_any);
}

static LATER void free_run_shared(void *mem, struct run *run)
{
	fast_free_run(mem, run, false, free_fenced_shared, free_any);
}

static NOINLINE void free_fenced(void *mem, struct run *run)
{
	fast_free_fenced(mem, run, true, free_any);
}

/* While a profile is made: of an object in use that is not sampled, on a page with one that is. */
static bool is_beside_sampled(const void *mem, const struct descriptor *tag)
{
	return tag->kind == KIND_SLAB && slab_is_watched((const struct slab *)tag, mem) &&
	       !samples_may_have(mem) && !load_relaxed(&shared_pages_closed);
}

static NOINLINE void free_seen(void *mem)
{
	start_seen();
	free_any(mem);
}

static NOINLINE void free_noticed(void *mem)
{
	profile_freed(mem);
	free_seen(mem);
}

/* A watched page is open, so the fast path may go on. */
static LATER void free_counted(void *mem, struct descriptor *tag)
{
	if (is_beside_sampled(mem, tag))
		fast_give(mine.libc.magazines + ((struct slab *)tag)->class + 1, mem, free_closed,
			  free_seen, free_seen);
	else
		free_noticed(mem);
}

void free_slow(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	if (UNLIKELY(!tag || !cache_is_plain())) {
		if (!tag || !cache_is_counted()) {
			if (mem || load_relaxed(&recording))
				free_not_plain(mem);
			return;
		}
		if (tag->kind != KIND_RUN) {
			free_counted(mem, tag);
			return;
		}
		profile_freed(mem);
	}
	start_seen();
	if (tag->kind != KIND_RUN)
		cache_release(mem, tag, "free");
	else if (is_alone())
		fast_free_run(mem, (struct run *)tag, true, free_fenced, free_any);
	else
		free_run_shared(mem, (struct run *)tag);
}

void free_full(void *mem)
{
	if (UNLIKELY(!cache_release_full(mem)))
		free_slow(mem);
}

/* A full magazine is no matter for free_full() here: where it fails, free_slow() may lead back. */
static LATER void free_leaving(void *mem, struct magazine *m, void (*slow)(void *mem))
{
	if (LIKELY(slab_starts_object((const struct slab *)pagemap_get(mem), mem)))
		fast_give_leaving(m, mem, free_seen, free_seen);
	else
		slow(mem);
}

void free_closed(void *mem, struct magazine *m, void (*slow)(void *mem))
{
	if (m->packs)
		free_leaving(mem, m, slow);
	else
		slow(mem);
}

void *loam_malloc(size_t req)
{
	return malloc_inline(req);
}

void loam_free(void *mem)
{
	free_inline(mem);
}

/* mem NULL: one is allocated. It is cleared unless it is known to be zero; what comes from the fast
   path always is. */
ALWAYS_INLINE void *cleared(void *mem, size_t req)
{
	bool is_zero = false;

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

/* One of a size beyond the fast path's that was chosen. */
static LATER void *zeroed_chosen(size_t req, unsigned chosen)
{
	void *mem = chosen & CHOSEN_GUARD ? sampled_alloc(GRANULE, req) : NULL;

	mem = cleared(mem, req);
	if (chosen & CHOSEN_PROFILE)
		profile_allocated(mem, req);
	return mem;
}

static void *zeroed(size_t req)
{
	unsigned chosen;
	void *mem;

	if (req <= FAST_MAX) {
		mem = malloc_inline(req);
		return LIKELY(mem) ? memset(mem, 0, req) : NULL;
	}
	chosen = chosen_now_and_then(req);
	if (UNLIKELY(chosen))
		return zeroed_chosen(req, chosen);
	return cleared(fast_malloc_by_class(&mine.libc, req), req);
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

void loam_cfree(void *mem)
{
	loam_free(mem);
}
