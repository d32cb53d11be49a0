/* A sampled heap profile; see profile.h. */
#include "observe/profile.h"

#include "arena/ring.h"
#include "harden/fence.h"
#include "heap/chunk.h"
#include "observe/poisson.h"
#include "os/check.h"
#include "os/line.h"
#include "os/os.h"
#include "pages/huge.h"
#include "pages/run.h"
#include "report/stack.h"

/* What a thread counts down from while there is no profile: then it looks again. */
#define LOOK_AGAIN ((int64_t)1 << 20)

/* Below this is what a thread has that never drew a distance. */
#define NOT_BEGUN (MINE_NOT_BEGUN / 2)

SEALED bool profiling;

struct lock profile_lock = LOCK_INIT(LOCK_PROFILE);

static uint64_t random; /* atomic */

void profile_start(size_t rate)
{
	if (!samples_start(rate)) {
		line_say("prof: no memory for the table; nothing is sampled");
		return;
	}
	random = os_random() + 3;
	profiling = true;
	sampling = true;
}

/* --- which allocations ----------------------------------------------------------------------- */

static int64_t distance(void)
{
	return (int64_t)poisson_gap(mix64(add_relaxed(&random, 1)), samples.rate);
}

/* Whether the calling thread's count, which an allocation has lowered, is at its end. A count that
   begins is that of a thread's first allocation. */
static bool is_due(size_t granules)
{
	if (mine.until_profiled > 0)
		return false;
	if (!profiling)
		mine.until_profiled = LOOK_AGAIN;
	else if (mine.until_profiled < NOT_BEGUN)
		mine.until_profiled = distance() - (int64_t)granules;
	return mine.until_profiled <= 0;
}

unsigned chosen_for(size_t granules)
{
	bool guard_is_due = mine.until_profiled > 0 || sampled_count();
	unsigned chosen = is_due(granules) ? CHOSEN_PROFILE : 0;

	if (guard_is_due && sampled_is_on())
		chosen |= CHOSEN_GUARD;
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
		return run_usable((struct run *)tag);
	case KIND_HUGE:
		return load_relaxed(&((struct huge *)tag)->nbytes);
	}
	return req;
}

/* Under the lock, so that it is as the samples of the page are. */
static void watch_page(const void *mem)
{
	struct descriptor *tag = pagemap_get(mem);
	struct slab *s = (struct slab *)tag;

	ASSERT(lock_held(&profile_lock));
	if (!tag || tag->kind != KIND_SLAB || !ring_lock_this(s->owner))
		return;
	if (pagemap_get(mem) == tag) /* else it is of an object that was freed twice */
		slab_watch_page(s, mem, samples_page_has(mem));
	ring_unlock(s->owner);
}

/* Finding the stack may allocate, where code was registered with the unwinder at run time; that is
   not sampled. */
static void find_trail(struct trail *ret_trail)
{
	mine.until_profiled = INT64_MAX;
	ret_trail->depth = (uint64_t)stack_frames(ret_trail->frames, TRAIL_MOST);
	mine.until_profiled = distance();
}

static void note(const void *mem, size_t req, size_t grown)
{
	struct trail trail;
	struct sampled_object object = {.mem = mem, .asked = req, .grown = grown, .trail = &trail};

	find_trail(&trail);
	if (!cache_begin()) {
		add_relaxed(&samples.lost, 1);
		return;
	}
	object.given = bytes_given(mem, req);
	object.now = os_clock();
	lock_acquire(&profile_lock);
	if (samples_add(&object))
		watch_page(mem);
	lock_release(&profile_lock);
	cache_end();
}

void profile_allocated(const void *mem, size_t req)
{
	if (mem)
		note(mem, req, req);
	else
		mine.until_profiled = distance();
}

void profile_freed(const void *mem)
{
	if (!samples_may_have(mem) || !cache_begin())
		return;
	lock_acquire(&profile_lock);
	if (samples_remove(mem, os_clock()) && !samples_page_has(mem))
		watch_page(mem);
	lock_release(&profile_lock);
	cache_end();
}

static void resize_sample(const void *mem, const void *moved, size_t req)
{
	if (!samples_may_have(mem) || !cache_begin())
		return;
	lock_acquire(&profile_lock);
	samples_resize(mem, moved, req, bytes_given(moved, req));
	lock_release(&profile_lock);
	cache_end();
}

/* What it grew by had not been counted. */
void profile_resized(const void *mem, const void *moved, size_t room, size_t req)
{
	size_t granules;

	resize_sample(mem, moved, req);
	if (req <= room)
		return;
	granules = chosen_granules(req - room);
	mine.until_profiled -= (int64_t)granules;
	if (is_due(granules))
		note(moved, req, req - room);
}
