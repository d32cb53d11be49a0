/*
 * What is hot in an arena: classes that slabs serve.
 *
 * A class is due for promotion after options.promote_after allocations.  Where the memory of its
 * first slab is mapped already, as it is for some sixteen classes from the start on (zone_start), it is promoted at
 * once.  Else it waits, served by the chunk heap as long as that has room, and so does a class that
 * needs another slab: a program that allows itself no system call (seccomp's strict mode) would be
 * killed by one that it had no need of.  But not for ever, since a small heap may have room for
 * ever: after HOT_PATIENCE times as many allocations memory is mapped all the same.
 *
 * It goes back to the bins when all its objects are back and the arena is tended.  In between
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

/* Makes the hot side, if there is none yet; false without memory that is mapped. */
bool hot_make_ready(struct arena *a);

/* Whether slabs serve the class. */
static inline bool hot_is(const struct arena *a, unsigned class)
{
	return a->hot && a->hot->listed[class].next;
}

/* hot_use() for a class that is hot, or may be due by this use. */
bool hot_use_again(struct arena *a, unsigned class);

/* Whether the class is hot, or due for promotion; counts a use of one that is not hot. */
ALWAYS_INLINE bool hot_use(struct arena *a, unsigned class)
{
	if (UNLIKELY(a->uses[class] + 1 >= options.promote_after))
		return hot_use_again(a, class);
	a->uses[class]++;
	return false;
}

/* Whether the heap is to serve the class while it has room, since slabs lack memory that is mapped. */
bool hot_waits(struct arena *a, unsigned class);

#define HOT_PATIENCE 8

/* An object of a class that is hot, or due; NULL without memory that is mapped.  *ret_zero says that all of it
   reads as zero. */
void *hot_take_ready(struct arena *a, unsigned class, bool *ret_zero);

/* The same; NULL without memory. */
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
