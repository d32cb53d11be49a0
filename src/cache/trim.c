/* Gives back all free memory at once; see trim.h. */
#include "cache/trim.h"

#include "cache/upkeep.h"
#include "pages/huge.h"
#include "pages/retain.h"
#include "pages/zone.h"

/* Bytes from the system that hold memory, those of them that are in RAM, as far as they were
   touched, and bytes purged so far. */
struct sums {
	size_t held, resident, purged;
};

static struct sums sum_up(void)
{
	struct zone_sizes zone;
	size_t purged = 0;

	zone_sizes(&zone);
	ring_for_each (a)
		purged += load_relaxed(&a->chunks.purged_bytes);
	return (struct sums){load_relaxed(&retain_live) + load_relaxed(&retain_retained),
			     retain_held(), purged + zone.purged};
}

size_t trim_all(struct cache *self, size_t pad, bool *ret_any)
{
	struct sums before = sum_up(), after;

	cache_trim_arenas(self, pad);
	huge_purge(SIZE_MAX);
	zone_purge(SIZE_MAX);
	zone_unmap_free(false);
	zone_start(); /* as classes find it that are promoted next */
	retain_forget();
	after = sum_up();
	*ret_any = after.held < before.held || after.purged > before.purged;
	return minus(before.resident, after.resident);
}
