/* The slow path of allocation; see alloc.h. */
#include "cache/alloc.h"

#include "arena/early.h"
#include "base/bits.h"
#include "cache/depot.h"
#include "cache/upkeep.h"
#include "os/check.h"
#include "os/os.h"
#include "pages/huge.h"

#include <string.h>

/* --- allocation ------------------------------------------------------------------------------ */

/* Takes objects of a hot class for a magazine, the lowest last. Returns how many; 0 where the class
   is not hot, or would need another slab: alloc_from_arena() decides what to do then. */
static uint32_t take_from_slabs(struct cache *c, unsigned sc, struct object **first, uint32_t most)
{
	struct arena *a = ring_lock(&c->arena);
	uint32_t n = 0;

	if (!a)
		return 0;
	if (arena_is_hot(a, sc))
		n = slabs_take(a->slabs, sc, first + most, most);
	a->counts.refills++;
	a->counts.objects += n;
	ring_unlock(a);
	cache_obey_if_due(c);
	if (n < most)
		memmove(first, first + most - n, n * sizeof *first);
	return n;
}

/* fill() with the doors shut. Until then a signal handler may have put an object there. */
static uint32_t fill_shut(struct cache *c, struct magazine *m)
{
	uint32_t most = (magazine_capacity(m) + 1) / 2, n = magazine_count(m);

	ASSERT(mine.libc.magazines != c->magazines->magazine); /* the doors are shut */
	if (IS_WRONG(n && (*m->last)->link != (uintptr_t)*m->last))
		magazine_report_written(m);
	if (n)
		return n;
	cache_send_home(m);
	n = depot_take(m->sc, m->none + 1, most);
	for (uint32_t i = 1; i <= n; i++)
		__builtin_prefetch(m->none[i], 1); /* another processor wrote to it */
	if (!n) {
		magazine_learn_to_fill(m);
		most = (magazine_capacity(m) + 1) / 2;
		if (!most)
			return 0;
		n = take_from_slabs(c, m->sc, m->none + 1, most);
	}
	ASSERT(n <= most && most <= magazine_capacity(m));
	m->last = m->none + n;
	m->fills++;
	ASSERT_SLOW(magazine_check(m));
	return n;
}

/* Fills an empty magazine by half, from the depot or from slabs; returns how many objects it
   then has. Reports a newest object that was written to while it was free. */
static uint32_t fill(struct cache *c, struct magazine *m)
{
	uint32_t n;

	cache_shut_doors();
	n = fill_shut(c, m);
	cache_open_doors(c);
	return n;
}

/* Allocates from the slabs of a locked arena, else from its bins, and unlocks it. Counts a use of
   the class if it is hot and the thread has no magazine for it. */
static NOINLINE void *alloc_from_slabs(struct cache *c, struct arena *a, unsigned sc, size_t req,
				       bool *zero)
{
	void *mem = arena_alloc_hot(a, sc, GRANULE, req, zero);
	bool hot = arena_is_hot(a, sc);

	if (!mem)
		mem = heap_malloc(&a->chunks, req, zero);
	ring_unlock(a);
	if (hot && !cache_magazine(c, sc))
		cache_learn(c, sc);
	return mem;
}

static void *alloc_from_arena(struct cache *c, unsigned sc, size_t req, bool *zero)
{
	struct arena *a = ring_lock(&c->arena);
	void *mem;

	if (!a)
		return NULL;
	if (arena_use(a, sc))
		return alloc_from_slabs(c, a, sc, req, zero);
	mem = heap_malloc(&a->chunks, req, zero);
	ring_unlock(a);
	return mem;
}

/* Where a page of zeros or more is wanted, no magazine is filled: slabs may have untouched
   pages. */
static void *alloc_small(struct cache *c, size_t req, bool *zero)
{
	unsigned sc = class_of(req + !req); /* 0 bytes are 1 */
	struct magazine *m = cache_magazine(c, sc);
	struct object *o = NULL;

	if (m) {
		cache_pay_if_owed(c);
		o = magazine_take(m);
	}
	if (m && !o && !(*zero && class_size(sc) >= PAGE_SIZE) && fill(c, m))
		o = magazine_take(m);
	if (!o)
		return alloc_from_arena(c, sc, req, zero);
	*zero = false;
	return o;
}

static void *alloc_chunk(struct cache *c, size_t alignment, size_t req, bool *ret_zero)
{
	struct arena *a = ring_lock(&c->arena);
	void *mem = NULL;

	if (a && alignment > GRANULE)
		mem = heap_memalign(&a->chunks, alignment, req);
	else if (a)
		mem = heap_malloc(&a->chunks, req, ret_zero);
	if (a)
		ring_unlock(a);
	cache_obey_if_due(c);
	return mem;
}

/* Takes a kept run of an arena, which is locked and is unlocked then, and for the thread's arena
   others that fit, `most` in all. NULL: none does. */
static struct run *take_surplus(struct cache *c, struct arena *from, size_t npages,
				size_t alignment, uint32_t most)
{
	struct run *runs[RUNS_MOVED];
	struct arena *a;
	uint32_t n = 0;

	ASSERT(most && most <= RUNS_MOVED);
	while (n < most && (runs[n] = runs_take(&from->runs, npages, alignment)))
		n++;
	ring_unlock(from);
	if (n < 2)
		return n ? runs[0] : NULL;
	a = ring_lock(&c->arena);
	while (n-- > 1) {
		if (a)
			runs_keep(&a->runs, runs[n]);
		else
			run_free(runs[n]);
	}
	if (a)
		ring_unlock(a);
	return runs[0];
}

/* A kept run of the thread's arena, else of the one that had too many last, unless that is locked:
   runs that another thread frees are kept by its arena. NULL: none was found. */
static struct run *take_kept_run(struct cache *c, size_t npages, size_t alignment)
{
	struct arena *a = ring_lock(&c->arena), *other = load_acquire(&ring_surplus);
	struct run *run;
	uint32_t room;

	if (!a)
		return NULL;
	run = runs_take(&a->runs, npages, alignment);
	room = runs_room(&a->runs, npages);
	ring_unlock(a);
	if (run || !other || other == a || other->node != a->node || !ring_try(other))
		return run;
	return take_surplus(c, other, npages, alignment, (uint32_t)smaller(1 + room, RUNS_MOVED));
}

/* A kept run, or a new one; *ret_zero says that it reads as zero. */
static void *alloc_run(struct cache *c, size_t req, size_t alignment, bool *ret_zero)
{
	size_t lead = run_lead(req, alignment);
	struct run *run = take_kept_run(c, run_pages_behind(lead, req), alignment);
	void *mem;

	if (run) {
		*ret_zero = false;
		return run_lay_out(run, lead, req);
	}
	mem = run_alloc(req, alignment, ret_zero);
	cache_obey_if_due(c);
	return mem;
}

/* Where the system limits the process, what is much less than the block that it would be cut
   from has a mapping of its own: the rest of the block is addresses, and may be of no use to
   anything else. */
static bool wastes_addresses(size_t req)
{
	size_t nbytes = run_pages(req) << PAGE_SHIFT;

	return os_memory_limit() != SIZE_MAX && req >= SCARCE_PAGES_FROM &&
	       ((size_t)1 << log2_ceil(nbytes)) - nbytes > nbytes / 8;
}

/* Called where a small object is to be pages, since the system refuses a slab: gives kept mappings
   back, which would be used up, a page for each object. The largest alignments are always pages. */
static LATER void spare_kept(size_t alignment)
{
	if (alignment <= RUN_MAX)
		huge_purge(SIZE_MAX);
}

/* *zero is as in cache_alloc(). */
static void *alloc_pages(struct cache *c, size_t req, size_t alignment, bool *zero)
{
	bool wanted = *zero;
	void *mem = NULL;

	req = req ? req : 1;
	if (req <= RUN_MAX && alignment <= RUN_MAX && !wastes_addresses(req))
		mem = alloc_run(c, req, alignment, zero);
	if (mem)
		return mem;
	if (UNLIKELY(req <= CLASS_SIZE_MAX))
		spare_kept(alignment);
	*zero = wanted;
	mem = huge_alloc(req, alignment, zero);
	cache_make_way(c, req);
	return mem;
}

/* *zero is as in cache_alloc(). */
static void *alloc_any(struct cache *c, size_t req, bool *zero)
{
	bool wanted = *zero;
	void *mem = NULL;

	if (req <= CLASS_SIZE_MAX)
		mem = alloc_small(c, req, zero);
	else if (!cache_wants_pages(req))
		mem = alloc_chunk(c, GRANULE, req, zero);
	if (mem)
		return mem;
	*zero = wanted;
	return alloc_pages(c, req, GRANULE, zero);
}

/* *zero is as in cache_alloc(). */
static LATER void *alloc_again(struct cache *c, size_t req, bool *zero)
{
	bool wanted = *zero;
	void *mem = NULL;

	for (unsigned step = 0; !mem && step < RECLAIM_STEPS; step++) {
		cache_reclaim(c, req, step);
		*zero = wanted;
		mem = alloc_any(c, req, zero);
	}
	if (mem)
		return mem;
	*zero = false;
	return ring_alloc_held(GRANULE, req);
}

void *cache_alloc(size_t req, bool *zero)
{
	bool wanted = *zero;
	struct cache *c;
	void *mem;

	if (UNLIKELY(req > PTRDIFF_MAX))
		return NULL;
	c = cache_enter();
	if (UNLIKELY(!c))
		return early_alloc(GRANULE, req);
	if (cache_tick(c) && req <= CLASS_SIZE_MAX)
		cache_pay_if_owed(c);
	mem = alloc_any(c, req, zero);
	if (UNLIKELY(!mem)) {
		*zero = wanted;
		mem = alloc_again(c, req, zero);
	}
	cache_leave(c);
	ASSERT(is_aligned((uintptr_t)mem, GRANULE));
	return mem;
}

/* A kept run that is larger, cut to the size, or a new one, or a mapping: all with room. */
static void *alloc_growing(struct cache *c, size_t req)
{
	size_t lead = run_lead(req, GRANULE);
	struct arena *a;
	struct run *run;
	bool zero;

	if (req > RUN_ROOM)
		return huge_alloc_with_room(req);
	a = ring_lock(&c->arena);
	run = a ? runs_take_larger(&a->runs, run_pages_behind(lead, req)) : NULL;
	if (a)
		ring_unlock(a);
	return run ? run_lay_out(run, lead, req) : run_alloc_with_room(req, &zero);
}

void *cache_alloc_growing(size_t req)
{
	struct cache *c;
	bool zero = false;
	void *mem;

	if (req > PTRDIFF_MAX)
		return NULL;
	c = cache_enter();
	if (UNLIKELY(!c))
		return early_alloc(GRANULE, req);
	cache_tick(c);
	mem = alloc_growing(c, req);
	cache_make_way(c, req);
	cache_leave(c);
	return mem ? mem : cache_alloc(req, &zero);
}

/* --- aligned --------------------------------------------------------------------------------- */

/* An object of the class of that size, whose objects are all aligned, if the class is hot; else
   NULL. */
static void *alloc_hot(struct cache *c, size_t alignment, size_t req, size_t size)
{
	struct magazine *m = cache_magazine(c, class_of(size));
	struct arena *a;
	void *mem = NULL;
	bool zero;

	ASSERT(req <= size && size % alignment == 0 && class_size(class_of(size)) == size);
	if (m) {
		cache_pay_if_owed(c);
		mem = magazine_take(m);
		if (!mem && fill(c, m))
			mem = magazine_take(m);
		if (mem)
			return mem;
	}
	a = ring_lock(&c->arena);
	if (a && arena_use(a, class_of(size)))
		mem = arena_alloc_hot(a, class_of(size), alignment, req, &zero);
	if (a)
		ring_unlock(a);
	if (mem && !m)
		cache_learn(c, class_of(size));
	return mem;
}

static void *alloc_aligned(struct cache *c, size_t alignment, size_t req, size_t size)
{
	void *mem = size ? alloc_hot(c, alignment, req, size) : NULL;
	bool zero = false;

	/* Over a page: what a chunk would be cut from is larger than pages that are alone there. */
	if (!mem && alignment <= PAGE_SIZE && !cache_wants_pages(req + alignment))
		mem = alloc_chunk(c, alignment, req, &zero);
	return mem ? mem : alloc_pages(c, req, alignment, &zero);
}

void *cache_alloc_aligned(size_t alignment, size_t req)
{
	size_t size = alignment <= CLASS_SIZE_MAX ? class_size_aligned(alignment, req) : 0;
	struct cache *c;
	bool zero = false;
	void *mem;

	ASSERT(is_power_of_two(alignment));
	if (alignment <= GRANULE)
		return cache_alloc(req, &zero);
	if (req > PTRDIFF_MAX || alignment > PTRDIFF_MAX)
		return NULL;
	c = cache_enter();
	if (UNLIKELY(!c))
		return early_alloc(alignment, req);
	cache_tick(c);
	mem = alloc_aligned(c, alignment, req, size);
	for (unsigned step = 0; UNLIKELY(!mem) && step < RECLAIM_STEPS; step++) {
		cache_reclaim(c, larger(req, alignment), step);
		mem = alloc_aligned(c, alignment, req, size);
	}
	if (UNLIKELY(!mem))
		mem = ring_alloc_held(alignment, req);
	cache_leave(c);
	ASSERT(is_aligned((uintptr_t)mem, alignment));
	return mem;
}
