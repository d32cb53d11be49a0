/* Statistics by arena, and the lines of stats=exit; see stats.h. */
#include "api/stats.h"

#include "api/start.h"
#include "arena/ring.h"
#include "base/bits.h"
#include "harden/tools.h"
#include "observe/cached.h"
#include "observe/proc.h"
#include "os/check.h"
#include "os/line.h"
#include "os/os.h"
#include "os/process.h"

/* The arenas whose statistics are collected. */
struct batch {
	struct arena_stats *of;
	size_t first, count;
};

/* The statistics of an arena of the batch, else NULL. `a` may be NULL: the owner of a slab that
   another thread is giving back. */
static struct arena_stats *in_batch(const struct batch *b, const struct arena *a)
{
	size_t i = a ? a->number - 1 - b->first : SIZE_MAX;

	ASSERT(!a || a->number);
	return i < b->count ? &b->of[i] : NULL;
}

static UNSYNCHRONIZED void add_slabs(struct arena_stats *s, const struct slabs *ss)
{
	s->slab_bytes = load_relaxed(&ss->nbytes);
	for (unsigned sc = 0; sc < CLASSES; sc++) {
		size_t out = load_relaxed(&ss->out[sc]), all = load_relaxed(&ss->capacity[sc]);

		s->objects += out;
		s->object_bytes += out * class_size(sc);
		s->free_objects[sc] = minus(all, out);
	}
}

static UNSYNCHRONIZED void add_arena(struct arena_stats *s, const struct arena *a)
{
	heap_sizes(&a->chunks, &s->heap);
	s->kept_runs = a->runs.count;
	s->kept_run_bytes = a->runs.kept << PAGE_SHIFT;
	if (a->slabs)
		add_slabs(s, a->slabs);
}

/* What belongs to no arena. */
static void add_rest(struct arena_stats *s, const struct counters *all)
{
	s->run_bytes = counter(all, run_bytes);
	s->free_blocks = counter(all, dirty_block_bytes);
}

/* An object that is free, but out of its slab; there may be none by now. */
static UNSYNCHRONIZED void take_off(const struct object *o, void *arg)
{
	const struct slab *slab = (const struct slab *)pagemap_get(o);
	struct arena_stats *s =
		slab && slab->tag.kind == KIND_SLAB ? in_batch(arg, slab->owner) : NULL;

	if (!s || !s->objects || s->object_bytes < slab->size)
		return;
	s->objects--;
	s->object_bytes -= slab->size;
	s->free_objects[slab->class]++;
}

/* In a signal handler that interrupted a call, which may hold the depot's lock, cached objects
   count as in use. */
static void take_off_cached(struct batch *b)
{
	struct cache *self = cache_enter();

	if (!self)
		return;
	cached_visit(take_off, b);
	cache_leave(self);
}

static size_t bytes_of(const struct stats_room *room)
{
	return align_up(room->most * sizeof room->of[0], os_page_size());
}

void stats_room_init(struct stats_room *room)
{
	room->most = ring_count();
	room->of = room->most > STATS_BATCH ? os_map(bytes_of(room), OS_METADATA) : NULL;
	if (room->of)
		return;
	room->of = room->few;
	room->most = STATS_BATCH;
}

void stats_room_deinit(struct stats_room *room)
{
	if (room->of != room->few)
		os_unmap(room->of, bytes_of(room));
}

size_t stats_by_arena(struct arena_stats *ret_stats, size_t first, size_t most,
		      const struct counters *all)
{
	struct batch b = {.of = ret_stats, .first = first};

	if (!start())
		return 0;
	while (b.count < most && first + b.count < ring_count())
		ret_stats[b.count++] = (struct arena_stats){0};
	ring_for_each (a)
		if (in_batch(&b, a))
			add_arena(in_batch(&b, a), a);
	if (in_batch(&b, &arena_main))
		add_rest(in_batch(&b, &arena_main), all);
	tools_enter();
	take_off_cached(&b);
	tools_leave();
	return b.count;
}

/* --- stats=exit ------------------------------------------------------------------------------ */

static void put_mib(struct text *t, size_t nbytes, const char *end)
{
	text_printf(t, "%zu.%zu%s", nbytes / MIB, nbytes % MIB * 10 / MIB, end);
}

/* How much, and is it fragmentation: what the program holds beside what the process has in RAM. */
static void print_sum(const struct counters *cs)
{
	size_t in_use = counter(cs, live_bytes), metadata = counter(cs, metadata_bytes);
	size_t kept = counter(cs, free_bytes) + counter(cs, cached_bytes), now, most;
	char program[256];
	struct line line;

	proc_program(program, sizeof program);
	proc_resident(&now, &most);
	line_begin(&line);
	text_printf(&line.text, "%s, process %zu: ", program, (size_t)os_process());
	put_mib(&line.text, in_use, " MiB in use, ");
	put_mib(&line.text, kept, " free and kept, ");
	put_mib(&line.text, metadata, " metadata; the process ");
	if (now) {
		text_put(&line.text, "holds ");
		put_mib(&line.text, now, " MiB (RSS), at most ");
		put_mib(&line.text, most, "");
	} else {
		text_put(&line.text, "held at most ");
		put_mib(&line.text, most, " MiB (RSS); what it holds now is unknown without /proc");
	}
	line_end(&line);
}

void stats_print(void)
{
	struct counters all, *cs = &all;

	counters_collect(cs);
	print_sum(cs);
#define C(name) (size_t) counter(cs, name)
	line_say("arena: %zu arenas; %zu classes promoted, %zu demoted", C(arenas), C(promotions),
		 C(demotions));
	line_say("slab: %zu objects taken in %zu refills; %zu slabs made, %zu given back; now %zu "
		 "slabs of %zu bytes, %zu objects of %zu bytes out",
		 C(refilled_objects), C(refills), C(slabs_made), C(slabs_given_back), C(slabs),
		 C(slab_bytes), C(slab_objects), C(slab_object_bytes));
	line_say("heap: hits: %zu small bin, %zu unsorted, %zu large bin, %zu last remainder, %zu "
		 "top; %zu splits, %zu merges",
		 C(small_hits), C(unsorted_hits), C(large_hits), C(remainder_hits), C(top_hits),
		 C(chunk_splits), C(chunk_merges));
	line_say("top: grown %zu times by brk, %zu by block; %zu trims, %zu bytes purged; now %zu "
		 "bytes of heaps, %zu in use",
		 C(top_grown_brk), C(top_grown_block), C(top_trims), C(heap_purged_bytes),
		 C(heap_bytes), C(chunk_bytes));
	line_say("pages: %zu regions of %zu bytes; %zu blocks taken, %zu splits, %zu merges, %zu "
		 "bytes purged; free: %zu dirty, %zu clean",
		 C(regions), C(region_bytes), C(blocks_taken), C(block_splits), C(block_merges),
		 C(block_purged_bytes), C(dirty_block_bytes), C(clean_block_bytes));
	line_say("objects of pages: %zu runs made, now %zu of %zu bytes; %zu huge made, now %zu of "
		 "%zu bytes, %zu kept; metadata %zu bytes",
		 C(runs_made), C(runs), C(run_bytes), C(huge_made), C(huge_objects), C(huge_bytes),
		 C(kept_huge_bytes), C(metadata_bytes));
#undef C
}
