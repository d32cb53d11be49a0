/* Runs that an arena keeps; see run_cache.h. */
#include "arena/run_cache.h"

#include "base/bits.h"
#include "base/check.h"
#include "pages/huge.h"
#include "pages/retain.h"

/* retain.h is to know of so many pages more, or less. */
static void tell(struct arena *a, intptr_t npages)
{
	a->run_told += (size_t)npages;
	retain_add_live(-npages * (intptr_t)PAGE_SIZE);
	retain_add(npages * (intptr_t)PAGE_SIZE);
}

static size_t slack(const struct arena *a)
{
	return a->run_told - a->run_kept;
}

ALWAYS_INLINE void push(struct arena *a, struct run *run)
{
	a->runs[a->run_count++] = run;
	a->run_kept += run->npages;
	store_relaxed(&run->kept, true);
}

/* Takes the run in a slot out. */
ALWAYS_INLINE struct run *take_out(struct arena *a, struct run **slot)
{
	struct run *run = *slot, **last = &a->runs[--a->run_count];

	for (; UNLIKELY(slot != last); slot++)
		slot[0] = slot[1];
	*slot = NULL;
	a->run_kept -= run->npages;
	store_relaxed(&run->kept, false);
	return run;
}

/* The slot of the newest that fits; NULL: none. */
ALWAYS_INLINE struct run **find(struct arena *a, size_t npages, size_t alignment)
{
	for (struct run **slot = &a->runs[a->run_count]; slot-- != a->runs;) {
		const struct run *run = *slot;

		/* For one that is too small the difference wraps. */
		if (run->npages - npages <= npages / 8 &&
		    is_aligned((uintptr_t)run->mem, alignment))
			return slot;
	}
	return NULL;
}

/* A huge object that is kept is nobody's, but a signal handler must not come in between. */
static NOINLINE void *malloc_huge(size_t req, void *(*slow)(size_t))
{
	struct arena *a = arena_mine;
	void *mem;

	if (!arena_begin(a))
		return slow(req);
	mem = arena_is_due(a) ? NULL : huge_reuse(req);
	arena_end(a);
	return mem ? mem : slow(req);
}

static NOINLINE void free_huge(struct huge *h, void *mem, void (*slow)(void *))
{
	struct arena *a = arena_mine;
	bool here;

	if (!arena_begin(a))
		return slow(mem);
	here = h->mem == mem && !arena_is_due(a);
	if (here)
		huge_free(h);
	arena_end(a);
	if (!here)
		slow(mem);
}

/* A kept run; NULL: none fits, or there is more to do than to take it. */
ALWAYS_INLINE struct run *take_at_once(struct arena *a, size_t npages)
{
	struct run **slot = find(a, npages, 1);

	return slot && slack(a) + (*slot)->npages <= RUN_SLACK ? take_out(a, slot) : NULL;
}

/* Whether a run is kept, without anything else to do. */
ALWAYS_INLINE bool keep_at_once(struct arena *a, struct run *run)
{
	if (run->npages > slack(a) || a->run_count == RUN_SLOTS || arena_is_due(a))
		return false;
	push(a, run);
	return true;
}

void *run_cache_malloc(size_t req, void *(*slow)(size_t))
{
	struct arena *a;
	struct run *run;

	if (UNLIKELY(!load_hot(&fast_limit)))
		return slow(req);
	if (req > RUN_MAX)
		return malloc_huge(req, slow);
	a = arena_mine;
	if (!arena_begin(a))
		return slow(req);
	run = take_at_once(a, run_pages(req));
	arena_end(a);
	return LIKELY(run) ? run->mem : slow(req);
}

void run_cache_free(void *mem, void (*slow)(void *))
{
	struct run *run = (struct run *)pagemap_get(mem);
	struct arena *a;
	bool kept;

	if (UNLIKELY(!run || !load_hot(&fast_limit)))
		return slow(mem);
	if (run->tag.kind != KIND_RUN)
		return run->tag.kind == KIND_HUGE ? free_huge((struct huge *)run, mem, slow)
						  : slow(mem);
	if (run->mem != mem || run->kept)
		return slow(mem);
	a = arena_mine;
	if (!arena_begin(a))
		return slow(mem);
	kept = keep_at_once(a, run);
	arena_end(a);
	if (UNLIKELY(!kept))
		slow(mem);
}

struct run *run_cache_take(struct arena *a, size_t npages, size_t alignment)
{
	struct run **slot = find(a, npages, alignment), *run;

	if (!slot)
		return NULL;
	run = take_out(a, slot);
	if (slack(a) > RUN_SLACK)
		tell(a, -(intptr_t)slack(a));
	return run;
}

struct run *run_cache_take_larger(struct arena *a, size_t npages)
{
	for (uint32_t i = a->run_count; i-- > 0;) {
		struct run *run = a->runs[i];

		if (run->npages < npages)
			continue;
		take_out(a, &a->runs[i]);
		tell(a, -(intptr_t)slack(a));
		run_resize(run, npages << PAGE_SHIFT);
		return run;
	}
	return NULL;
}

bool run_cache_has_room(const struct arena *a, const struct run *run)
{
	if (run_usable(run) > RUN_ROOM / 4)
		return false;
	for (uint32_t i = 0; i < a->run_count; i++)
		if (a->runs[i]->npages >= 4 * run->npages)
			return true;
	return false;
}

static void give_back_oldest(struct arena *a)
{
	struct run *run = take_out(a, a->runs);

	tell(a, -(intptr_t)run->npages);
	run_free(run);
}

void run_cache_keep(struct arena *a, struct run *run)
{
	while (a->run_count == RUN_SLOTS || (a->run_count && a->run_kept + run->npages > RUN_KEPT))
		give_back_oldest(a);
	push(a, run);
	if (a->run_kept > a->run_told)
		tell(a, -(intptr_t)slack(a));
	if (retain_excess())
		run_cache_flush(a);
}

void run_cache_settle(struct arena *a)
{
	if (slack(a))
		tell(a, -(intptr_t)slack(a));
	if (a->run_count && retain_excess())
		run_cache_flush(a);
}

void run_cache_flush(struct arena *a)
{
	while (a->run_count)
		give_back_oldest(a);
	if (slack(a))
		tell(a, -(intptr_t)slack(a));
}

bool run_cache_check(const struct arena *a)
{
	size_t kept = 0;
	bool ok = true;

	for (uint32_t i = 0; i < a->run_count; i++) {
		ok &= expect_eq("A6", a->runs[i]->tag.kind, KIND_RUN);
		ok &= expect_eq("A6", a->runs[i]->kept, true);
		kept += a->runs[i]->npages;
	}
	for (uint32_t i = a->run_count; i < RUN_SLOTS; i++)
		ok &= expect_eq("A6", (uintptr_t)a->runs[i], 0);
	ok &= expect_eq("A7", a->run_kept, kept);
	return ok & expect_eq("A7", slack(a) <= RUN_SLACK, true);
}
