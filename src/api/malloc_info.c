/*
 * malloc_info: glibc's XML.  A <heap> is an arena, in the order of their numbers: its free chunks
 * by bin, and the free objects of its slabs by class, as <size> each.  "fast" counts these objects,
 * in slabs, magazines and the depot, "rest" what else is free.  The first heap has what belongs to
 * no arena, too (struct arena_stats), so that the totals are the sums over the heaps.
 */
#include "api/start.h"
#include "api/stats.h"
#include "cache/cache.h"
#include "arena/ring.h"

#include <errno.h>
#include <loam/loam.h>
#include <stdio.h>

/* Free chunks of one bin. */
struct histogram {
	struct {
		size_t least, most, total, count;
	} bin[BINS];
};

static bool add_chunk(struct chunk *c, size_t csize, void *arg)
{
	struct histogram *h = arg;
	unsigned i = bins_index(csize);

	(void)c;
	if (!h->bin[i].count || csize < h->bin[i].least)
		h->bin[i].least = csize;
	if (csize > h->bin[i].most)
		h->bin[i].most = csize;
	h->bin[i].total += csize;
	h->bin[i].count++;
	return true;
}

static void put_size(FILE *file, size_t from, size_t to, size_t total, size_t count)
{
	fprintf(file, "  <size from=\"%zu\" to=\"%zu\" total=\"%zu\" count=\"%zu\"/>\n", from, to,
		total, count);
}

static void put_sizes(FILE *file, const struct histogram *h, const struct arena_stats *s)
{
	fputs("<sizes>\n", file);
	for (unsigned sc = 0; sc < CLASSES; sc++)
		if (s->free_objects[sc])
			put_size(file, class_size(sc), class_size(sc),
				 s->free_objects[sc] * class_size(sc), s->free_objects[sc]);
	for (unsigned i = 0; i < BINS; i++)
		if (h->bin[i].count)
			put_size(file, h->bin[i].least, h->bin[i].most, h->bin[i].total,
				 h->bin[i].count);
	fputs("</sizes>\n", file);
}

static void put_total(FILE *file, const char *type, size_t count, size_t nbytes)
{
	fprintf(file, "<total type=\"%s\" count=\"%zu\" size=\"%zu\"/>\n", type, count, nbytes);
}

/* What it was at most is not known. */
static void put_system(FILE *file, size_t current)
{
	fprintf(file,
		"<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n"
		"<aspace type=\"total\" size=\"%zu\"/>\n<aspace type=\"mprotect\" size=\"%zu\"/>\n",
		current, current, current, current);
}

/* What stands in a heap's totals, and is summed over all heaps. */
struct sums {
	size_t fast_count, fast, rest_count, rest, system;
};

static void put_sums(FILE *file, const struct sums *s)
{
	put_total(file, "fast", s->fast_count, s->fast);
	put_total(file, "rest", s->rest_count, s->rest);
}

static struct sums sums_of(const struct arena_stats *s)
{
	struct sums sums = {.rest_count = s->heap.free_chunks + s->kept_runs,
			    .system = stats_arena_system(s)};
	size_t free = minus(sums.system, stats_arena_in_use(s));

	for (unsigned sc = 0; sc < CLASSES; sc++) {
		sums.fast_count += s->free_objects[sc];
		sums.fast += s->free_objects[sc] * class_size(sc);
	}
	/* what is on the way here, and ends of slabs, too */
	sums.rest = minus(free, sums.fast);
	return sums;
}

/* The bins of an arena that another thread runs on cannot be walked: its sums are given.
   Nothing is printed while the arena is held, because stdio may allocate. */
static void put_arena(FILE *file, size_t nr, const struct arena_stats *stats, struct sums *total)
{
	struct arena *a = ring_at(nr + 1);
	struct histogram histogram = {0};
	struct sums sums = sums_of(stats);
	struct cache *self = cache_enter();

	if (self && ring_lock_this(a)) {
		bins_visit(&a->chunks.bins, BINS_LAST, 1, add_chunk, &histogram);
		ring_unlock(a);
	}
	if (self)
		cache_leave(self);
	fprintf(file, "<heap nr=\"%zu\">\n", nr);
	put_sizes(file, &histogram, stats);
	put_sums(file, &sums);
	put_system(file, sums.system);
	fputs("</heap>\n", file);
	total->fast_count += sums.fast_count;
	total->fast += sums.fast;
	total->rest_count += sums.rest_count;
	total->rest += sums.rest;
	total->system += sums.system;
}

int loam_malloc_info(int options_given, FILE *file)
{
	struct counters all;
	struct stats_room room;
	struct sums total = {0};
	size_t n;

	if (options_given != 0)
		return EINVAL;
	start();
	stats_room_init(&room);
	counters_collect(&all);
	fputs("<malloc version=\"1\">\n", file);
	for (size_t first = 0; (n = stats_by_arena(room.of, first, room.most, &all)); first += n)
		for (size_t i = 0; i < n; i++)
			put_arena(file, first + i, &room.of[i], &total);
	stats_room_deinit(&room);
	put_sums(file, &total);
	put_total(file, "mmap", counter(&all, huge_objects), counter(&all, huge_bytes));
	put_system(file, total.system);
	fputs("</malloc>\n", file);
	return 0;
}
