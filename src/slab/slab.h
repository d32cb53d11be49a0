/*
 * A slab: a block carved into equal objects of one size class, owned by one arena. Hot sizes are
 * served from here.
 *
 *	struct slab (metadata)             block of 2^order pages, aligned to the class's larger one
 *	+--------------------------+      base                                          base + bytes
 *	| size, out | base | magic | ---> +------+------+------+------+---- ... ---+------+------+
 *	| limit | owner            |      | out  | free | out  | free | free       | free | rest |
 *	| open, touched pages      |      +------+------+------+------+---- ... ---+------+------+
 *	+--------------------------+ free: 0      1      0      1      1            1
 *	| links, class, state      |
 *	| words | free[]           |      a free object   +----------------+-----------------+-----
 *	+--------------------------+                      | its address    | its mark        |
 *	                                                  +----------------+-----------------+-----
 *
 * free[] has one bit an object, set while the object is free; the lowest free object is taken
 * first. So nothing in free memory leads the allocator anywhere, allocation packs by address, a
 * page without an object in use is found by a mask and purged where it lies, and a double free
 * that the mark missed is found when the bit is already set.
 *
 * A free object on an open page holds its own address and its mark. A write after free is seen
 * when the object is taken again, a double free at once. A page is opened when the first object
 * that starts in it is taken: all free objects that start there get their marks, and the page gets
 * its hot word. So untouched pages stay untouched. A purged page is closed again.
 *
 *	page       objects that start there     memory           hot word
 *	closed     free, without mark           any              0
 *	open       out, or free with mark       touched          the slab's
 *
 * In the child of a fork, and in its parent, slab_close() closes pages with objects that are
 * out, and then objects are free there with or without mark: to write one would copy the page,
 * which parent and child share.
 *
 * An object is "out" while the program holds it, and also while a magazine or the depot holds it
 * (cache/magazine.h); there it bears its mark.
 *
 * One multiplication proves that a pointer is the start of an object: with magic = floor(2^64 /
 * size) + 1 and e = magic * size - 2^64, an offset k * size + r gives k * e + r * magic modulo
 * 2^64, which is below capacity * e exactly when r is 0 and k < capacity.
 *
 * The fast path of free does not read the slab: another processor may be writing to it, and in
 * large heaps it misses the cache. It reads the hot word of the pointer's page, which says where
 * the class's magazine is in every thread's cache. All slabs of a class begin at multiples of the
 * size of its larger ones, so the pointer's lower bits are its offset, and the magazine has the
 * constants to prove that an object starts there. What is left over at the end of a smaller, first
 * slab bears the mark of a free object, so that a pointer into it is not taken for an object in
 * use.
 *
 *	state      in which list of its arena   objects out   (arena/slabs.h)
 *	CURRENT    none                         any
 *	LISTED     by class                     some
 *	FULL       full                         all
 *	EMPTY      by class, and empty          none
 *	ASIDE      aside                        some
 *
 * Invariants, proved by slab_check():
 *	S1  out + the number of bits in free[] is capacity; words has the bit of each word of free[]
 *	    that is not zero;
 *	S2  a free object that starts in an open page bears its mark;
 *	S3  a page that an object in use overlaps is touched, and open if it starts there and the
 *	    slab was never closed;
 *	S4  the tag of every page of the block is the slab;
 *	S5  an open page is touched; a purged page is neither open nor touched;
 *	S6  the hot word of an open page that is not watched is the slab's, of others it is 0.
 *
 * After slab_watch_all() no page has a hot word, and every free takes the slow path. A page is
 * watched while an object starts there whose free is to be noticed (observe/profile.h).
 *
 * Locking: the caller holds the owner's lock, except where a function says "for any thread". Other
 * threads read what is constant, and the bit of an object that they hold; they may clear hot
 * words.
 */
#pragma once

#include "base/bits.h"
#include "base/compiler.h"
#include "base/list.h"
#include "os/check.h"
#include "os/os.h"
#include "pages/pagemap.h"
#include "pages/region.h"
#include "pages/retain.h"
#include "slab/classes.h"

struct arena;

enum slab_state { SLAB_CURRENT, SLAB_LISTED, SLAB_FULL, SLAB_EMPTY, SLAB_ASIDE };

struct object {
	uintptr_t link; /* while free: its own address; deferred: see cache/deferred.h */
	uint64_t key;	/* while free: its mark */
};

struct slab {
	struct descriptor tag;
	uint32_t size;	     /* constant */
	uint32_t out;	     /* S1 */
	uintptr_t base;	     /* the first object; constant */
	uint64_t magic;	     /* constant */
	uint64_t limit;	     /* capacity * e; constant */
	struct arena *owner; /* constant */
	uint32_t capacity;   /* constant */
	uint32_t notify;     /* slabs_notice() is called when fewer than this are out */
	uint64_t open;	     /* S2: a bit a page */

	uint64_t touched;  /* pages that may hold memory: a bit a page */
	uint64_t purged;   /* S5: pages that the system has back */
	struct link link;  /* in a list of the arena's */
	struct link idle;  /* in the arena's list while retained != 0 */
	uint32_t retained; /* its free bytes that are counted as retained (pages/retain.h) */
	uint32_t swept;	   /* `out` at the last purge, if the slab was LISTED ever since */
	uint32_t last_out; /* `out` when slabs_count_resting() last looked at the slab */
	bool was_closed;   /* S3 */
	uint8_t class;	   /* constant */
	uint8_t order;	   /* constant */
	uint8_t state;	   /* enum slab_state */
	uint64_t watched;  /* S6: a bit a page */
	uint64_t words;	   /* S1: a bit a word of free[] */
	uint64_t free[];   /* S1: a bit an object */
};

static_assert(offsetof(struct slab, touched) == CACHE_LINE, "what a free reads is one line");
static_assert(sizeof(struct object) <= GRANULE, "the smallest object holds its address and mark");

/* The hot word of a class's pages: the distance in bytes, not 0, of its magazine from the first one
   in every thread's cache (cache/magazine.h). */
#define HOT_SHIFT 6

static_assert((CLASSES + 1) << HOT_SHIFT <= UINT16_MAX, "a hot word holds each distance");

static inline uint16_t slab_hot_word(unsigned sc)
{
	ASSERT(sc < CLASSES);
	return (uint16_t)((sc + 1) << HOT_SHIFT);
}

/* The secret of all marks; written once, by slab_start(). */
extern HIDDEN uint64_t slab_mark_secret;

/* Whether a pointer is the start of an object; for any thread. */
ALWAYS_INLINE bool slab_starts_object(const struct slab *s, const void *mem)
{
	return ((uintptr_t)mem - s->base) * s->magic < s->limit;
}

static inline struct object *slab_object(const struct slab *s, uint32_t i)
{
	return (struct object *)(s->base + (size_t)i * s->size);
}

/* The number of the object that an address in the slab lies in: offset / size, by
   multiplication. */
ALWAYS_INLINE uint32_t slab_index(const struct slab *s, const void *mem)
{
	return (uint32_t)((unsigned __int128)((uintptr_t)mem - s->base) * s->magic >> 64);
}

/* The start of the object that an address in the slab lies in. */
static inline void *slab_object_around(const struct slab *s, const void *mem)
{
	return slab_object(s, slab_index(s, mem));
}

/* The mark of a free object, by which a double free is seen. Different for each address: a program
   may copy a mark when it copies memory that it has not initialised. */
ALWAYS_INLINE uint64_t slab_mark(const struct object *o)
{
	return slab_mark_secret ^ (uintptr_t)o;
}

/* Writes what a free object holds: its address and its mark. */
ALWAYS_INLINE void slab_set_marks(struct object *o)
{
	o->link = (uintptr_t)o;
	o->key = slab_mark(o);
}

/* Whether an object's bit says that it is free; for any thread. False for one in a magazine. */
static inline bool slab_has_free(const struct slab *s, const struct object *o)
{
	uint32_t i = slab_index(s, o);

	return load_relaxed(&s->free[i / 64]) >> (i % 64) & 1;
}

/* Whether an object is free: in the slab, in a magazine, in the depot or deferred; for any thread
   that may read its memory. */
static inline bool slab_is_free(const struct slab *s, const struct object *o)
{
	return slab_has_free(s, o) || o->key == slab_mark(o);
}

/* The set of n pages from a first one on, a bit each; n > 0. */
static inline uint64_t slab_page_set(size_t first, size_t n)
{
	ASSERT(n > 0 && first + n <= 64);
	return UINT64_MAX >> (64 - n) << first;
}

/* The page that object i starts in, and where a page is. */
static inline size_t slab_page_of(const struct slab *s, uint32_t i)
{
	return (size_t)i * s->size / PAGE_SIZE;
}

static inline void *slab_page_at(const struct slab *s, size_t page)
{
	return (void *)(s->base + page * PAGE_SIZE);
}

/* The pages that object i overlaps. */
static inline uint64_t slab_pages(const struct slab *s, uint32_t i)
{
	size_t first = slab_page_of(s, i);
	size_t last = ((size_t)(i + 1) * s->size - 1) / PAGE_SIZE;

	ASSERT(i < s->capacity);
	return slab_page_set(first, last - first + 1);
}

/* Bytes of pages of a set. */
static inline size_t slab_page_bytes(uint64_t pages)
{
	return (size_t)bits_count(pages) * PAGE_SIZE;
}

/* Sets the secret of the marks. Called once, before any other function here. */
AT_START void slab_start(uint64_t secret);

/* From now on slabs are made of cleared memory and hand out the objects of a page in random
   order. With guards, the last page of each slab that has room for a page beside an object is
   unreadable. */
COLD void slab_harden(bool guards);

/* Makes a slab of class sc for an arena, in a block of that order: CURRENT, with all objects free.
   NULL without memory. */
struct slab *slab_new(struct arena *owner, unsigned sc, unsigned order);

/* Whether slab_new() needs no system call; another thread may take the memory first. */
bool slab_is_ready(unsigned sc);

/* Gives the slab's block back to the zone. No object may be out. */
void slab_free(struct slab *s);

/* Takes up to `most` free objects, which bear their marks: the lowest first, those on open pages
   before others. Opens one page if no open one has a free object. Returns how many; 0 when the
   slab is full, or that page was purged and `limit` allows no more. Writes them downwards from
   ret_end, so that the lowest is last, as in a magazine. Reports one that was written to. */
uint32_t slab_take(struct slab *s, struct object **ret_end, uint32_t most);

/* The same of open pages alone: 0 where a page would have to be opened. */
uint32_t slab_take_open(struct slab *s, struct object **ret_end, uint32_t most);

/* Opens a page and takes objects there, as slab_take() does where slab_take_open() takes none. */
uint32_t slab_take_page(struct slab *s, struct object **ret_end, uint32_t most);

/* Takes one object as slab_take() does, and clears its address and mark. *ret_zero says that all of
   the object reads as zero. NULL where slab_take() is 0. */
struct object *slab_take_one(struct slab *s, bool *ret_zero);

/* Closes all pages, so that objects are freed by slab_give_unmarked(). */
COLD void slab_close(struct slab *s);

/* Makes an object free that is in use on a closed page, and writes nothing there. False: the page
   is open, or the object free, and nothing was done. */
COLD bool slab_give_unmarked(struct slab *s, const struct object *o);

/* Purges all whole hardware pages without an object that is out, and closes them; returns the bytes
   that the system got back. */
size_t slab_purge(struct slab *s);

/* Bytes of the pages that slab_purge() would purge. */
size_t slab_idle_bytes(const struct slab *s);

/* The constants by which a magazine proves the start of an object of its class: the mask of an
   address that is its offset in a slab, magic, and the limit of the class's larger slabs. */
void slab_geometry(unsigned sc, uint64_t *ret_mask, uint64_t *ret_magic, uint64_t *ret_limit);

/* From now on no page gets a hot word. */
void slab_watch_all(void);

/* Clears the slab's hot words; for any thread. */
void slab_clear_hot(struct slab *s);

/* From now on the page that an object starts in is watched, or is not. */
COLD void slab_watch_page(struct slab *s, const void *object, bool watched);

/* Whether the page of an object is watched; for any thread that holds the object. */
static inline bool slab_is_watched(const struct slab *s, const void *object)
{
	return load_relaxed(&s->watched) >> (((uintptr_t)object - s->base) / PAGE_SIZE) & 1;
}

/* Reports that a freed object of the slab was written to, and ends the program. */
COLD _Noreturn void slab_report_written(const struct slab *s, const struct object *o);

/* How many objects are out; for any thread, and perhaps a moment old. */
static inline uint32_t slab_objects_out(const struct slab *s)
{
	return load_relaxed(&s->out);
}

COLD bool slab_check(const struct slab *s);

/* Proves S1 alone. */
COLD bool slab_check_bits(const struct slab *s);

/* Proves that o is an object of the class, out of its slab, and bears its mark. */
COLD bool slab_check_cached(const struct object *o, unsigned sc, const char *label);

/* --- between the files of slab/ -------------------------------------------------------------- */

/* Whether slab_harden() was called. */
extern HIDDEN bool slab_is_hardened;

/* Whether slab_watch_all() was called; atomic. */
extern HIDDEN bool slab_all_watched;

/* The set of all pages of the block. */
static inline uint64_t slab_all_pages(const struct slab *s)
{
	return slab_page_set(0, (size_t)1 << s->order);
}

/* The hardware pages that a set of pages lies in. */
static inline uint64_t slab_hardware_pages(uint64_t pages)
{
	unsigned each = (unsigned)(os_page_size() / PAGE_SIZE);
	uint64_t whole = 0;

	ASSERT(is_power_of_two(each) && each <= 64);
	if (each == 1)
		return pages;
	for (; pages; pages &= ~whole)
		whole |= slab_page_set(align_down(lowest_bit(pages), each), each);
	return whole;
}

/* Whether a page may be used: one that was purged counts again under `limit`. */
static inline bool slab_page_is_allowed(const struct slab *s, size_t page)
{
	return LIKELY(!options.limit) || !(s->purged & slab_page_set(page, 1)) ||
	       retain_is_below_limit(larger(s->size, os_page_size()));
}

/* The first object that starts at or behind the start of a page. */
static inline uint32_t slab_first_object(const struct slab *s, size_t page)
{
	return slab_index(s, (char *)slab_page_at(s, page) + s->size - 1);
}

static inline bool slab_is_open(const struct slab *s, size_t page)
{
	return s->open >> page & 1;
}

/* Whether a page has its hot word while it is open. */
static inline bool slab_page_is_hot(const struct slab *s, size_t page)
{
	return !load_relaxed(&slab_all_watched) && !(s->watched >> page & 1);
}

/* Stores a word of free[] to which bits were added. */
static inline void slab_add_free(struct slab *s, uint32_t w, uint64_t word)
{
	ASSERT(w <= (s->capacity - 1) / 64 && !(s->free[w] & ~word)); /* adds only */
	store_relaxed(&s->free[w], word);
	s->words |= (uint64_t)1 << w;
}

/* --- objects given back ---------------------------------------------------------------------- */

/* slab_give() of several objects. */
uint32_t slab_give_many(struct slab *s, struct object *const *objects, uint32_t n,
			struct object **ret_twice);

/* Makes free the first of n objects, up to the first that is not of the slab; returns how many.
   They bear their marks; reports one whose mark was overwritten. *ret_twice is set to one that
   was free already, if there is one. Short where the next object is of another slab, as nearly all
   are where a large heap is freed at random. */
static inline uint32_t slab_give(struct slab *s, struct object *const *objects, uint32_t n,
				 struct object **ret_twice)
{
	struct object *o = objects[0];
	uint32_t i = slab_index(s, o);
	uint64_t word = s->free[i / 64], bit = (uint64_t)1 << (i % 64);

	if (n > 1 && (uintptr_t)objects[1] - s->base < ORDER_BYTES(s->order))
		return slab_give_many(s, objects, n, ret_twice);
	if (IS_WRONG(o->key != slab_mark(o)))
		slab_report_written(s, o);
	if (UNLIKELY(word & bit)) {
		*ret_twice = o;
		return 1;
	}
	slab_add_free(s, i / 64, word | bit);
	store_relaxed(&s->out, s->out - 1);
	ASSERT_SLOW(slab_check_bits(s));
	return 1;
}
