/* How every call comes to the slow path; see watch.h. */
#include "observe/watch.h"

#include "cache/cache.h"
#include "harden/sampled.h"
#include "pages/zone.h"

static bool watching; /* atomic */

static void watch_slab(struct descriptor *tag, char *mem, size_t nbytes, void *arg)
{
	(void)mem, (void)nbytes, (void)arg;
	if (tag->kind == KIND_SLAB)
		slab_clear_hot((struct slab *)tag);
}

void watch_all(void)
{
	store_relaxed(&watching, true);
	store_relaxed(&fast_limit, 0);
	store_relaxed(&fast_limit_counted, 0);
	slab_watch_all();
	zone_visit(watch_slab, NULL);
}

/* Where allocations are counted, only behind the count; where those for guarded objects are, too,
   behind that of the slow path. */
void watch_open(void)
{
	if (load_relaxed(&watching))
		return;
	store_release(&fast_limit_counted,
		      load_relaxed(&sampling) && !sampled_is_on() ? FAST_GRANULES : 0);
	store_release(&fast_limit, load_relaxed(&sampling) ? 1 : FAST_GRANULES);
}
