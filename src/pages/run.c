/* Runs of pages; see run.h. */
#include "pages/run.h"

#include "pages/metadata.h"
#include "pages/zone.h"
#include "report/report.h"

size_t run_made, run_now, run_pages_now;

static struct pool runs = POOL_INIT(struct run);

SEALED uint64_t run_secret;

static struct report_about about(const struct run *run, const char *kind)
{
	return (struct report_about){.mem = run->mem, .kind = kind, .usable = run_usable(run)};
}

void run_report_fence(const struct run *run)
{
	report_corruption("corrupted size vs. prev_size", about(run, "run"));
}

void run_report_written(const struct run *run)
{
	report_corruption("malloc(): write after free", about(run, "free run"));
}

void run_report_twice(const struct run *run)
{
	report_corruption("double free or corruption", about(run, "run"));
}

void run_change_lead(struct run *run, size_t lead)
{
	char *mem = run_base(run) + lead;

	if (run->usable) {
		*run_behind(run) = 0;
		*run_before(run) = 0;
	}
	store_relaxed(&run->usable, 0);
	store_relaxed(&run->mem, mem);
	if (lead)
		*run_before(run) = run_fence(mem);
}

static void count(intptr_t n, intptr_t npages)
{
	add_inside(&run_now, (size_t)n);
	add_inside(&run_pages_now, (size_t)npages);
}

/* Pages become a run whose object has nbytes and begins that far behind their start; NULL, and they
   are free, if that cannot be. */
static void *make(void *mem, size_t npages, size_t lead, size_t nbytes)
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
	run->special = 0;
	run->tag.kind = KIND_RUN;
	pagemap_set(mem, npages << PAGE_SHIFT, &run->tag);
	add_inside(&run_made, 1);
	count(1, (intptr_t)npages);
	return run_lay_out(run, lead, nbytes);
}

void *run_alloc(size_t nbytes, size_t alignment, bool *ret_zero)
{
	unsigned align_order = alignment > PAGE_SIZE ? log2_floor(alignment) - PAGE_SHIFT : 0;
	size_t lead = run_lead(nbytes, alignment), npages = run_pages_behind(lead, nbytes);

	ASSERT(is_power_of_two(alignment) && alignment <= RUN_MAX);
	return make(zone_alloc_pages(npages, align_order, ret_zero), npages, lead, nbytes);
}

void *run_alloc_with_room(size_t nbytes, bool *ret_zero)
{
	size_t lead = run_lead(nbytes, RUN_ALIGN), npages = run_pages_behind(lead, nbytes);
	unsigned room_order = log2_floor(RUN_ROOM >> PAGE_SHIFT);

	ASSERT(nbytes <= RUN_ROOM);
	return make(zone_alloc_with_room(npages, room_order, ret_zero), npages, lead, nbytes);
}

void run_free(struct run *run)
{
	char *mem = run_base(run);
	size_t npages = run->npages;

	ASSERT(npages && pagemap_get(mem) == &run->tag);
	ASSERT(!run->kept && pagemap_get(mem + (npages - 1) * PAGE_SIZE) == &run->tag);
	run_change_lead(run, 0);
	pagemap_set(mem, npages << PAGE_SHIFT, NULL);
	pool_free(&runs, run);
	count(-1, -(intptr_t)npages);
	zone_free_pages(mem, npages);
}

static void shrink(struct run *run, size_t npages)
{
	char *tail = run_base(run) + (npages << PAGE_SHIFT);
	size_t tail_pages = run->npages - npages;

	ASSERT(npages && npages < run->npages);
	store_relaxed(&run->npages, npages);
	pagemap_set(tail, tail_pages << PAGE_SHIFT, NULL);
	count(0, -(intptr_t)tail_pages);
	zone_free_pages(tail, tail_pages);
}

static bool extend(struct run *run, size_t npages)
{
	char *mem = run_base(run);

	if (npages > RUN_MAX >> PAGE_SHIFT || !zone_extend_pages(mem, run->npages, npages))
		return false;
	pagemap_set(mem + (run->npages << PAGE_SHIFT), (npages - run->npages) << PAGE_SHIFT,
		    &run->tag);
	count(0, (intptr_t)(npages - run->npages));
	store_relaxed(&run->npages, npages);
	return true;
}

/* Whether a run of npages gives back those that are not wanted. A small one keeps up to a quarter
   too much, for programs that change a size to and fro. */
static bool gives_back(size_t npages, size_t wanted)
{
	return npages > wanted && (npages > RUN_FENCED_PAGES || npages - wanted > npages / 4);
}

bool run_resize(struct run *run, size_t nbytes)
{
	size_t lead = (uintptr_t)run->mem % PAGE_SIZE, npages = run_pages_behind(lead, nbytes);

	ASSERT(npages && !run->kept && pagemap_get(run->mem) == &run->tag);
	if (npages > run->npages && !extend(run, npages))
		return false;
	if (lead)
		run_set_size(run, nbytes);
	if (gives_back(run->npages, npages))
		shrink(run, npages);
	return true;
}
