/* Runs that an arena keeps; see run_cache.h. */
#include "arena/run_cache.h"

#include "base/bits.h"
#include "pages/retain.h"

static void enter_cache(struct run *run)
{
	store_relaxed(&run->kept, true);
	retain_add_live(-(intptr_t)run_usable(run));
	retain_add((intptr_t)run_usable(run));
}

static void leave_cache(struct run *run)
{
	retain_add(-(intptr_t)run_usable(run));
	retain_add_live((intptr_t)run_usable(run));
	store_relaxed(&run->kept, false);
}

struct run *run_cache_take(struct arena *a, size_t npages, size_t alignment)
{
	for (unsigned i = 0; i < RUN_SLOTS; i++) {
		struct run *run = a->runs[i];

		if (!run || run->npages < npages || run->npages - npages > npages / 8 ||
		    !is_aligned((uintptr_t)run->mem, alignment))
			continue;
		a->runs[i] = NULL;
		leave_cache(run);
		return run;
	}
	return NULL;
}

static void give_back(struct run *run)
{
	leave_cache(run);
	run_free(run);
}

void run_cache_keep(struct arena *a, struct run *run)
{
	struct run **slot = &a->runs[a->run_next];

	a->run_next = (a->run_next + 1) % RUN_SLOTS;
	if (*slot)
		give_back(*slot);
	*slot = run;
	enter_cache(run);
	if (retain_excess())
		run_cache_flush(a);
}

void run_cache_flush(struct arena *a)
{
	for (unsigned i = 0; i < RUN_SLOTS; i++) {
		if (a->runs[i])
			give_back(a->runs[i]);
		a->runs[i] = NULL;
	}
}
