/* Runs of pages; see run.h. */
#include "pages/run.h"

#include "base/bits.h"
#include "os/check.h"
#include "pages/metadata.h"
#include "pages/zone.h"

size_t runs_made, runs_now, runs_pages_now;

static struct pool runs = POOL_INIT(struct run);

static void count(intptr_t n, intptr_t npages)
{
	add_relaxed(&runs_now, (size_t)n);
	add_relaxed(&runs_pages_now, (size_t)npages);
}

/* Pages become a run; NULL, and they are free, if that cannot be. */
static void *make(void *mem, size_t npages)
{
	struct run *run = mem ? pool_alloc(&runs) : NULL;

	if (!run) {
		if (mem)
			zone_free_pages(mem, npages);
		return NULL;
	}
	ASSERT(is_aligned((uintptr_t)mem, PAGE_SIZE) && npages <= RUN_MAX >> PAGE_SHIFT);
	ASSERT(!pagemap_get(mem)); /* Z5 */
	run->mem = mem;
	run->npages = npages;
	run->tag.kind = KIND_RUN;
	pagemap_set(mem, npages << PAGE_SHIFT, &run->tag);
	add_relaxed(&runs_made, 1);
	count(1, (intptr_t)npages);
	return mem;
}

void *run_alloc(size_t nbytes, size_t alignment, bool *ret_zero)
{
	unsigned align_order = alignment > PAGE_SIZE ? log2_floor(alignment) - PAGE_SHIFT : 0;
	size_t npages = run_pages(nbytes);

	ASSERT(is_power_of_two(alignment) && alignment <= RUN_MAX);
	return make(zone_alloc_pages(npages, align_order, ret_zero), npages);
}

void *run_alloc_with_room(size_t nbytes, bool *ret_zero)
{
	size_t npages = run_pages(nbytes);
	unsigned room_order = log2_floor(RUN_ROOM >> PAGE_SHIFT);

	ASSERT(nbytes <= RUN_ROOM);
	return make(zone_alloc_with_room(npages, room_order, ret_zero), npages);
}

void run_free(struct run *run)
{
	char *mem = run->mem;
	size_t npages = run->npages;

	ASSERT(npages && pagemap_get(mem) == &run->tag);
	ASSERT(!run->kept && pagemap_get(mem + (npages - 1) * PAGE_SIZE) == &run->tag);
	pagemap_set(mem, npages << PAGE_SHIFT, NULL);
	pool_free(&runs, run);
	count(-1, -(intptr_t)npages);
	zone_free_pages(mem, npages);
}

static void shrink(struct run *run, size_t npages)
{
	char *tail = run->mem + (npages << PAGE_SHIFT);
	size_t tail_pages = run->npages - npages;

	ASSERT(npages && npages < run->npages);
	store_relaxed(&run->npages, npages);
	pagemap_set(tail, tail_pages << PAGE_SHIFT, NULL);
	count(0, -(intptr_t)tail_pages);
	zone_free_pages(tail, tail_pages);
}

bool run_resize(struct run *run, size_t nbytes)
{
	size_t npages = run_pages(nbytes);

	ASSERT(npages && !run->kept && pagemap_get(run->mem) == &run->tag);
	if (npages < run->npages) {
		shrink(run, npages);
	} else if (npages > run->npages) {
		if (npages > RUN_MAX >> PAGE_SHIFT ||
		    !zone_extend_pages(run->mem, run->npages, npages))
			return false;
		pagemap_set(run->mem + (run->npages << PAGE_SHIFT),
			    (npages - run->npages) << PAGE_SHIFT, &run->tag);
		count(0, (intptr_t)(npages - run->npages));
		store_relaxed(&run->npages, npages);
	}
	return true;
}
