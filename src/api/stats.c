/* Statistics of all floors; see stats.h. */
#include "api/stats.h"

#include "api/start.h"
#include "arena/ring.h"
#include "os/check.h"
#include "os/line.h"
#include "cache/cache.h"
#include "harden/tools.h"
#include "observe/cached.h"
#include "observe/proc.h"
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

static UNSYNCHRONIZED void add_arena(const struct arena *a, struct stats *s)
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
	s->kept_run_bytes += a->runs.kept << PAGE_SHIFT;
	add_counts(&s->counts, &a->counts);
	if (a->slabs) {
		s->slabs_made += a->slabs->made;
		s->slabs_given_back += a->slabs->given_back;
	}
#define COUNTER(name) s->name += load_relaxed(&a->chunks.name);
	HEAP_COUNTERS(COUNTER)
#undef COUNTER
}

/* The slab of an object that is free, but out; NULL: it is none by now. */
static UNSYNCHRONIZED const struct slab *slab_of_cached(const struct object *o)
{
	const struct slab *slab = (const struct slab *)pagemap_get(o);

	return slab && slab->tag.kind == KIND_SLAB ? slab : NULL;
}

static UNSYNCHRONIZED void take_off(const struct object *o, void *arg)
{
	const struct slab *slab = slab_of_cached(o);
	struct stats *s = arg;

	if (!slab || !s->objects || s->object_bytes < slab->size)
		return;
	s->objects--;
	s->object_bytes -= slab->size;
}

/* Nothing in a signal handler in the middle of a call, which may hold the locks. */
static void add_floors(struct stats *s)
{
	struct cache *self = cache_enter();

	if (!self)
		return;
	zone_visit(add_block, s);
	cached_visit(take_off, s);
	zone_sizes(&s->zone);
	huge_sizes(&s->huge);
	s->metadata = metadata_mapped();
	cache_leave(self);
}

void stats_collect(struct stats *ret_stats)
{
	*ret_stats = (struct stats){0};
	if (!start())
		return;
	for (struct arena *a = NULL; (a = ring_next(a));)
		add_arena(a, ret_stats);
	tools_enter();
	add_floors(ret_stats);
	tools_leave();
}

/* --- by arena -------------------------------------------------------------------------------- */

/* The arenas whose statistics are collected. */
struct batch {
	struct arena_stats *of;
	size_t first, count;
};

/* NULL: it is none of the batch. */
static struct arena_stats *in_batch(const struct batch *b, const struct arena *a)
{
	size_t i = a->number - 1 - b->first;

	ASSERT(a->number);
	return i < b->count ? &b->of[i] : NULL;
}

static UNSYNCHRONIZED void add_slab(struct arena_stats *s, const struct slab *slab, size_t nbytes)
{
	uint32_t out = slab_objects_out(slab);

	s->slabs++;
	s->slab_bytes += nbytes;
	s->objects += out;
	s->object_bytes += (size_t)out * slab->size;
	if (out < slab->capacity)
		s->free_objects[slab->class] += slab->capacity - out;
}

static void add_block_of_batch(struct descriptor *tag, char *mem, size_t nbytes, void *arg)
{
	const struct slab *slab = (const struct slab *)tag;
	bool is_run = tag->kind == KIND_RUN && !load_relaxed(&((const struct run *)tag)->kept);
	struct arena_stats *owner = tag->kind == KIND_SLAB ? in_batch(arg, slab->owner) : NULL;
	struct arena_stats *first = is_run ? in_batch(arg, &arena_main) : NULL;

	(void)mem;
	if (owner)
		add_slab(owner, slab, nbytes);
	if (first) {
		first->runs++;
		first->run_bytes += nbytes;
	}
}

static UNSYNCHRONIZED void take_off_of_batch(const struct object *o, void *arg)
{
	const struct slab *slab = slab_of_cached(o);
	struct arena_stats *s = slab ? in_batch(arg, slab->owner) : NULL;

	if (!s || !s->objects || s->object_bytes < slab->size)
		return;
	s->objects--;
	s->object_bytes -= slab->size;
	s->free_objects[slab->class]++;
}

static UNSYNCHRONIZED void add_kept_runs(const struct arena *a, struct arena_stats *s)
{
	s->kept_runs = a->runs.count;
	s->kept_run_bytes = a->runs.kept << PAGE_SHIFT;
}

/* Nothing of slabs and runs in a signal handler in the middle of a call, which may hold the
   locks. */
static void add_blocks(struct batch *b)
{
	struct cache *self = cache_enter();
	struct zone_sizes zone;

	if (!self)
		return;
	zone_visit(add_block_of_batch, b);
	cached_visit(take_off_of_batch, b);
	if (in_batch(b, &arena_main)) {
		zone_sizes(&zone);
		in_batch(b, &arena_main)->free_blocks = zone.free_dirty;
	}
	cache_leave(self);
}

size_t stats_by_arena(struct arena_stats *ret_stats, size_t first, size_t most)
{
	struct batch b = {.of = ret_stats, .first = first};

	if (!start())
		return 0;
	while (b.count < most && first + b.count < ring_count())
		ret_stats[b.count++] = (struct arena_stats){0};
	for (const struct arena *a = NULL; (a = ring_next(a));) {
		struct arena_stats *s = in_batch(&b, a);

		if (!s)
			continue;
		heap_sizes(&a->chunks, &s->heap);
		add_kept_runs(a, s);
	}
	tools_enter();
	add_blocks(&b);
	tools_leave();
	return b.count;
}

/* With the cache entered: a handler that comes while the lock is held must find that it may not
   take it. */
void stats_huge(struct huge_sizes *ret_sizes)
{
	struct cache *self = cache_enter();

	*ret_sizes = (struct huge_sizes){0};
	if (!self)
		return;
	huge_sizes(ret_sizes);
	cache_leave(self);
}

/* --- stats=exit ------------------------------------------------------------------------------ */

#define TENTH (MIB / 10)

/* How much, and is it fragmentation: what the program holds beside what the process has in RAM. */
static void print_sum(const struct stats *s)
{
	size_t in_use = stats_in_use(s) + s->huge.nbytes, kept = stats_free(s) + s->huge.kept, now,
	       most;
	char program[256];

	proc_program(program, sizeof program);
	proc_resident(&now, &most);
	line_say("%s, process %zu: %zu.%zu MiB in use, %zu.%zu free and kept, %zu.%zu metadata; "
		 "the process "
		 "holds %zu.%zu MiB (RSS), at most %zu.%zu",
		 program, (size_t)proc_number(), in_use / MIB, in_use % MIB / TENTH % 10,
		 kept / MIB, kept % MIB / TENTH % 10, s->metadata / MIB,
		 s->metadata % MIB / TENTH % 10, now / MIB, now % MIB / TENTH % 10, most / MIB,
		 most % MIB / TENTH % 10);
}

void stats_print(void)
{
	struct stats s;

	stats_collect(&s);
	print_sum(&s);
	line_say("arena: %zu arenas; %zu classes promoted, %zu demoted", s.arenas,
		 s.counts.promotions, s.counts.demotions);
	line_say("slab: %zu objects taken in %zu refills; %zu slabs made, %zu given back; now %zu "
		 "slabs of %zu bytes, %zu objects of %zu bytes out",
		 s.counts.objects, s.counts.refills, s.slabs_made, s.slabs_given_back, s.slabs,
		 s.slab_bytes, s.objects, s.object_bytes);
	line_say("heap: hits: %zu small bin, %zu unsorted, %zu large bin, %zu last remainder, %zu "
		 "top; %zu splits, %zu merges",
		 s.small_hits, s.unsorted_hits, s.large_hits, s.remainder_hits, s.top_hits,
		 s.splits, s.merges);
	line_say("top: grown %zu times by brk, %zu by block; %zu trims, %zu bytes purged; now %zu "
		 "bytes of heaps, %zu in use",
		 s.top_grown_brk, s.top_grown_block, s.trims, s.purged_bytes, s.heap.system,
		 s.heap.in_use);
	line_say("pages: %zu regions of %zu bytes; %zu blocks taken, %zu splits, %zu merges, %zu "
		 "bytes purged; free: %zu dirty, %zu clean",
		 s.zone.regions, s.zone.mapped, s.zone.takes, s.zone.splits, s.zone.merges,
		 s.zone.purged, s.zone.free_dirty, s.zone.free_clean);
	line_say("objects of pages: %zu runs made, now %zu of %zu bytes; %zu huge made, now %zu of "
		 "%zu bytes, %zu kept; metadata %zu bytes",
		 load_relaxed(&runs_made), s.runs, s.run_bytes, s.huge.made, s.huge.count,
		 s.huge.nbytes, s.huge.kept, s.metadata);
}
