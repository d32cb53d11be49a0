/* Promotion and upkeep of an arena; see arena.h. */
#include "arena/arena.h"

#include "os/check.h"
#include "os/os.h"
#include "pages/metadata.h"
#include "pages/retain.h"

/* Under a small memory limit a class is promoted after so many times as many allocations. */
#define SCARCE_TIMES 8

void arena_init(struct arena *a, bool brk, uint32_t number)
{
	ASSERT(number && !a->slabs && !a->chunks.heaps && !a->runs.count); /* all bytes zero */
	a->lock = (struct lock)LOCK_INIT(LOCK_ARENA);
	a->number = number;
	a->chunks.arena = a;
	a->chunks.brk = brk;
	a->chunks.number = number;
}

static size_t promote_after(void)
{
	size_t times = os_memory_limit() < OS_MEMORY_SCARCE ? SCARCE_TIMES : 1;

	return times * options.promote_after;
}

bool arena_use_again(struct arena *a, unsigned sc)
{
	ASSERT(sc < CLASSES);
	return LIKELY(arena_is_hot(a, sc)) || ++a->uses[sc] >= promote_after();
}

/* Makes a class that is due hot; false: there is no memory, or none that is mapped. */
static bool promote(struct arena *a, unsigned sc, bool may_map)
{
	if (LIKELY(arena_is_hot(a, sc)))
		return true;
	if (!may_map && !slab_is_ready(sc))
		return false;
	if (!a->slabs)
		store_release(&a->slabs, slabs_new(a, may_map));
	if (!a->slabs)
		return false;
	slabs_promote(a->slabs, sc);
	a->counts.promotions++;
	return true;
}

static void *take_from_slabs(struct arena *a, unsigned sc, bool may_map, bool *ret_zero)
{
	return promote(a, sc, may_map) ? slabs_take_one(a->slabs, sc, may_map, ret_zero) : NULL;
}

/* Whether the class waits on, served by the heap while that has room, since slabs lack mapped
   memory. Counts a use of a hot class; arena_use() has counted that of another. */
static bool waits(struct arena *a, unsigned sc)
{
	if (a->uses[sc] >= PATIENCE * promote_after())
		return false;
	a->uses[sc] += arena_is_hot(a, sc);
	return true;
}

void *arena_alloc_hot(struct arena *a, unsigned sc, size_t alignment, size_t req, bool *ret_zero)
{
	void *mem = take_from_slabs(a, sc, false, ret_zero);

	ASSERT(is_power_of_two(alignment) && req <= class_size(sc) &&
	       class_size(sc) % alignment == 0);
	if (mem)
		return mem;
	*ret_zero = false;
	if (alignment <= PAGE_SIZE && waits(a, sc))
		mem = heap_memalign_held(&a->chunks, alignment, req);
	if (!mem)
		mem = take_from_slabs(a, sc, true, ret_zero);
	if (UNLIKELY(!mem))
		a->uses[sc] = 0; /* refused: the class waits as before its first slab */
	return mem;
}

/* --- upkeep --------------------------------------------------------------------------------- */

void arena_tend(struct arena *a)
{
	ASSERT(lock_held(&a->lock));
	if (a->slabs) {
		a->counts.demotions += slabs_demote_idle(a->slabs);
		slabs_count_resting(a->slabs);
		for (unsigned sc = 0; sc < CLASSES; sc++)
			if (!slabs_serve(a->slabs, sc) && a->uses[sc] >= promote_after())
				a->uses[sc] = 0;
	}
	runs_flush(&a->runs);
	heap_share(&a->chunks);
	heap_end_pause(&a->chunks);
}

void arena_obey_rule(struct arena *a)
{
	if (a->slabs)
		slabs_obey_rule(a->slabs, SLABS_PURGES);
	heap_obey_rule(&a->chunks);
}

void arena_trim(struct arena *a, size_t pad, bool purge)
{
	arena_tend(a);
	if (a->slabs)
		slabs_free_empty(a->slabs, 0); /* of which tending gives back a step */
	heap_trim(&a->chunks, pad);
	if (purge && a->slabs)
		slabs_purge(a->slabs);
}

void arena_forget(struct arena *a)
{
	ASSERT(a->retired && !lock_held(&a->lock));
	retain_add_idle(-(intptr_t)a->chunks.retained);
	if (a->slabs)
		retain_add_idle(-(intptr_t)a->slabs->retained);
	retain_add(-(intptr_t)(a->runs.retained * PAGE_SIZE));
	retain_add_live((intptr_t)(a->runs.retained * PAGE_SIZE));
}

bool arena_check(struct arena *a)
{
	bool ok = heap_check(&a->chunks);

	ok &= runs_check(&a->runs);
	return ok & (!a->slabs || slabs_check(a->slabs));
}
