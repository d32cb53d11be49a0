/* Reports of pointers that are no objects; see free.h. */
#include "base/bits.h"
#include "cache/free.h"
#include "pages/huge.h"
#include "pages/run.h"
#include "pages/zone.h"
#include "report/report.h"

static void report_in_slab(const struct slab *s, const void *mem, const char *call)
{
	struct report_about about = {
		.mem = mem, .kind = "object", .usable = s->size, .arena = s->owner->number};

	if (slab_index(s, mem) >= s->capacity) {
		report_unknown_pointer(call, (struct report_about){.mem = mem});
		return;
	}
	about.start = slab_object_around(s, mem);
	report_interior_pointer(call, about);
}

static void report_in_run(const struct run *run, const void *mem, const char *call)
{
	struct report_about about = {.mem = mem, .kind = "run", .usable = run_usable(run)};

	if (run->kept)
		about.state = "free";
	if (run->mem != mem)
		about.start = run->mem;
	if (run->mem != mem || !run->kept)
		report_interior_pointer(call, about);
	else
		report_double_free(call, about);
}

static void report_in_huge(const struct huge *h, const void *mem, const char *call)
{
	report_interior_pointer(call, (struct report_about){.mem = mem,
							    .kind = "huge object",
							    .usable = h->nbytes,
							    .start = h->mem});
}

/* Nothing of the page map's. */
static void report_untagged(const void *mem, const char *call)
{
	const char *start;
	size_t kept = huge_kept_around(mem, &start);
	struct report_about about = {.mem = mem, .usable = kept};

	if (kept || zone_is_free(mem))
		report_free_memory(call, about, kept && mem == start);
	else
		report_unknown_pointer(call, about);
}

void cache_report_bad(const void *mem, struct descriptor *tag, const char *call)
{
	struct huge *h = tag && tag->kind != KIND_HUGE ? NULL : huge_around(mem);
	unsigned kind = tag ? tag->kind : KIND_NONE;

	if (h)
		report_in_huge(h, mem, call);
	else if (tag && !is_aligned((uintptr_t)mem, GRANULE))
		report_misaligned_pointer(call, (struct report_about){.mem = mem});
	else if (kind == KIND_SLAB)
		report_in_slab((struct slab *)tag, mem, call);
	else if (kind == KIND_RUN)
		report_in_run((struct run *)tag, mem, call);
	else if (kind == KIND_METADATA)
		report_metadata_pointer(call, (struct report_about){.mem = mem});
	else if (!tag)
		report_untagged(mem, call);
	else
		report_unknown_pointer(call, (struct report_about){.mem = mem});
}
