/*
 * What is hot in an arena: classes that slabs serve.
 *
 * A class is promoted after options.promote_after allocations, and goes back to
 * the bins when all its objects are back and the arena is tended.  In between
 * it has a magazine, behind it a current slab, and a list of slabs with free
 * objects, of which the oldest becomes current next.  A full slab is on no list
 * until an object comes back; an empty one goes back to the zone.
 *
 * A listed slab of larger objects that has become sparse is noted as idle, and
 * its free pages are withdrawn while more is retained than the rule of
 * pages/retain.h allows.
 *
 * Locking: the caller holds the arena.
 */
#pragma once

#include "arena/arena.h"
#include "base/options.h"

/* Makes the hot side, if there is none yet; false without memory. */
bool hot_make(struct arena *a);

/* Whether slabs serve the class. */
static inline bool hot_is(const struct arena *a, unsigned class)
{
	return a->hot && a->hot->listed[class].next;
}

/* hot_serves() for a class that is hot, or may have become so by this use. */
bool hot_promote(struct arena *a, unsigned class);

/* The same, before the class is used: counts a use of one that is not hot. */
ALWAYS_INLINE bool hot_serves(struct arena *a, unsigned class)
{
	if (UNLIKELY(a->uses[class] + 1 >= options.promote_after))
		return hot_promote(a, class);
	a->uses[class]++;
	return false;
}

/* An object of a hot class; NULL without memory.  *ret_zero says that all of it reads as zero. */
void *hot_take(struct arena *a, unsigned class, bool *ret_zero);

/* live has reached 0: the slab was full and is no longer, or it is sparse, or empty. */
void hot_event(struct arena *a, struct slab *s);

/* Gives an object back to its slab, which is the arena's. */
ALWAYS_INLINE void hot_free(struct arena *a, struct slab *s, struct object *o)
{
	slab_push(s, o);
	if (UNLIKELY(--s->tag.live == 0))
		hot_event(a, s);
}

/* Classes without an object out go back to the bins. */
COLD void hot_demote_idle(struct arena *a);

/* Free pages inside slabs go back to the system. */
COLD void hot_withdraw(struct arena *a);

/* Proves A1 to A4. */
COLD bool hot_check(struct arena *a);
