/* Runs that an arena keeps; see run_cache.h. */
#include "arena/run_cache.h"

#include "base/bits.h"
#include "base/check.h"
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

ALWAYS_INLINE struct run *remove_at(struct arena *a, uint32_t i)
{
	struct run *run = a->runs[i];

	a->run_count--;
	for (; UNLIKELY(i < a->run_count); i++)
		a->runs[i] = a->runs[i + 1];
	a->runs[i] = NULL;
	a->run_kept -= run->npages;
	store_relaxed(&run->kept, false);
	return run;
}

/* The newest that fits; RUN_SLOTS: none. */
ALWAYS_INLINE uint32_t find(const struct arena *a, size_t npages, size_t alignment)
{
	for (uint32_t i = a->run_count; i-- > 0;) {
		const struct run *run = a->runs[i];

		/* For one that is too small the difference wraps. */
		if (run->npages - npages <= npages / 8 &&
		    is_aligned((uintptr_t)run->mem, alignment))
			return i;
	}
	return RUN_SLOTS;
}

void *run_cache_malloc(size_t req, void *(*slow)(size_t))
{
	struct arena *a;
	struct run *run;
	uint32_t i;

	if (UNLIKELY(!load_hot(&fast_limit)) || req > RUN_MAX)
		return slow(req);
	a = arena_mine;
	i = find(a, run_pages(req), 1);
	if (i == RUN_SLOTS || slack(a) + a->runs[i]->npages > RUN_SLACK || !arena_begin(a))
		return slow(req);
	run = remove_at(a, i);
	arena_end(a);
	return run->mem;
}

void run_cache_free(void *mem, void (*slow)(void *))
{
	struct run *run = (struct run *)pagemap_find(mem); /* zeroes fail the first check */
	struct arena *a;

	if (run->tag.kind != KIND_RUN || run->mem != mem || run->kept ||
	    UNLIKELY(!load_hot(&fast_limit)))
		return slow(mem);
	a = arena_mine;
	if (run->npages > slack(a) || a->run_count == RUN_SLOTS || arena_is_due(a) ||
	    !arena_begin(a))
		return slow(mem);
	push(a, run);
	arena_end(a);
}

struct run *run_cache_take(struct arena *a, size_t npages, size_t alignment)
{
	uint32_t i = find(a, npages, alignment);
	struct run *run;

	if (i == RUN_SLOTS)
		return NULL;
	run = remove_at(a, i);
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
		remove_at(a, i);
		tell(a, -(intptr_t)slack(a));
		run_resize(run, npages << PAGE_SHIFT);
		return run;
	}
	return NULL;
}

static void give_back_oldest(struct arena *a)
{
	struct run *run = remove_at(a, 0);

	tell(a, -(intptr_t)run->npages);
	run_free(run);
}

void run_cache_keep(struct arena *a, struct run *run)
{
	if (a->run_count == RUN_SLOTS)
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
