/* Memory given back, because it is asked for or runs short; see reclaim.h. */
#include "arena/reclaim.h"

#include "arena/hot.h"
#include "arena/magazine.h"
#include "arena/registry.h"
#include "arena/run_cache.h"
#include "pages/huge.h"
#include "pages/retain.h"
#include "pages/zone.h"

static void give_back(struct arena *a, size_t pad)
{
	run_cache_settle(a);
	magazine_reap(a, true);
	arena_tend(a);
	heap_trim(&a->chunks, pad);
}

size_t arena_trim(struct arena *a, size_t pad)
{
	size_t live;

	run_cache_settle(a);
	live = load_relaxed(&retain_live);
	give_back(a, pad);
	hot_withdraw(a);
	return live - load_relaxed(&retain_live);
}

static void for_self_and_idle(struct arena *self, void (*act)(struct arena *, size_t), size_t pad)
{
	act(self, pad);
	for (struct arena *idle = registry_next(NULL); idle; idle = registry_next(idle)) {
		if (idle == self || !registry_hold(idle))
			continue;
		act(idle, pad);
		registry_let_go(idle);
	}
}

static void trim(struct arena *a, size_t pad)
{
	arena_trim(a, pad);
}

void arena_trim_all(struct arena *self, size_t pad)
{
	for_self_and_idle(self, trim, pad);
}

void reclaim(struct arena *self, unsigned step)
{
	if (step == 0)
		run_cache_flush(self);
	else
		for_self_and_idle(self, give_back, 0);
	huge_unmap_free();
	zone_unmap_free(true);
}

void *reclaim_chunk(struct arena *a, size_t alignment, size_t req)
{
	void *mem = heap_memalign_held(&a->chunks, alignment, req);

	for (struct arena *idle = NULL; !mem && (idle = registry_next(idle));) {
		if (idle == a || !registry_hold(idle))
			continue;
		mem = heap_memalign_held(&idle->chunks, alignment, req);
		registry_let_go(idle);
	}
	return mem;
}
