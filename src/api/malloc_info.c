/*
 * malloc_info: glibc's XML.  A <heap> is an arena's chunk heap; what lies in
 * slabs, runs and free page frames belongs to no one arena, and is in the
 * totals: "fast" counts free objects of slabs, "rest" what else is free.
 */
#include "api/start.h"
#include "api/stats.h"
#include "arena/registry.h"
#include "pages/retain.h"

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

static void put_sizes(FILE *file, const struct histogram *h)
{
	fputs("<sizes>\n", file);
	for (unsigned i = 0; i < BINS; i++)
		if (h->bin[i].count)
			fprintf(file, "  <size from=\"%zu\" to=\"%zu\" total=\"%zu\" count=\"%zu\"/>\n",
				h->bin[i].least, h->bin[i].most, h->bin[i].total, h->bin[i].count);
	fputs("</sizes>\n", file);
}

static void put_total(FILE *file, const char *type, size_t count, size_t nbytes)
{
	fprintf(file, "<total type=\"%s\" count=\"%zu\" size=\"%zu\"/>\n", type, count, nbytes);
}

static void put_system(FILE *file, size_t current, size_t most)
{
	fprintf(file,
		"<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n"
		"<aspace type=\"total\" size=\"%zu\"/>\n<aspace type=\"mprotect\" size=\"%zu\"/>\n",
		current, most > current ? most : current, current, current);
}

/* The bins of an arena that another thread runs on cannot be walked: its sums are given.
   Nothing is printed while the arena is held, because stdio may allocate. */
static void put_arena(FILE *file, struct arena *a, size_t nr)
{
	struct histogram histogram = {0};
	struct heap_sizes sizes;

	if (registry_hold(a)) {
		heap_visit_free(&a->chunks, add_chunk, &histogram);
		registry_let_go(a);
	}
	heap_sizes(&a->chunks, &sizes);
	fprintf(file, "<heap nr=\"%zu\">\n", nr);
	put_sizes(file, &histogram);
	put_total(file, "fast", 0, 0);
	put_total(file, "rest", sizes.free_chunks, sizes.free);
	put_system(file, sizes.system, sizes.system);
	fputs("</heap>\n", file);
}

int loam_malloc_info(int options_given, FILE *file)
{
	struct stats s;
	size_t nr = 0;

	if (options_given != 0)
		return EINVAL;
	start();
	fputs("<malloc version=\"1\">\n", file);
	for (struct arena *a = NULL; (a = registry_next(a));)
		put_arena(file, a, nr++);
	stats_collect(&s);
	put_total(file, "fast", s.slabs, s.slab_bytes - s.object_bytes);
	put_total(file, "rest", s.heap.free_chunks, s.heap.free + s.zone.free_dirty);
	put_total(file, "mmap", s.huge.count, s.huge.nbytes);
	put_system(file, stats_in_use(&s) + stats_free(&s), load_relaxed(&retain_most));
	fputs("</malloc>\n", file);
	return 0;
}
