/*
 * A magazine: the objects of a hot class that a thread freed last, handed out first.
 *
 *	array   | no_object | oldest ...... newest |        | leaving |
 *	         ^ none                     ^ last   ^ end   ^ none + capacity
 *
 * no_object lies below the first object. It looks like an object that was written to while it was
 * free, which malloc tests for anyway, so an empty magazine needs no test of its own. For their
 * slabs the objects are out; they bear the mark of free objects, so that a double free is seen. The
 * pointers lie in metadata, where a late write to a freed object cannot change them.
 *
 * Capacity is learned. A magazine starts with a few objects and doubles for a reason:
 *
 *	it is filled or emptied                            up to MAGAZINE_CHEAP bytes
 *	it gave objects away, other threads take them,     up to MAGAZINE_SHARED objects
 *	or it was filled often since the last sweep        or MAGAZINE_SHARED_BYTES; half of
 *	                                                   that if it was not filled since
 *	it is filled after it gave objects away, which     up to MAGAZINE_MOST objects and
 *	a larger one would still have                      MAGAZINE_BYTES
 *
 * And all magazines of a cache together grow to MAGAZINES_BYTES, or to an eighth of that for the
 * sake of one that was not filled since the last sweep: a thread that only frees needs them for
 * batches alone, and what it holds when it goes to sleep no other thread can have. Such a magazine
 * gives away all that it holds when it is full; others give half. One that is made when there is
 * that much already holds nothing until it is filled.
 *
 * A sweep, one each 256 slow paths of the thread, sends home what lies in magazines that were not
 * filled since the last one: each object may hold a whole slab for itself. Each decay_ms, and while
 * the cache has little left to grow by, it also halves these. So a thread that touches many sizes
 * holds little of each, and one that frees much without need holds little of that. Where many
 * threads are awake each may hold less, but one that is filled a few objects at least.
 *
 * A magazine packs where much of its class's slabs was free from one sweep to the next, of all
 * threads that use the arena (slabs_look). Objects that are freed then wait behind `end` and go
 * home together, and the magazine is filled from slabs, which fill one up before they take of the
 * next. Otherwise an object that is freed is handed out again where it lies, and a class that
 * shrinks empties no slab. Packing ends, for a while, when it empties none either, as the sparse
 * ones hold what stays (cache/pack.c). A magazine that packs is closed to the fast path of free:
 * its limit is 0.
 *
 * After Jeff Bonwick and Jonathan Adams, "Magazines and Vmem" (USENIX 2001).
 *
 * Invariant, proved by magazine_check():
 *	M1  what a magazine holds, and what leaves it, are objects of its class that bear their
 *	    mark.
 *
 * Locking: none; the magazine's thread alone.
 */
#pragma once

#include "os/check.h"
#include "base/compiler.h"
#include "slab/slab.h"

/* A magazine never holds more objects than that, nor grows to more bytes of them. */
#define MAGAZINE_MOST  2047
#define MAGAZINE_BYTES (128 * KIB)

/* A magazine may always grow to so many bytes. */
#define MAGAZINE_CHEAP (2 * KIB)

/* All magazines of a cache together never grow to more bytes. */
#define MAGAZINES_BYTES (4 * MIB)

/* And for other threads to take, to so many objects, or more if they have at most so many bytes:
   each crate costs two locks, whatever is in it. */
#define MAGAZINE_SHARED	      63
#define MAGAZINE_SHARED_BYTES (32 * KIB)

struct magazine {
	ALIGNED(CACHE_LINE) struct object **last; /* the newest object; = none: it is empty */
	struct object **end; /* = last: it is full; what leaves begins behind it */
	uint64_t mask;	     /* the bits of an address that are its offset in a slab; constant */
	uint64_t magic;	     /* of the class, see slab.h; constant */
	/* that of the class's larger slabs; 0 in a magazine that is not ready, or packs */
	uint64_t limit;
	struct object **none; /* the array, whose first word is no_object */
	size_t *total;	      /* capacity of all the cache's magazines, in bytes (C2) */
	uint16_t sc;	      /* constant */
	uint16_t fills;	      /* since the last sweep; at most as many as slow paths */
	uint16_t capacity;
	bool gave : 1;	  /* objects away since it was filled last */
	uint8_t rest : 7; /* sweeps until it may pack again */
	uint8_t packs;	  /* 0: no; else batches in vain until it packs no more */
};

static_assert(sizeof(struct magazine) == 1 << HOT_SHIFT, "a hot word is a distance in bytes");

/* Whether a pointer into a page with the magazine's hot word is the start of an object, and the
   magazine is open to free. */
ALWAYS_INLINE bool magazine_is_object(const struct magazine *m, const void *mem)
{
	return ((uintptr_t)mem & m->mask) * m->magic < m->limit;
}

/* Puts in an object of the magazine's class that is in use, and marks it free. False when full. */
ALWAYS_INLINE bool magazine_push(struct magazine *m, struct object *o, uint64_t mark)
{
	struct object **last = m->last;

	if (UNLIKELY(last == m->end))
		return false;
	ASSERT(slab_starts_object((const struct slab *)pagemap_get(o), o));
	o->link = (uintptr_t)o;
	o->key = mark;
	last[1] = o;
	KEEP_ORDER(); /* what is in a magazine bears its marks, also to the child of a fork */
	m->last = last + 1;
	return true;
}

/* The same, for an object that goes home. */
ALWAYS_INLINE bool magazine_push_leaving(struct magazine *m, struct object *o, uint64_t mark)
{
	struct object **end = m->end;

	if (UNLIKELY(m->last == end))
		return false;
	ASSERT(slab_starts_object((const struct slab *)pagemap_get(o), o));
	o->link = (uintptr_t)o;
	o->key = mark;
	*end = o;
	KEEP_ORDER();
	m->end = end - 1;
	return true;
}

/* Lies below the first object of every magazine; its link is never its own address. */
extern HIDDEN struct object no_object;

/* Takes out the newest object. NULL when the magazine is empty, and when that object was written to
   while it was free. */
ALWAYS_INLINE struct object *magazine_take(struct magazine *m)
{
	struct object **last = m->last, *o = *last;

	IN_REGISTER(o); /* the result's, from the start */
	if (UNLIKELY(o->link != (uintptr_t)o))
		return NULL;
	ASSERT(last > m->none && last <= m->end);
	m->last = last - 1;
	KEEP_ORDER();
	o->key = 0;
	return o;
}

/* Whether it was made; before that it is all zero, holds nothing and takes nothing. */
static inline bool magazine_is_ready(const struct magazine *m)
{
	return load_relaxed(&m->magic);
}

static inline uint32_t magazine_count(const struct magazine *m)
{
	return (uint32_t)(m->last - m->none);
}

static inline uint32_t magazine_capacity(const struct magazine *m)
{
	return m->capacity;
}

/* How many leave it: they are from end + 1 on. */
static inline uint32_t magazine_leaving(const struct magazine *m)
{
	return (uint32_t)(m->none + m->capacity - m->end);
}

/* Called when the number of threads that are awake changes (caches.h). A magazine may grow to
   MAGAZINE_BYTES, and those of a cache to MAGAZINES_BYTES, while at most MAGAZINE_AWAKE threads a
   processor are, and to a half when twice as many are: most of them will sleep sooner or later, and
   keep what they hold. */
void magazine_set_threads(size_t nthreads);

#define MAGAZINE_AWAKE 2

/* Reports that the newest object was written to while it was free, and ends the program. */
COLD _Noreturn void magazine_report_written(const struct magazine *m);

/* Whether magazines with that much capacity in all have little left to grow by. */
bool magazine_is_short(size_t total);

/* Makes the magazine of a class, empty; false without memory. Its capacity in bytes is part of
   *total from now on. */
bool magazine_make(struct magazine *m, unsigned sc, size_t *total);

/* Called before a magazine is filled: doubles its capacity, if there is a reason (see above). */
void magazine_learn_to_fill(struct magazine *m);

/* Whether it packs from now on. What leaves it may stay until it is filled, full or swept. */
LATER void magazine_set_packing(struct magazine *m, bool packs);

/* Called at a sweep: it packs where its class has much free, unless it rests. */
LATER void magazine_learn_to_pack(struct magazine *m, bool much_is_free);

/* Notes a batch that goes home; in vain: it helps no slab to become empty. After MAGAZINE_PATIENCE
   of these, one after the other, the magazine packs no more, and rests for MAGAZINE_REST sweeps. */
LATER void magazine_note_batch(struct magazine *m, bool in_vain);

#define MAGAZINE_PATIENCE 8
#define MAGAZINE_REST	  16

/* Those that left were given home. */
LATER void magazine_drop_leaving(struct magazine *m);

/* How many of its oldest objects a full magazine gives away: half, or all if it was not filled
   since the last sweep, or packs. */
uint32_t magazine_surplus(const struct magazine *m);

/* Called after it gave objects to the depot (to_others) or to slabs: the same. */
void magazine_learn_to_give(struct magazine *m, bool to_others);

/* Halves the capacity, if the objects fit. */
void magazine_shrink(struct magazine *m);

/* Takes out the oldest n objects, which the caller has given away. */
void magazine_drop(struct magazine *m, uint32_t n);

COLD bool magazine_check(const struct magazine *m);
