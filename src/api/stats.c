/* Statistics of all floors; see stats.h. */
#include "api/stats.h"

#include "api/start.h"
#include "arena/magazine.h"
#include "arena/registry.h"
#include "base/report.h"
#include "harden/tools.h"
#include "pages/metadata.h"
#include "pages/run.h"

#include <loam/loam.h>

static UNSYNCHRONIZED void add_block(struct descriptor *tag, char *mem, size_t nbytes, void *arg)
{
	struct stats *s = arg;

	(void)mem;
	if (tag->kind == KIND_SLAB) {
		const struct slab *slab = (const struct slab *)tag;

		s->slabs++;
		s->slab_bytes += nbytes;
		s->objects += slab_objects_out(slab);
		s->object_bytes += (size_t)slab_objects_out(slab) * slab->size;
	} else if (tag->kind == KIND_RUN && !load_relaxed(&((const struct run *)tag)->kept)) {
		s->runs++;
		s->run_bytes += nbytes;
	}
}

static UNSYNCHRONIZED void add_counts(struct arena_counts *sum, const struct arena_counts *counts)
{
#define COUNTER(name) sum->name += counts->name;
	STATS_COUNTERS(COUNTER)
#undef COUNTER
}

static void add_arena(const struct arena *a, struct stats *s)
{
	struct heap_sizes sizes;

	heap_sizes(&a->chunks, &sizes);
	s->arenas++;
	s->heap.system += sizes.system;
	s->heap.in_use += sizes.in_use;
	s->heap.free += sizes.free;
	s->heap.free_chunks += sizes.free_chunks;
	if (a == &arena_main)
		s->top = sizes.top;
	add_counts(&s->counts, &a->counts);
#define COUNTER(name) s->name += load_relaxed(&a->chunks.name);
	HEAP_COUNTERS(COUNTER)
#undef COUNTER
}

/* What waits in magazines is out of its slabs, but not with the program. */
static void take_off_magazines(struct stats *s)
{
	struct magazine_sizes kept = magazine_sizes();

	s->objects -= kept.objects < s->objects ? kept.objects : s->objects;
	s->object_bytes -= kept.nbytes < s->object_bytes ? kept.nbytes : s->object_bytes;
}

/* Nothing in a signal handler in the middle of a call, which may hold the locks. */
static void add_floors(struct stats *s)
{
	struct arena *self = arena_enter();

	if (!self)
		return;
	zone_visit(add_block, s);
	take_off_magazines(s);
	zone_sizes(&s->zone);
	huge_sizes(&s->huge);
	s->metadata = metadata_mapped();
	arena_leave(self);
}

void stats_collect(struct stats *ret_stats)
{
	*ret_stats = (struct stats){0};
	if (!start())
		return;
	for (struct arena *a = NULL; (a = registry_next(a));)
		add_arena(a, ret_stats);
	tools_enter();
	add_floors(ret_stats);
	tools_leave();
}

void stats_print(void)
{
	struct stats s;

	stats_collect(&s);
	report_line("arena: %zu arenas; %zu classes promoted, %zu demoted; %zu remote frees sent in "
		    "%zu posts, %zu drained",
		    s.arenas, s.counts.promotions, s.counts.demotions, s.counts.remote_sent,
		    s.counts.remote_posts, s.counts.remote_drained);
	report_line("slab: %zu objects by fast bins at least, %zu refills; %zu slabs made, %zu given "
		    "back; now %zu slabs of %zu bytes, %zu objects of %zu bytes out",
		    s.counts.fast, s.counts.refills, s.counts.slabs_new, s.counts.slabs_back, s.slabs,
		    s.slab_bytes, s.objects, s.object_bytes);
	report_line("heap: hits: %zu small bin, %zu unsorted, %zu large bin, %zu last remainder, %zu "
		    "top; %zu splits, %zu merges",
		    s.small_hits, s.unsorted_hits, s.large_hits, s.remainder_hits, s.top_hits, s.splits,
		    s.merges);
	report_line("top: grown %zu times by brk, %zu by block; %zu trims, %zu bytes purged; now %zu "
		    "bytes of heaps, %zu in use",
		    s.top_grown_brk, s.top_grown_block, s.trims, s.purged_bytes, s.heap.system,
		    s.heap.in_use);
	report_line("pages: %zu regions of %zu bytes; %zu blocks taken, %zu splits, %zu merges, %zu "
		    "bytes purged; free: %zu dirty, %zu clean",
		    s.zone.regions, s.zone.mapped, s.zone.takes, s.zone.splits, s.zone.merges,
		    s.zone.purged, s.zone.free_dirty, s.zone.free_clean);
	report_line("objects of pages: %zu runs made, now %zu of %zu bytes; %zu huge made, now %zu of "
		    "%zu bytes, %zu kept; metadata %zu bytes",
		    load_relaxed(&runs_made), s.runs, s.run_bytes, s.huge.made, s.huge.count,
		    s.huge.nbytes, s.huge.kept, s.metadata);
}
