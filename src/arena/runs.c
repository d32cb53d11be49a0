/* Runs that an arena keeps; see runs.h. */
#include "arena/runs.h"

#include "base/bits.h"
#include "os/check.h"
#include "pages/retain.h"

/* Counts npages more, or fewer, as retained in place of live. In the child of a fork `retained` is
   at most what retain.h counts, as in retain_with(). */
static void tell(struct runs *rs, intptr_t npages)
{
	ASSERT(npages >= 0 || rs->retained >= (size_t)-npages);
	if (npages < 0)
		rs->retained += (size_t)npages;
	KEEP_ORDER();
	retain_add_live(-npages * (intptr_t)PAGE_SIZE);
	retain_add(npages * (intptr_t)PAGE_SIZE);
	KEEP_ORDER();
	if (npages > 0)
		rs->retained += (size_t)npages;
}

static size_t slack(const struct runs *rs)
{
	return rs->retained - rs->kept;
}

static void tell_all(struct runs *rs)
{
	if (slack(rs))
		tell(rs, -(intptr_t)slack(rs));
}

static void push(struct runs *rs, struct run *run)
{
	ASSERT(rs->count < RUNS_SLOTS && !run->kept && run->tag.kind == KIND_RUN);
	if (run->usable && run->npages > RUN_MARKED_PAGES)
		run_change_lead(run, 0);
	else if (run->usable)
		run_mark(run);
	rs->run[rs->count++] = run;
	rs->kept += run->npages;
	store_relaxed(&run->kept, true);
}

/* Takes the run in a slot out. Reports one that was written to, and one that is no longer kept: two
   threads freed it at once, so it was in two slots. */
static struct run *take_out(struct runs *rs, struct run **slot)
{
	struct run *run = *slot, **last = &rs->run[--rs->count];

	if (IS_WRONG(!run->kept))
		run_report_twice(run);
	ASSERT(run->npages <= rs->kept);
	for (; slot != last; slot++)
		slot[0] = slot[1];
	*slot = NULL;
	rs->kept -= run->npages;
	store_relaxed(&run->kept, false);
	if (run->usable)
		run_unmark(run);
	return run;
}

struct run *runs_take(struct runs *rs, size_t npages, size_t alignment)
{
	struct run *run;

	for (uint32_t i = rs->count; i-- > 0;) {
		if (!runs_fits(rs->run[i], npages) ||
		    !is_aligned((uintptr_t)run_base(rs->run[i]), alignment))
			continue;
		run = take_out(rs, &rs->run[i]);
		if (slack(rs) > RUNS_SLACK)
			tell_all(rs);
		return run;
	}
	return NULL;
}

struct run *runs_take_larger(struct runs *rs, size_t npages)
{
	for (uint32_t i = rs->count; i-- > 0;) {
		struct run *run = rs->run[i];

		if (run->npages < npages)
			continue;
		take_out(rs, &rs->run[i]);
		tell_all(rs);
		run_change_lead(run, 0);
		run_resize(run, npages << PAGE_SHIFT);
		ASSERT(run->npages >= npages);
		return run;
	}
	return NULL;
}

bool runs_have_room(const struct runs *rs, const struct run *run)
{
	if (run_usable(run) > RUN_ROOM / 4)
		return false;
	for (uint32_t i = 0; i < rs->count; i++)
		if (rs->run[i]->npages >= 4 * run->npages)
			return true;
	return false;
}

static void give_back_oldest(struct runs *rs)
{
	struct run *run = take_out(rs, rs->run);

	ASSERT(!run->kept && pagemap_get(run->mem) == &run->tag);
	tell(rs, -(intptr_t)run->npages);
	run_free(run);
}

bool runs_keep(struct runs *rs, struct run *run)
{
	bool too_many = false;

	ASSERT(run->npages && pagemap_get(run->mem) == &run->tag);
	while (rs->count == RUNS_SLOTS || (rs->count && rs->kept + run->npages > RUNS_KEPT)) {
		give_back_oldest(rs);
		too_many = true;
	}
	push(rs, run);
	if (rs->kept > rs->retained)
		runs_settle(rs);
	return too_many;
}

void runs_settle(struct runs *rs)
{
	tell_all(rs);
	if (retain_excess())
		runs_flush(rs);
}

void runs_flush(struct runs *rs)
{
	while (rs->count)
		give_back_oldest(rs);
	tell_all(rs);
}

bool runs_check(const struct runs *rs)
{
	size_t kept = 0;
	bool ok = true;

	for (uint32_t i = 0; i < rs->count; i++) {
		ok &= expect_eq("R1", rs->run[i]->tag.kind, KIND_RUN);
		ok &= expect_eq("R1", rs->run[i]->kept, true);
		if (rs->run[i]->usable) {
			ok &= expect_eq("R3", run_is_marked(rs->run[i]), true);
			ok &= expect_eq("R3", rs->run[i]->npages <= RUN_MARKED_PAGES, true);
		}
		kept += rs->run[i]->npages;
	}
	for (uint32_t i = rs->count; i < RUNS_SLOTS; i++)
		ok &= expect_eq("R1", (uintptr_t)rs->run[i], 0);
	ok &= expect_eq("R2", rs->kept, kept);
	return ok & expect_eq("R2", slack(rs) <= RUNS_SLACK, true);
}
