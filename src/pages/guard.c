/* Guard pages; see guard.h. */
#include "pages/guard.h"

#include "os/check.h"
#include "os/mappings.h"
#include "os/os.h"
#include "pages/huge_table.h"
#include "pages/zone_regions.h"

static size_t guards; /* relaxed */

size_t guard_mappings(void)
{
	return 2 * load_relaxed(&guards) + load_relaxed(&huge_table.sizes.count) +
	       load_relaxed(&zone.sizes.stretches) + load_relaxed(&zone.sizes.steps);
}

void guard_lay(struct descriptor *tag, void *mem, size_t nbytes)
{
	size_t others = guard_mappings();

	ASSERT(!tag->guarded && tag->kind != KIND_NONE);
	add_relaxed(&guards, 1);
	tag->guarded = others + 2 <= mappings_budget() && os_guard(mem, nbytes);
	if (!tag->guarded)
		add_relaxed(&guards, (size_t)-1);
}

bool guard_lift(struct descriptor *tag, void *mem, size_t nbytes)
{
	if (!tag->guarded)
		return true;
	ASSERT(load_relaxed(&guards) > 0);
	/* A limit of data counts what is readable: where that is used up, free blocks go first. */
	if (!os_unguard(mem, nbytes) && !(zone_unmap_free(true) > 0 && os_unguard(mem, nbytes)))
		return false;
	tag->guarded = false;
	add_relaxed(&guards, (size_t)-1);
	return true;
}
