/* Reports of pointers that are no objects in use; see bad_pointer.h. */
#include "cache/bad_pointer.h"

#include "arena/arena.h"
#include "os/check.h"
#include "pages/huge.h"
#include "pages/zone.h"
#include "report/report.h"

static struct report_about about_slab(const struct slab *s, const void *mem)
{
	ASSERT((uintptr_t)mem - s->base < ORDER_BYTES(s->order));
	return (struct report_about){.kind = "object",
				     .usable = s->size,
				     .start = slab_object_around(s, mem),
				     .arena = s->owner->number};
}

static struct report_about about_run(const struct run *run)
{
	return (struct report_about){.kind = "run",
				     .usable = run_usable(run),
				     .start = run->mem,
				     .state = run->kept ? "free" : NULL};
}

static struct report_about about_huge(const struct huge *h)
{
	return (struct report_about){.kind = "huge object", .usable = h->nbytes, .start = h->mem};
}

/* What is known of the object that mem lies in; of a chunk that it is. */
static struct report_about about_object(const void *mem, const struct descriptor *tag)
{
	struct report_about about = {0};

	if (tag && tag->kind == KIND_SLAB)
		about = about_slab((const struct slab *)tag, mem);
	else if (tag && tag->kind == KIND_RUN)
		about = about_run((const struct run *)tag);
	else if (tag && tag->kind == KIND_HUGE)
		about = about_huge((const struct huge *)tag);
	else if (tag && tag->kind == KIND_HEAP)
		about = (struct report_about){.kind = "chunk",
					      .usable = chunk_usable(mem),
					      .arena = ((const struct heap *)tag)->owner->number};
	about.mem = mem;
	if (about.start == mem)
		about.start = NULL;
	return about;
}

void cache_report_double_free(const void *mem, const struct descriptor *tag, const char *call)
{
	report_double_free(call, about_object(mem, tag));
}

/* Nothing of the page map's. */
static void report_untagged(const void *mem, const char *call)
{
	const struct huge *kept = huge_around(mem, true);
	struct report_about about = {.mem = mem, .usable = kept ? kept->mapped : 0};

	if (kept || zone_is_free(mem))
		report_free_memory(call, about, kept && mem == kept->mem);
	else
		report_unknown_pointer(call, about);
}

/* Whether mem lies among the objects of a slab, or in a run. The page map ignores the upper bits of
   an address, so all of them are compared here. */
static bool is_inside(const void *mem, const struct descriptor *tag)
{
	const struct slab *s = (const struct slab *)tag;
	const struct run *run = (const struct run *)tag;

	if (tag->kind == KIND_RUN)
		return (uintptr_t)mem - (uintptr_t)run_base(run) < run->npages << PAGE_SHIFT;
	return tag->kind == KIND_SLAB && (uintptr_t)mem - s->base < ORDER_BYTES(s->order) &&
	       slab_index(s, mem) < s->capacity;
}

void cache_report_bad(const void *mem, struct descriptor *tag, const char *call)
{
	struct report_about about = {.mem = mem};
	const struct huge *h = tag && tag->kind != KIND_HUGE ? NULL : huge_around(mem, false);

	if (h)
		report_interior_pointer(call, about_object(mem, &h->tag));
	else if (!tag)
		report_untagged(mem, call);
	else if (!is_aligned((uintptr_t)mem, GRANULE))
		report_misaligned_pointer(call,
					  is_inside(mem, tag) ? about_object(mem, tag) : about);
	else if (tag->kind == KIND_RUN && ((struct run *)tag)->mem == mem)
		cache_report_double_free(mem, tag, call);
	else if (is_inside(mem, tag))
		report_interior_pointer(call, about_object(mem, tag));
	else if (tag->kind == KIND_METADATA)
		report_metadata_pointer(call, about);
	else
		report_unknown_pointer(call, about);
}
