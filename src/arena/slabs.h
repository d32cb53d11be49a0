/*
 * The slabs of an arena, by size class.
 *
 * Slabs serve a class from its promotion until arena_tend() finds no object of it out; then the
 * bins of the chunk heap serve it again. A hot class has a current slab, from which objects are
 * taken, and a list of slabs with free objects. When the current one is full, a listed one becomes
 * current: the fullest of those of which an eighth is free, so that the others become empty, and a
 * batch finds many objects in it. They are listed in the order in which that eighth became free,
 * the last one first, and of the first few the fullest is taken. It also is when the current one
 * would have to open a page: its pages are in RAM already. An empty slab stays listed for a while,
 * since making a slab costs more than taking all its objects.
 *
 * Where much of a class has been free for a while, caches pack it (cache/magazine.h), or objects
 * that are freed and allocated in turn would keep every slab in use.
 *
 * A slab with whole pages free is noted as idle when it has become sparse, or rests: as many of its
 * objects are out as decay_ms before. These pages are purged while more is retained than the rule
 * of pages/retain.h allows, of a few slabs a call.
 *
 * While a child of fork shares the memory, the slabs that it shares may be set aside: nothing is
 * taken from them, so that new objects lie together on pages that are copied already, or new.
 *
 * Invariants, proved by slabs_check():
 *	A1  the current slab is CURRENT, listed slabs are LISTED or EMPTY and of their class, full
 *	    ones FULL, those set aside ASIDE, and an object of each is out; all belong to the
 *	    arena;
 *	A2  count[] has the number of slabs of each class; a class that is not hot has none;
 *	A3  idle slabs are LISTED, empty ones EMPTY; both have bytes that retain.h counts, whose
 *	    sum is `retained`; empty_bytes is the sum of the empty ones' blocks;
 *	A4  out[] and capacity[] are the sums over the slabs of each class, nbytes that of all
 *	    blocks.
 *
 * Locking: the caller holds the arena; sums may be read without it.
 */
#pragma once

#include "base/list.h"
#include "pages/region.h"
#include "slab/slab.h"

struct slabs {
	struct arena *owner;	       /* constant */
	struct slab *current[CLASSES]; /* A1; NULL: none */
	struct link listed[CLASSES];   /* A1; NULLs: the class is not hot */
	struct link full, aside;       /* A1: of all classes */
	struct link idle, empty;       /* A3; the oldest first */
	size_t empty_bytes;	       /* A3 */
	size_t retained;	       /* A3 */
	size_t empty_most;	       /* empty slabs beyond this go back to the zone; learned */
	size_t empty_given;	       /* bytes given back so, less those of slabs made since */
	uint32_t count[CLASSES];       /* A2: slabs of the class, in every state */
	size_t out[CLASSES], capacity[CLASSES]; /* A4: objects */
	size_t most_out[CLASSES];		/* since the last slabs_look() */
	size_t nbytes;				/* A4 */
	size_t made, given_back;		/* slabs so far */
};

/* The slab of a link in listed[], full or aside; and of one in idle or empty. */
static inline struct slab *slabs_of_link(struct link *l)
{
	return container_of(l, struct slab, link);
}

static inline struct slab *slabs_of_idle(struct link *l)
{
	return container_of(l, struct slab, idle);
}

/* Makes the slabs of an arena, none as yet. NULL without memory; without may_map also where memory
   would have to be mapped. */
struct slabs *slabs_new(struct arena *owner, bool may_map);

/* Whether slabs serve the class. */
static inline bool slabs_serve(const struct slabs *ss, unsigned sc)
{
	return ss->listed[sc].next;
}

/* Slabs serve the class from now on. */
void slabs_promote(struct slabs *ss, unsigned sc);

/* Takes up to `most` objects of a hot class, from a few slabs, as slab_take() does. Returns how
   many; 0 where a slab would have to be mapped. */
uint32_t slabs_take(struct slabs *ss, unsigned sc, struct object **ret_end, uint32_t most);

/* Takes one object as slab_take_one() does. NULL as slabs_new(). */
struct object *slabs_take_one(struct slabs *ss, unsigned sc, bool may_map, bool *ret_zero);

/* Whether much of the class's slabs was free ever since the last call, of any thread: a sixth of
   their objects, and SLABS_SPARSE bytes. */
#define SLABS_SPARSE (512 * KIB)

LATER bool slabs_look(struct slabs *ss, unsigned sc);

/* Called when fewer objects are out than the slab's `notify`. Lists a slab that was full, current
   or set aside, and acts on one that became ready, sparse or empty. It may be gone afterwards. */
COLD void slabs_notice(struct slabs *ss, struct slab *s);

/* Counts objects that are out, modulo 2^64: less where that wraps. */
static inline void slabs_count_out(struct slabs *ss, unsigned sc, size_t n)
{
	store_relaxed(&ss->out[sc], ss->out[sc] + n);
}

/* Counts one more slab, or one less. */
static inline void slabs_count_slab(struct slabs *ss, const struct slab *s, intptr_t n)
{
	store_relaxed(&ss->capacity[s->class], ss->capacity[s->class] + (size_t)n * s->capacity);
	store_relaxed(&ss->nbytes, ss->nbytes + (size_t)n * ORDER_BYTES(s->order));
}

/* Gives objects that bear their marks back to their slab as slab_give() does, and acts on what
   becomes of the slab. The slab may be gone afterwards. */
static inline uint32_t slabs_give(struct slabs *ss, struct slab *s, struct object *const *objects,
				  uint32_t n, struct object **ret_twice)
{
	uint32_t out = s->out;

	n = slab_give(s, objects, n, ret_twice);
	slabs_count_out(ss, s->class, s->out - (size_t)out);
	if (s->out < s->notify)
		slabs_notice(ss, s);
	return n;
}

/* Gives back an object in use on a closed page, as slab_give_unmarked() does. */
COLD bool slabs_give_unmarked(struct slabs *ss, struct slab *s, const struct object *o);

/* Closes all pages of all slabs with an object out; false, as there is nothing left to do. */
COLD bool slabs_close(struct slabs *ss);

/* Closes all pages of some slabs with an object out, of which nothing is taken then until
   slabs_take_back(); whether there may be more. */
COLD bool slabs_set_aside(struct slabs *ss);

/* Some slabs that were set aside serve again; whether there may be more. */
COLD bool slabs_take_back(struct slabs *ss);

/* Adds bytes of objects that are out, and of free ones, to sums. */
COLD void slabs_add_bytes(const struct slabs *ss, size_t *out, size_t *free);

/* Demotes classes without an object out, and returns how many; gives SLABS_EMPTY_STEP of empty
   slabs at most back to the zone, and forgets what it learned to keep. */
COLD size_t slabs_demote_idle(struct slabs *ss);

/* Gives back empty slabs, and purges all pages of the others on which no object is in use. */
COLD void slabs_purge(struct slabs *ss);

/* Gives memory back while more is retained than the rule allows: pages of some idle slabs, and when
   none is left, empty slabs. */
COLD void slabs_obey_rule(struct slabs *ss, unsigned purges_most);

/* Of one step; a call that frees purges one slab for each that it makes idle. */
#define SLABS_PURGES 4

/* Called each decay_ms, and where all is trimmed. Counts the free pages of slabs that rest as
   retained: of each class the current slab, which is then listed, and the first few listed ones.
   Does nothing where huge pages are to stay whole (thp_holds). */
LATER void slabs_count_resting(struct slabs *ss);

COLD bool slabs_check(const struct slabs *ss);

/* --- between the files of slabs.h ------------------------------------------------------------ */

/* Lists a slab with a free object that is in no list. */
void slabs_list(struct slabs *ss, struct slab *s);

/* Counts the slab's free bytes as retained, until they are used, purged or given back. */
void slabs_keep_idle(struct slabs *ss, struct slab *s);

/* They are used, purged or given back. */
void slabs_forget_idle(struct slabs *ss, struct slab *s);

/* Gives a slab without an object out back to the zone. */
void slabs_free_slab(struct slabs *ss, struct slab *s);

/* Takes a slab without an object out, which is in no list, as an empty one. */
void slabs_list_empty(struct slabs *ss, struct slab *s);

/* Takes an empty slab out of its lists. */
void slabs_unlist_empty(struct slabs *ss, struct slab *s);

/* Gives back empty slabs, the oldest first, until at most nbytes of them are left; returns the
   bytes given back. */
size_t slabs_free_empty(struct slabs *ss, size_t nbytes);

/* The same, but ends once `step` bytes are given back, so that no call takes long. */
size_t slabs_free_some(struct slabs *ss, size_t nbytes, size_t step);

#define SLABS_EMPTY_STEP (256 * KIB) /* of one call */

/* Purges a listed slab, whose free bytes are not retained any more; the bytes given back. A
   purge that is refused is not tried again until more objects are back. */
size_t slabs_purge_one(struct slabs *ss, struct slab *s);
