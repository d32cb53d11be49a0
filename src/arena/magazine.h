/*
 * Magazines: the objects of a class that a thread freed last, handed out first.
 *
 * Freed objects go into the magazine of their class, and come from it again, the last one first,
 * while they are in the cache; neither the slab nor its descriptor is written.  Of a full magazine the
 * older half goes back to the slabs; what finds it empty comes from there.
 *
 * An object that one thread frees and another owns need not go home to be used, either.  The
 * thread that frees it puts it into its own magazine.  If that is full, the depot takes the older half
 * from the first object on that is another's, in a crate, and any thread gets them whose own is empty;
 * only what the depot has too much of goes home, by outbox.  So between producers and consumers
 * objects go round many at a time, and what a sleeping thread allocated serves those that run.
 * Empty crates go the other way.
 *
 *	thread that frees             depot, by class           thread that allocates
 *	magazine [o o o o o o]        crate -> [o o o]          magazine [. . . . . .]
 *	         full: the older half -------> [o o o] -------> empty: filled by half
 *
 * To their slabs the objects are still out; and they bear the mark of free objects, so that a
 * second free is seen.  The pointers are in metadata: a late write to a freed object changes none.
 *
 * Others' objects that are smaller than a line of cache go home, where they share their lines with
 * their owner's only.
 *
 * A few objects may hold many slabs.  So before an arena makes a new slab, its own objects go back
 * to theirs, of which some may then be empty; once a second all that the magazines hold goes home,
 * and what the depot had to spare, the least that was in it.
 *
 * After Jeff Bonwick and Jonathan Adams, "Magazines and Vmem" (USENIX 2001).
 *
 * Invariants, proved by magazine_check():
 *	A5  what a magazine holds are objects of its class that bear their mark;
 *	A8  the counts and bytes of the depot are those of its crates.
 *
 * Locking: a magazine is its arena's holder's; the depot lock for the depot.
 */
#pragma once

#include "arena/arena.h"
#include "os/lock.h"

/* Whether the object was taken over; it is free and of the magazine's class. */
ALWAYS_INLINE bool magazine_push(struct magazine *m, struct object *o, uint64_t mark)
{
	struct object **last = m->last;

	if (UNLIKELY(last == m->end))
		return false;
	o->key = mark;
	last[1] = o;
	m->last = last + 1;
	return true;
}

/* NULL: it is empty. */
ALWAYS_INLINE struct object *magazine_take(struct magazine *m)
{
	struct object **last = m->last, *o = *last;

	if (UNLIKELY(!o))
		return NULL;
	m->last = last - 1;
	o->key = 0;
	return o;
}

ALWAYS_INLINE uint32_t magazine_count(const struct magazine *m)
{
	return m->last ? (uint32_t)(m->last - &m->none) : 0;
}

/* Where a class's magazine is in every hot side.  Classes get places in the order in which they are
   needed first, so that what a process uses lies close together.  Place 0, which no class gets, is
   that of a magazine that is never used: zeroes, as of a class that an arena has not used. */
extern HIDDEN uint8_t magazine_place[CLASSES];

static inline struct magazine *magazine_at(struct hot *hot, unsigned class)
{
	return &hot->magazine[load_relaxed(&magazine_place[class])];
}

/* The same for the objects of a page with that hot word. */
ALWAYS_INLINE struct magazine *magazine_named(struct hot *hot, uint32_t word)
{
	return (struct magazine *)((char *)hot->magazine + (word & ~0u << HOT_PLACE_SHIFT));
}

/* Whether a pointer into a page with a magazine's hot word is the start of an object. */
ALWAYS_INLINE bool magazine_is_object(const struct magazine *m, const void *mem)
{
	return ((uintptr_t)mem & m->mask) * m->magic < m->limit;
}

/* The hot word of the arena's slabs of a class that has a magazine. */
uint16_t magazine_hot_word(const struct arena *a, unsigned class);

/* The magazine of a class, ready for use. */
struct magazine *magazine_of(struct hot *hot, unsigned class);

/* Puts an object into a magazine of the running thread that is full.  False: this is a signal handler that
   interrupted the thread. */
bool magazine_push_full(struct object *o);

/* Takes over an object of another arena; false when it is to go home. */
bool magazine_keep(struct arena *self, const struct slab *s, struct object *o);

/* An object of those in the depot, with which the empty magazine is filled; NULL: there are none.
 */
struct object *magazine_reload(struct hot *hot, unsigned class);

/* The arena's own objects in its magazines go back to their slabs. */
void magazine_flush_own(struct arena *self);

/* All that is in the arena's magazines goes home. */
void magazine_flush(struct arena *self);

/* What the depot did not need since it was last reaped goes home, or all, and then without the whole pages
   inside; by self's outboxes. */
void magazine_reap(struct arena *self, bool all);

/* Objects in all magazines and the depot, and their bytes, as far as another thread can tell. */
struct magazine_sizes {
	size_t objects, nbytes;
};

COLD struct magazine_sizes magazine_sizes(void);

/* Calls visit for each of them.  Those of other threads may be taken out meanwhile, and used: visit looks at no
   more than the page map has. */
COLD void magazine_visit(void (*visit)(const struct object *o, void *arg), void *arg);

COLD bool magazine_check(const struct arena *a);

extern HIDDEN struct lock depot_lock;

/* In the child of a fork at which another thread held the lock: what is in the depot is counted anew.  The lists
   of crates are whole after each single store; a crate that was on its way is lost. */
COLD void magazine_recover_depot(void);
