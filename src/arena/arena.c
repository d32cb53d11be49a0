/* An arena's slow path of allocation, and its upkeep; see arena.h. */
#include "arena/arena.h"

#include "arena/early.h"
#include "arena/fast.h"
#include "arena/hot.h"
#include "arena/magazine.h"
#include "arena/reclaim.h"
#include "arena/registry.h"
#include "arena/remote.h"
#include "arena/run_cache.h"
#include "base/bits.h"
#include "base/options.h"
#include "os/os.h"
#include "pages/huge.h"
#include "pages/retain.h"
#include "pages/zone.h"

#define NANOSECONDS_OF_DECAY ((uint64_t)1000 * 1000 * 1000)

struct magazine magazine_none = {
	.slab = &slab_none,
	.last = &magazine_none.none,
	.end = &magazine_none.none,
};

static struct magazine *const fast_none[FAST_GRANULES] = {[0 ... FAST_GRANULES - 1] =
								  &magazine_none};
struct arena arena_none = {.busy = true};

__thread struct arena *arena_mine __attribute__((tls_model("initial-exec"))) = &arena_none;
__thread struct hot_mine hot_mine __attribute__((tls_model("initial-exec"))) = {
	.libc.fast = fast_none,
	.operators.fast = fast_none,
	.until_sampled = 1,
};

SEALED static bool operators_open; /* before main, then constant */

void arena_use_hot_side(const struct arena *a)
{
	if (!a->hot || a != arena_mine)
		return;
	hot_mine.libc.accepted = 1u << HOT_ANYBODY | 1u << hot_owner(a->number);
	hot_mine.libc.fast = a->hot->fast;
	hot_mine.side = a->hot;
	if (operators_open)
		hot_mine.operators = hot_mine.libc;
}

void arena_open_operators(void)
{
	if (!operators_open)
		operators_open = true;
	arena_use_hot_side(arena_mine);
}

size_t fast_limit, fast_limit_counted;

bool arena_init(struct arena *a, bool brk)
{
	a->chunks.arena = a;
	a->chunks.brk = brk;
	return robust_hold_anew(&a->holder);
}

/* --- allocation ------------------------------------------------------------------------- */

/* Now and then: memory that threads which are gone left behind, and what has long been idle. */
void arena_tick(struct arena *a)
{
	static uint64_t last_decay;
	uint64_t now;

	if (++a->ticks)
		return;
	run_cache_settle(a);
	registry_tend_next();
	now = os_clock();
	if (now - load_relaxed(&last_decay) < NANOSECONDS_OF_DECAY)
		return;
	store_relaxed(&last_decay, now);
	retain_fade();
	magazine_reap(a, false);
	magazine_flush(a);
	hot_demote_idle(a);
	zone_purge(load_relaxed(&retain_retained) / 8);
}

/* Of a class that is hot or due: from slabs and then from the heap as far as both have memory, else from a new slab. */
static void *alloc_hot(struct arena *a, unsigned class, size_t req, bool *ret_zero)
{
	void *mem = hot_take_ready(a, class, ret_zero);

	if (!mem && hot_waits(a, class))
		mem = heap_malloc_held(&a->chunks, req, ret_zero);
	return mem ? mem : hot_take(a, class, ret_zero);
}

static void *alloc_small(struct arena *a, size_t req, bool *ret_zero)
{
	unsigned class = class_of(req ? req : 1);
	void *mem = hot_use(a, class) ? alloc_hot(a, class, req, ret_zero) : NULL;

	return mem ? mem : heap_malloc(&a->chunks, req, ret_zero);
}

/* A kept run, or a new one; *ret_zero says that it reads as zero. */
static void *alloc_run(struct arena *a, size_t req, size_t alignment, bool *ret_zero)
{
	struct run *run = run_cache_take(a, run_pages(req), alignment);

	if (!run)
		return run_alloc(req, alignment, ret_zero);
	*ret_zero = false;
	return run->mem;
}

/* Where the system limits the process, what is much less than the block that it would be cut from has a mapping
   of its own: the rest of the block is addresses, and may be of no use to anything else. */
static bool wastes_addresses(size_t req)
{
	size_t nbytes = run_pages(req) << PAGE_SHIFT;

	return os_memory_limit() != SIZE_MAX && req >= options.mmap_threshold &&
	       ((size_t)1 << log2_ceil(nbytes)) - nbytes > nbytes / 8;
}

/* *zero is as in arena_alloc(). */
static void *alloc_pages(struct arena *a, size_t req, size_t alignment, bool *zero)
{
	bool wanted = *zero;
	void *mem = NULL;

	req = req ? req : 1;
	if (req <= RUN_MAX && alignment <= RUN_MAX && !wastes_addresses(req))
		mem = alloc_run(a, req, alignment, zero);
	if (mem)
		return mem;
	*zero = wanted;
	return huge_alloc(req, alignment, zero);
}

/* *zero is as in arena_alloc(). */
static void *alloc_any(struct arena *a, size_t req, bool *zero)
{
	bool wanted = *zero;
	void *mem = NULL;

	if (req <= CLASS_SIZE_MAX)
		mem = alloc_small(a, req, zero);
	else if (!arena_wants_pages(req))
		mem = heap_malloc(&a->chunks, req, zero);
	if (mem)
		return mem;
	*zero = wanted;
	return alloc_pages(a, req, GRANULE, zero);
}

void *arena_alloc(size_t req, bool *zero)
{
	bool wanted = *zero;
	struct arena *a;
	void *mem;

	if (req > PTRDIFF_MAX)
		return NULL;
	a = arena_enter();
	if (UNLIKELY(!a))
		return early_alloc(GRANULE, req);
	arena_tick(a);
	remote_drain(a);
	mem = alloc_any(a, req, zero);
	for (unsigned step = 0; UNLIKELY(!mem) && step < RECLAIM_STEPS; step++) {
		reclaim(a, step);
		*zero = wanted;
		mem = alloc_any(a, req, zero);
	}
	if (UNLIKELY(!mem)) {
		*zero = false;
		mem = reclaim_chunk(a, GRANULE, req);
	}
	arena_leave(a);
	return mem;
}

/* A kept run that is larger, cut to the size, or a new one, or a mapping: all with room. */
static void *alloc_growing(struct arena *a, size_t req)
{
	struct run *run;
	bool zero;

	if (req > RUN_ROOM)
		return huge_alloc_with_room(req);
	run = run_cache_take_larger(a, run_pages(req));
	return run ? run->mem : run_alloc_with_room(req, &zero);
}

void *arena_alloc_growing(size_t req)
{
	struct arena *a;
	bool zero = false;
	void *mem;

	if (req > PTRDIFF_MAX)
		return NULL;
	a = arena_enter();
	if (UNLIKELY(!a))
		return early_alloc(GRANULE, req);
	arena_tick(a);
	mem = alloc_growing(a, req);
	arena_leave(a);
	return mem ? mem : arena_alloc(req, &zero);
}

/* The size of the smallest class whose objects are all aligned so and hold req; 0: none.  If it is a
   multiple of the alignment they are, since the blocks of its slabs are (slab/classes.h). */
static size_t aligned_class_size(size_t alignment, size_t req)
{
	size_t size = align_up(req ? req : 1, alignment);

	while (size <= CLASS_SIZE_MAX) {
		size_t whole = class_size(class_of(size));

		if (is_aligned(whole, alignment))
			return whole;
		size = align_up(whole, alignment);
	}
	return 0;
}

/* size is that of the class, or 0.  In the order of alloc_small(). */
static void *alloc_aligned(struct arena *a, size_t alignment, size_t req, size_t size)
{
	/* Over a page: what a chunk would be cut from is larger than pages that are alone there. */
	bool in_heap = alignment <= PAGE_SIZE && req + alignment < options.mmap_threshold;
	bool zero = false, hot = size && hot_use(a, class_of(size));
	void *mem = hot ? hot_take_ready(a, class_of(size), &zero) : NULL;

	if (!mem && hot && in_heap && hot_waits(a, class_of(size)))
		mem = heap_memalign_held(&a->chunks, alignment, req);
	if (!mem && hot)
		mem = hot_take(a, class_of(size), &zero);
	if (!mem && in_heap)
		mem = heap_memalign(&a->chunks, alignment, req);
	return mem ? mem : alloc_pages(a, req, alignment, &zero);
}

void *arena_alloc_aligned(size_t alignment, size_t req)
{
	size_t size = alignment <= CLASS_SIZE_MAX ? aligned_class_size(alignment, req) : 0;
	struct arena *a;
	void *mem;
	bool zero = false;

	if (alignment <= GRANULE)
		return arena_alloc(req, &zero);
	if (req > PTRDIFF_MAX || alignment > PTRDIFF_MAX)
		return NULL;
	mem = size ? arena_malloc_by_class(size) : NULL;
	if (LIKELY(mem))
		return mem;
	a = arena_enter();
	if (UNLIKELY(!a))
		return early_alloc(alignment, req);
	arena_tick(a);
	mem = alloc_aligned(a, alignment, req, size);
	for (unsigned step = 0; UNLIKELY(!mem) && step < RECLAIM_STEPS; step++) {
		reclaim(a, step);
		mem = alloc_aligned(a, alignment, req, size);
	}
	if (UNLIKELY(!mem))
		mem = reclaim_chunk(a, alignment, req);
	arena_leave(a);
	return mem;
}

/* --- watching ------------------------------------------------------------------------------ */

static void watch_slab(struct descriptor *tag, char *mem, size_t nbytes, void *arg)
{
	(void)mem, (void)nbytes, (void)arg;
	if (tag->kind == KIND_SLAB)
		slab_watch((struct slab *)tag);
}

void arena_watch_all(void)
{
	store_relaxed(&fast_limit, 0);
	store_relaxed(&fast_limit_counted, 0);
	slab_watch_all();
	zone_visit(watch_slab, NULL);
}

/* --- upkeep -------------------------------------------------------------------------------- */

void arena_share(struct arena *a)
{
	run_cache_flush(a);
	heap_share(&a->chunks);
}

void arena_tend(struct arena *a)
{
	magazine_flush(a);
	remote_flush(a);
	remote_drain(a);
	hot_demote_idle(a);
	arena_share(a);
	heap_obey_rule(&a->chunks);
}

bool arena_check(struct arena *a)
{
	bool ok = heap_check(&a->chunks);

	ok &= hot_check(a);
	ok &= magazine_check(a);
	ok &= run_cache_check(a);
	return ok;
}
