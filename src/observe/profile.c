/* A sampled heap profile; see profile.h. */
#include "observe/profile.h"

#include "arena/ring.h"
#include "harden/fence.h"
#include "heap/chunk.h"
#include "observe/poisson.h"
#include "observe/threads.h"
#include "os/check.h"
#include "os/os.h"
#include "pages/huge.h"
#include "pages/run.h"
#include "report/stack.h"

bool profiling;
uint64_t profile_number;

struct lock profile_lock = LOCK_INIT(LOCK_PROFILE);

static uint64_t random; /* atomic */

#define STEP ((int64_t)(PROFILE_STEP / GRANULE))

/* --- which allocations ----------------------------------------------------------------------- */

static int64_t distance(void)
{
	return (int64_t)poisson_gap(mix64(add_relaxed(&random, 1)), samples.rate);
}

static bool counts_for_another(void)
{
	return mine.profile != load_relaxed(&profile_number);
}

/* So many granules, at least 1, are to the calling thread's next sample. */
static void count_down(int64_t granules)
{
	int64_t step = granules < STEP ? granules : STEP;

	mine.until_profiled = step - 1; /* the last one makes it negative */
	mine.beyond = granules - step;
}

/* How many granules are to the calling thread's next sample, behind an allocation of so many that
   ended its step; not positive: that one is sampled. Its first look in a profile draws them. */
static int64_t left_to_sample(size_t granules)
{
	if (!load_relaxed(&profiling))
		return STEP;
	return counts_for_another() ? distance() - (int64_t)granules
				    : mine.until_profiled + 1 + mine.beyond;
}

/* Whether an allocation of so many granules, which the calling thread has counted, is sampled. */
static bool is_due(size_t granules)
{
	int64_t left;

	if (mine.until_profiled >= 0)
		return false;
	left = left_to_sample(granules);
	mine.profile = load_relaxed(&profile_number);
	if (left > 0)
		count_down(left);
	return left <= 0;
}

unsigned chosen_for(size_t granules)
{
	bool is_counted = mine.until_profiled >= 0;
	bool guard_is_due = is_counted || sampled_count();
	unsigned chosen = is_due(granules) ? CHOSEN_PROFILE : 0;

	if (guard_is_due && sampled_is_on())
		chosen |= CHOSEN_GUARD;
	else if (guard_is_due)
		mine.until_sampled = UINT32_MAX; /* a profile alone is being made */
	return chosen;
}

/* --- objects --------------------------------------------------------------------------------- */

/* Bytes that an object takes; what was asked for, where fences lie around it. */
static size_t bytes_given(const void *mem, size_t req)
{
	struct descriptor *tag = pagemap_get(mem);

	if (!tag || fences)
		return req;
	switch (tag->kind) {
	case KIND_SLAB:
		return ((struct slab *)tag)->size;
	case KIND_HEAP:
		return chunk_usable(mem) + 8;
	case KIND_RUN:
		return load_relaxed(&((struct run *)tag)->npages) << PAGE_SHIFT;
	case KIND_HUGE:
		return load_relaxed(&((struct huge *)tag)->nbytes);
	}
	return req;
}

/* Under the lock, so that it is as the samples of the page are. */
static void watch_page(const void *mem, bool watched)
{
	struct descriptor *tag = pagemap_get(mem);
	struct slab *s = (struct slab *)tag;

	ASSERT(lock_held(&profile_lock));
	if (!tag || tag->kind != KIND_SLAB || !ring_lock_this(s->owner))
		return;
	if (pagemap_get(mem) == tag) /* else it is of an object that was freed twice */
		slab_watch_page(s, mem, watched);
	ring_unlock(s->owner);
}

/* Finding the stack may allocate, where code was registered with the unwinder at run time; that is
   not sampled. */
static void find_trail(struct trail *ret_trail)
{
	mine.until_profiled = INT64_MAX;
	ret_trail->depth = (uint64_t)stack_frames(ret_trail->frames, TRAIL_MOST);
	count_down(distance());
}

/* Whether the profile that the calling thread has counted for is still being made. */
static bool is_current(void)
{
	ASSERT(lock_held(&profile_lock));
	return profiling && mine.profile == profile_number;
}

/* In a signal handler that interrupted its thread inside loam. */
static bool is_refused(void)
{
	if (cache_begin()) {
		cache_end();
		return false;
	}
	add_relaxed(&samples.lost, 1);
	count_down(distance());
	return true;
}

static void note(const void *mem, size_t req, size_t grown)
{
	struct trail trail;
	struct sampled_object object = {.mem = mem, .asked = req, .grown = grown, .trail = &trail};

	if (is_refused())
		return;
	find_trail(&trail);
	threads_note();
	if (!cache_begin())
		return;
	object.given = bytes_given(mem, req);
	object.now = os_clock();
	lock_acquire(&profile_lock);
	if (is_current() && samples_add(&object))
		watch_page(mem, true);
	lock_release(&profile_lock);
	cache_end();
}

void profile_allocated(const void *mem, size_t req)
{
	if (mem)
		note(mem, req, req);
	else
		count_down(distance());
}

void profile_freed(const void *mem)
{
	if (!samples_may_have(mem) || !cache_begin())
		return;
	lock_acquire(&profile_lock);
	if (profiling && samples_find(mem)) {
		samples_remove(mem, os_clock());
		if (!samples_page_has(mem))
			watch_page(mem, false);
	}
	lock_release(&profile_lock);
	cache_end();
}

static void resize_sample(const void *mem, const void *moved, size_t req, size_t grown)
{
	if (!samples_may_have(mem) || !cache_begin())
		return;
	lock_acquire(&profile_lock);
	if (profiling)
		samples_resize(mem, moved, req, bytes_given(moved, req), grown);
	lock_release(&profile_lock);
	cache_end();
}

/* What it grew by had not been counted. */
void profile_resized(const void *mem, const void *moved, size_t room, size_t req)
{
	size_t grown = minus(req, room), granules;

	resize_sample(mem, moved, req, grown);
	if (!grown)
		return;
	granules = chosen_granules(grown);
	mine.until_profiled -= (int64_t)granules;
	if (is_due(granules))
		note(moved, req, grown);
}

/* --- start and stop -------------------------------------------------------------------------- */

static void set_profiling(bool on)
{
	ASSERT(lock_held(&profile_lock) && profiling != on);
	store_relaxed(&profile_number, profile_number + 1);
	store_release(&profiling, on);
	mine.until_profiled = -1; /* this thread looks at once */
	store_release(&sampling, on || sampled_is_on());
}

bool profile_start(size_t rate)
{
	bool done;

	lock_acquire(&profile_lock);
	done = samples_start(rate);
	if (done) {
		store_relaxed(&random, os_random(RANDOM_PROFILE));
		set_profiling(true);
	}
	lock_release(&profile_lock);
	return done;
}

static void unwatch_page(const void *mem)
{
	watch_page(mem, false);
}

uint64_t profile_stop(void)
{
	uint64_t taken;

	lock_acquire(&profile_lock);
	set_profiling(false);
	samples_stop();
	samples_visit(unwatch_page);
	taken = samples.taken;
	lock_release(&profile_lock);
	return taken;
}
