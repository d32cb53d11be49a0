/* Thread caches; see cache.h. */
#include "cache/cache.h"

#include "os/check.h"
#include "cache/bad_pointer.h"
#include "os/lock.h"
#include "os/os.h"
#include "pages/metadata.h"
#include "report/report.h"

/* Uses of a hot class after which a thread gets a magazine for it. */
#define LEARNED_AFTER 32

/* Objects that go home while an arena's lock is held once. */
#define HOME_MOST 256

static struct object *nothing = &no_object;

struct magazine magazine_none = {.last = &nothing, .end = &nothing, .none = &nothing};

static struct magazine *const fast_none[FAST_GRANULES] = {[0 ... FAST_GRANULES - 1] =
								  &magazine_none};

/* Read in place of a thread's magazines until it has some: all zero, so none is ready. */
static struct magazine magazines_none[CLASSES + 1];

#define DOOR_SHUT                                                                                  \
	{                                                                                          \
		magazines_none, fast_none                                                          \
	}

__thread struct mine mine __attribute__((tls_model("initial-exec"))) = {
	.libc = DOOR_SHUT,
	.operators = DOOR_SHUT,
	.until_sampled = 1,
};

SEALED static bool operators_open; /* before main, then constant */

size_t fast_limit, fast_limit_counted;
bool sampling;

struct cache cache_shared;
uint32_t cache_flushes;
static struct pool pool = POOL_INIT(struct magazines);

/* --- doors ----------------------------------------------------------------------------------- */

/* No door is copied from the other: gcc would load it whole just after it was stored in halves, and
   that load waits until all stores before it are done. */

void cache_open_doors(const struct cache *c)
{
	ASSERT(c->magazines);
	if (c->owed | c->paying)
		return;
	KEEP_ORDER();
	mine.libc = (struct door){c->magazines->magazine, c->magazines->fast};
	if (operators_open)
		mine.operators = (struct door){c->magazines->magazine, c->magazines->fast};
}

void cache_shut_doors(void)
{
	mine.libc = (struct door)DOOR_SHUT;
	mine.operators = (struct door)DOOR_SHUT;
	KEEP_ORDER();
}

void cache_open_operators(void)
{
	if (!operators_open)
		operators_open = true;
	if (mine.cache && mine.cache->magazines)
		cache_open_doors(mine.cache);
}

/* --- a call that never came back -------------------------------------------------------------- */

/*
 * The frames of a signal handler, and of all that a slow path calls, lie below the stack pointer
 * with which the thread went inside. A call that begins at it or just above, on the same stack, is
 * none of theirs: the call that went inside was left. On another stack, it would be within its last
 * 512 bytes, too few to run a handler. Only of the alternate stack of signals that is not taken for
 * granted: the system is asked whether this is it. A call from further up may be that of a handler
 * on another stack, and proves nothing.
 */
#define NOT_INSIDE ((uintptr_t)512)

void cache_report_if_left(uintptr_t here)
{
	if (here - mine.inside < NOT_INSIDE && !os_on_signal_stack())
		report_left_inside();
}

/* --- magazines ------------------------------------------------------------------------------- */

static bool make_magazines(struct cache *c)
{
	struct magazines *ms;

	if (c->magazines)
		return true;
	ms = c == &cache_shared ? NULL : pool_alloc_patiently(&pool);
	if (!ms)
		return false;
	for (size_t g = 0; g < FAST_GRANULES; g++)
		ms->fast[g] = &magazine_none;
	store_relaxed(&c->magazines, ms);
	cache_open_doors(c);
	return true;
}

/* Makes the fast bins of a class lead to its magazine. */
static void open_fast_bins(struct magazines *ms, unsigned sc)
{
	size_t least = sc ? class_size(sc - 1) / GRANULE + 1 : 1; /* 0 is what SIZE_MAX wraps to */

	ASSERT(magazine_is_ready(&ms->magazine[sc + 1]) && ms->magazine[sc + 1].sc == sc);
	for (size_t g = least; g <= class_size(sc) / GRANULE && g < FAST_GRANULES; g++)
		ms->fast[g] = &ms->magazine[sc + 1];
}

struct magazine *cache_learn(struct cache *c, unsigned sc)
{
	struct magazine *m;

	ASSERT(!cache_magazine(c, sc));
	if (++c->uses[sc] < LEARNED_AFTER || !make_magazines(c))
		return NULL;
	c->uses[sc] = 0;
	m = &c->magazines->magazine[sc + 1];
	ASSERT((uintptr_t)m - (uintptr_t)c->magazines->magazine == slab_hot_word(sc));
	if (!magazine_make(m, sc, &c->total))
		return NULL;
	open_fast_bins(c->magazines, sc);
	ASSERT_SLOW(magazine_check(m));
	return m;
}

/* Gives home the objects of one arena, and moves the others to the front of the array; returns
   how many these are. What belongs to a retired arena is lost. */
static uint32_t give_to_one(struct object **objects, uint32_t n, struct object **ret_twice)
{
	const struct slab *first = cache_slab_of(objects[0]);
	uint32_t others = 0;
	struct arena *a;
	bool is_in_use;

	if (UNLIKELY(!first)) {
		*ret_twice = objects[0];
		objects[0] = objects[n - 1];
		return n - 1;
	}
	a = first->owner;
	is_in_use = ring_lock_this(a);
	for (uint32_t i = 0; i < n;) {
		struct slab *s = cache_slab_of(objects[i]);

		if (UNLIKELY(!s))
			*ret_twice = objects[i++];
		else if (s->owner != a)
			objects[others++] = objects[i++];
		else if (is_in_use)
			i += slabs_give(a->slabs, s, objects + i, n - i, ret_twice);
		else
			i++;
	}
	if (is_in_use)
		ring_unlock(a);
	ASSERT(others < n); /* so that it ends */
	return others;
}

void cache_give_home(struct object **objects, uint32_t n)
{
	struct object *twice = NULL;

	while (n) {
		uint32_t before = (uint32_t)minus(n, HOME_MOST);

		n = before + give_to_one(objects + before, n - before, &twice);
	}
	if (twice) {
		const struct descriptor *tag = pagemap_get(twice);

		cache_report_double_free(twice, tag && tag->kind == KIND_SLAB ? tag : NULL, "free");
	}
}

/* --- the last steps of the fast path ---------------------------------------------------------- */

void *cache_wake_then_lay_out(struct lock *waited, struct run *run, size_t lead, size_t req)
{
	if (waited)
		lock_wake(waited);
	if (run->usable)
		run_unmark(run);
	return run_lay_out(run, lead, req);
}

void *cache_leave_then_alloc(struct cache *c, struct lock *held, size_t req, void *(*slow)(size_t))
{
	if (held)
		lock_release(held);
	cache_leave(c);
	return slow(req);
}

void cache_wake_then_free(struct lock *waited, void *mem, void (*slow)(void *mem))
{
	if (waited)
		lock_wake(waited);
	slow(mem);
}

/* --- proofs ---------------------------------------------------------------------------------- */

static bool check_fast_bins(const struct cache *c)
{
	bool ok = expect_eq("C1", (uintptr_t)c->magazines->fast[0], (uintptr_t)&magazine_none);

	for (size_t g = 1; g < FAST_GRANULES; g++) {
		const struct magazine *m = cache_magazine(c, class_of(g * GRANULE));

		ok &= expect_eq("C1", (uintptr_t)c->magazines->fast[g],
				(uintptr_t)(m ? m : &magazine_none));
	}
	return ok;
}

bool cache_check(const struct cache *c)
{
	bool ok = !c->magazines || check_fast_bins(c);
	size_t total = 0;

	for (unsigned sc = 0; sc < CLASSES; sc++) {
		const struct magazine *m = cache_magazine(c, sc);

		if (!m)
			continue;
		ok &= magazine_check(m);
		total += magazine_capacity(m) * class_size(sc);
	}
	return ok & expect_eq("C2", c->total, total);
}
