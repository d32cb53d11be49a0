/* Pages shared with the parent of a fork; see shared_pages.h. */
#include "cache/shared_pages.h"

#include "arena/ring.h"
#include "os/children.h"
#include "os/os.h"
#include "pages/retain.h"

#include <limits.h>

size_t shared_pages_due;
bool shared_pages_closed, shared_pages_aside;

static bool forked;    /* in the parent, and nothing is decided yet; atomic */
static bool inherited; /* what is aside was set aside by the parent, if any is; atomic */
static uint32_t left;  /* calls until it is decided; atomic */
static uint32_t busy;  /* threads that set slabs aside, or take them back; atomic */
static uint32_t forks; /* under way; atomic */

static bool any_is_aside(void)
{
	ring_for_each (a)
		if (a->slabs && !list_empty(&a->slabs->aside))
			return true;
	return false;
}

/* Another thread of the parent may have been taking slabs back. */
void shared_pages_begin(void)
{
	store_relaxed(&shared_pages_due, 1 + load_relaxed(&retain_live) / SHARED_PAGES_STEP);
	store_relaxed(&forked, false);
	store_relaxed(&busy, 0);
	store_relaxed(&forks, 0);
	store_relaxed(&inherited, true);
	store_relaxed(&shared_pages_aside, any_is_aside());
}

/* Calls f for the slabs of each arena, which is locked anew for each step, until there are no
   more. */
static void for_all_arenas(bool (*f)(struct slabs *ss))
{
	ring_for_each (a)
		for (bool more = load_acquire(&a->slabs); more && ring_lock_this(a); ring_unlock(a))
			more = f(a->slabs);
}

void shared_pages_close(void)
{
	store_relaxed(&shared_pages_due, 0);
	store_relaxed(&shared_pages_closed, true);
	for_all_arenas(slabs_close);
}

/* Who brings it to 0 closes. */
void shared_pages_note_full(void)
{
	size_t due = load_relaxed(&shared_pages_due);

	while (due && !__atomic_compare_exchange_n(&shared_pages_due, &due, due - 1, false,
						   __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	if (due == 1)
		shared_pages_close();
}

/* One less; none where a signal handler forked in between, and this is its child. */
static void count_down(uint32_t *count)
{
	uint32_t n = __atomic_load_n(count, __ATOMIC_SEQ_CST);

	while (n && !__atomic_compare_exchange_n(count, &n, n - 1, false, __ATOMIC_SEQ_CST,
						 __ATOMIC_SEQ_CST))
		;
}

/* The same where it takes long; false, and nothing done, while a thread forks, unless it must. */
static bool for_all_arenas_unless_forking(bool (*f)(struct slabs *ss), bool must)
{
	bool done;

	__atomic_fetch_add(&busy, 1, __ATOMIC_SEQ_CST);
	done = must || !__atomic_load_n(&forks, __ATOMIC_SEQ_CST);
	if (done)
		for_all_arenas(f);
	count_down(&busy);
	os_futex_wake(&busy, INT_MAX);
	return done;
}

void shared_pages_fork_begins(bool wait)
{
	uint32_t seen;

	__atomic_fetch_add(&forks, 1, __ATOMIC_SEQ_CST);
	while (wait && (seen = __atomic_load_n(&busy, __ATOMIC_SEQ_CST)))
		os_futex_wait(&busy, seen);
}

void shared_pages_fork_ends(void)
{
	count_down(&forks);
}

bool shared_pages_give(struct slab *s, const struct object *o)
{
	struct arena *a = s->owner;
	bool given;

	if (!ring_lock_this(a))
		return true; /* lost, as all that belongs to it */
	given = slabs_give_unmarked(a->slabs, s, o);
	ring_unlock(a);
	return given;
}

/* --- the parent ------------------------------------------------------------------------------ */

void shared_pages_forked(void)
{
	store_relaxed(&left, SHARED_PAGES_CALLS);
	store_relaxed(&forked, true);
}

/* Whether much is free in slabs: then it is used. */
static bool much_is_free(void)
{
	size_t out = 0, free = 0;

	ring_for_each (a) {
		const struct slabs *ss = load_acquire(&a->slabs);

		if (ss)
			slabs_add_bytes(ss, &out, &free);
	}
	return free > out / 4;
}

void shared_pages_take_back(bool must)
{
	if (__atomic_exchange_n(&shared_pages_aside, false, __ATOMIC_RELAXED) &&
	    !for_all_arenas_unless_forking(slabs_take_back, must))
		store_relaxed(&shared_pages_aside, true);
}

/* What a child inherits aside stays there, children of its own or not: to take slabs back it would
   write to the descriptors of all. */
void shared_pages_look(void)
{
	if ((!load_relaxed(&inherited) && !children_live()) || much_is_free())
		shared_pages_take_back(false);
}

enum shared_pages_step shared_pages_decide(void)
{
	if (!load_relaxed(&forked))
		return SHARED_PAGES_LEAVE;
	if (children_live() && add_relaxed(&left, -1) > 1)
		return SHARED_PAGES_WAIT;
	store_relaxed(&forked, false);
	return children_live() && !much_is_free() ? SHARED_PAGES_SET_ASIDE : SHARED_PAGES_LEAVE;
}

void shared_pages_set_aside(void)
{
	store_relaxed(&shared_pages_closed, true);
	store_relaxed(&inherited, false);
	store_relaxed(&shared_pages_aside, true);
	for_all_arenas_unless_forking(slabs_set_aside, false);
	store_relaxed(&shared_pages_aside, true); /* if another thread took some back meanwhile */
}
