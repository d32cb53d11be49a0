/*
 * A slab: a block carved into equal objects of one size class, owned by one
 * arena.  What is hot lives here.
 *
 *	struct slab (metadata)           block of 2^order pages, aligned to the class's larger one
 *	+------------------------+      base                                    base + bytes
 *	| live,kind | free ------+---+   +------+------+------+------+----........----+
 *	| secret | base | magic  |   |   | out  | free | out  | free |   not carved   |
 *	| limit | extent | owner |   |   +------+-^--|-+------+-^----+----........----+
 *	+------------------------+   |            |  |          |    ^ extent
 *	| links, class, state    |   +------------|--|----------+
 *	| withdrawn pages, mark  |                +--(-- link of the second, encoded
 *	+------------------------+                   +-> slab->end: the list's end
 *
 *	a free object   +-----------------------+------------------------+----.....
 *	                | next ^ slab->secret   | mark: address ^ a secret |
 *	                +-----------------------+------------------------+----.....
 *
 * Objects go back to the slab that they came from, out of the magazine that took
 * them first (arena/magazine.h): a slab knows when it is empty, and neighbours stay
 * neighbours.  In a magazine an object is out, and bears the mark.
 *
 * Carving is lazy, a page at a time, so that pages not needed stay untouched.
 *
 * What is taken off it bears the mark of a free object, too: so an overwritten link does not lead
 * to an object in use.
 *
 * The list ends at the slab's own field `end`.  That is no object's address, so
 * the check that the next object lies in the carved part fails for the last
 * object, and the hot path needs no test for an empty list: it leaves by the
 * same branch for a list that ends and for a link that was overwritten, and the
 * slow path tells the two apart.  `end` decodes to no address, so the same
 * happens when the list is empty already.
 *
 * That a pointer is the start of an object that was carved takes one
 * multiplication: with magic = floor(2^64 / size) + 1 and e = magic * size -
 * 2^64, an offset k * size + r gives k * e + r * magic modulo 2^64, which is
 * below carved * e exactly when r is 0 and k < carved.
 *
 * The hot free does not look at the slab at all, which another processor may be writing to, and
 * which large heaps miss in the cache.  It goes by the hot word of the pointer's page: where the
 * class's magazine is in every hot side, and who may free.  A page has one from when the
 * objects that start in it are carved.  Since the slabs of a class all begin at
 * multiples of the size of its larger ones, an offset is the pointer's lower bits; that it is an
 * object's, the magazine has what it takes to tell.  Where a first, smaller slab has something
 * left over at its end, that bears the mark of a free object, so that it is not taken for one
 * that is out.
 *
 * `live` counts the objects out, and one more while the arena's magazine
 * points here: so who gives objects back sees 0 only when something is to be
 * done, be the slab empty or, having been full and off every list, no longer full.
 *
 *	state      on list             live
 *	CURRENT    none; magazine      objects out + 1
 *	LISTED     arena's, by class   objects out - mark
 *	FULL       none                1, and all objects are out
 *	EMPTY      arena's, by class   0
 *
 * The mark of a listed slab is how few objects are out when its owner wants to
 * look at it next: 0 when it is empty, more while it may become sparse.
 *
 * Free pages between objects that stay can be withdrawn (withdraw.c): the system
 * has their memory, and the objects that overlap them are on no list.  They
 * come back page by page when the list has run out, before more is carved.
 *
 *	pages      |         | withdrawn withdrawn |         |
 *	objects    | out | free | w'drawn | w'drawn | w'drawn | out |
 *
 * Invariants, proved by slab_check():
 *	S1  the free list visits distinct carved objects that bear their mark, and ends at `end`;
 *	S2  live is as the table says, objects out = carved - free - withdrawn ones;
 *	S3  limit and extent say how many are carved, at most capacity;
 *	S4  the tag of every page of the block is the slab;
 *	S5  an object is withdrawn when it overlaps a withdrawn page, and then it is
 *	    neither free nor out; withdrawn pages lie in the carved part;
 *	S6  the hot word of pages up to the last in which a carved object starts is the slab's, but
 *	    of withdrawn ones, and of those behind, it is 0.
 *
 * What is in a page without a hot word is freed by the slow path, where more can be done with it:
 * in a withdrawn page, with which the marks of free objects are gone, and everywhere after
 * slab_watch_all().
 *
 * Locking: none; the owner alone writes, others read owner, base, magic, limit, class, order and
 * withdrawn, and may set hot words to 0.  Of an object that is out they all see that it is not
 * withdrawn, for no page of it was since they were given it.
 */
#pragma once

#include "base/compiler.h"
#include "base/list.h"
#include "pages/pagemap.h"
#include "slab/classes.h"

struct arena;

enum slab_state { SLAB_CURRENT, SLAB_LISTED, SLAB_FULL, SLAB_EMPTY };

struct object {
	uintptr_t link; /* the next free object ^ secret */
	uint64_t key;   /* its mark while free */
};

struct slab {
	struct descriptor tag; /* live: see above */
	struct object *free;   /* S1 */
	uint64_t secret;       /* of this slab alone; odd */
	uintptr_t base;        /* the first object */
	uint64_t magic;        /* constant */
	uint64_t limit;        /* S3: carved * e */
	struct arena *owner;   /* constant */
	uint32_t extent;       /* S3: carved * size */
	uint32_t size;         /* constant */

	struct link link;      /* in the arena's list of the class while LISTED */
	struct object end;     /* where the list ends; its link decodes to no address */
	uint64_t withdrawn;    /* S5: a bit a page */
	uint32_t carved;       /* S3 */
	uint32_t capacity;     /* constant */
	uint16_t hot;          /* S6 */
	uint8_t class;         /* constant */
	uint8_t order;         /* constant */
	uint8_t state;         /* enum slab_state */
	bool clean;            /* what is not carved reads as zero; constant */

	struct link idle; /* in the arena's list while kept != 0 */
	uint32_t kept;    /* bytes of it that retain.h was told of */
	uint32_t mark;    /* of a LISTED one, see above */
	uint32_t swept;   /* how many were out when pages were last withdrawn, LISTED since then */
};

static_assert(offsetof(struct slab, link) == CACHE_LINE, "the hot path touches one line");

/*
 * A hot word: a place from this bit on, and below it who may free fast: anybody, or where objects share
 * lines of cache only their owner, by a number that few other arenas have.
 */
#define HOT_PLACE_SHIFT 9
#define HOT_ANYBODY	1u
#define HOT_OWNERS	2u /* the least number of an owner */
#define HOT_WHO_MOST	32u

static inline unsigned hot_owner(uint32_t arena_number)
{
	return HOT_OWNERS + arena_number % (HOT_WHO_MOST - HOT_OWNERS);
}

/* Of which a free object's mark is made. */
extern HIDDEN uint64_t slab_mark_secret;

/* What every fast bin starts with: a slab without objects, so that the hot path meets no NULL. */
extern HIDDEN struct slab slab_none;

static inline bool slab_is_end(const struct slab *s, const struct object *o)
{
	return o == &s->end;
}

/* Whether an object is on the free list. */
static inline bool slab_has_any(const struct slab *s)
{
	return !slab_is_end(s, s->free);
}

/* Whether a pointer is the start of a carved object; for any thread. */
ALWAYS_INLINE bool slab_starts_object(const struct slab *s, const void *mem)
{
	return ((uintptr_t)mem - s->base) * s->magic < load_hot(&s->limit);
}

/* Whether an address lies in the slab's block; for any thread. */
static inline bool slab_holds(const struct slab *s, const void *mem)
{
	return ((uintptr_t)mem - s->base) / PAGE_SIZE >> s->order == 0;
}

/* The start of the object that an address in the slab lies in. */
static inline void *slab_object_around(const struct slab *s, const void *mem)
{
	uintptr_t offset = (uintptr_t)mem - s->base;

	return (void *)(s->base + offset - offset % s->size);
}

/* What a free object's key is, so that a second free is seen.  Two objects never have the same: a
   program may copy what is left in memory that it does not initialise. */
ALWAYS_INLINE uint64_t slab_mark(const struct object *o)
{
	return slab_mark_secret ^ (uintptr_t)o;
}

/* What follows a free object. */
ALWAYS_INLINE struct object *slab_next(const struct slab *s, const struct object *o)
{
	return (struct object *)(o->link ^ s->secret);
}

/* Whether the hot path may take the object before `next` off the list. */
ALWAYS_INLINE bool slab_in_extent(const struct slab *s, const struct object *next)
{
	return (uintptr_t)next - s->base < s->extent;
}

/* Puts an object that bears its mark on the free list. */
ALWAYS_INLINE void slab_push_marked(struct slab *s, struct object *o)
{
	o->link = (uintptr_t)s->free ^ s->secret;
	s->free = o;
}

ALWAYS_INLINE void slab_push(struct slab *s, struct object *o)
{
	o->key = slab_mark(o);
	slab_push_marked(s, o);
}

/* The set of n pages from a first one on, a bit each; n > 0. */
static inline uint64_t slab_page_set(size_t first, size_t n)
{
	return UINT64_MAX >> (64 - n) << first;
}

/* The pages that object i overlaps. */
static inline uint64_t slab_pages(const struct slab *s, uint32_t i)
{
	size_t first = (size_t)i * s->size / PAGE_SIZE;
	size_t last = ((size_t)(i + 1) * s->size - 1) / PAGE_SIZE;

	return slab_page_set(first, last - first + 1);
}

/* The pages that the carved part overlaps. */
static inline uint64_t slab_carved_pages(const struct slab *s)
{
	return s->extent ? slab_page_set(0, (s->extent - 1) / PAGE_SIZE + 1) : 0;
}

/* Bytes of pages of a set. */
static inline size_t slab_page_bytes(uint64_t pages)
{
	return (size_t)__builtin_popcountll(pages) * PAGE_SIZE;
}

/* Whether an object is withdrawn; for any thread. */
static inline bool slab_is_withdrawn(const struct slab *s, const void *mem)
{
	uint64_t withdrawn = load_relaxed(&s->withdrawn);

	return withdrawn &&
	       slab_pages(s, (uint32_t)(((uintptr_t)mem - s->base) / s->size)) & withdrawn;
}

/* Whether an object is free, be it in its slab or on the way there; for any thread. */
static inline bool slab_is_free(const struct slab *s, const struct object *o)
{
	return slab_is_withdrawn(s, o) || o->key == slab_mark(o);
}

/* What secrets derive from. */
AT_START void slab_start(uint64_t secret);

/* From now on slabs are made of cleared memory, and hand out fresh objects in no order that can be
   foretold; the last page of each, if it can do without, is unreadable where guards are wanted. */
COLD void slab_harden(bool guards);

/* A slab of that class for that arena in a block of that order, CURRENT, nothing carved, with that hot
   word; NULL without memory. */
struct slab *slab_new(struct arena *owner, unsigned class, unsigned order, uint16_t hot);

/* Whether slab_new() needs no call of the system. */
bool slab_is_ready(unsigned class);

/* Gives its block back.  No object may be out. */
void slab_free(struct slab *s);

/*
 * Takes one object off a list that the hot path gave up on: the last one, or
 * one of those that come back or are carved now.  NULL when the slab is full.  Reports a link that
 * was overwritten.  Does not count it in live.
 */
struct object *slab_take(struct slab *s);

/* Gives whole pages of free objects back to the system; the bytes given back now. */
size_t slab_withdraw(struct slab *s);

/* Brings pages back, lowest first, until an object is free again; false if none is withdrawn. */
bool slab_restore(struct slab *s);

/* Bytes of objects that are free and may be in RAM. */
size_t slab_idle_bytes(const struct slab *s);

/* What the slabs of a class have in common: the lower bits of an address that are its offset in one;
   magic; and limit, when all is carved. */
void slab_geometry(unsigned class, uint64_t *ret_mask, uint64_t *ret_magic, uint64_t *ret_limit);

/* No slab to come has a hot word. */
void slab_watch_all(void);

/* Nor has this one. */
void slab_watch(struct slab *s);

/* Up to the last in which a carved object starts. */
static inline size_t slab_hot_pages(const struct slab *s)
{
	return s->carved ? (s->extent - s->size) / PAGE_SIZE + 1 : 0;
}

/* Gives pages the hot words that they should have, by their numbers in the slab. */
void slab_set_hot(const struct slab *s, size_t first, size_t end);

/* Whether objects may be kept by other arenas than the owner. */
static inline bool slab_is_open(const struct slab *s)
{
	return s->size >= CACHE_LINE;
}

/* A report that the link which leads to an object, or the one in it, was overwritten. */
COLD _Noreturn void slab_report_link(const struct slab *s, const struct object *o);

/* Objects that the program holds, as far as another thread can tell. */
uint32_t slab_objects_out(const struct slab *s);

COLD bool slab_check(const struct slab *s);
