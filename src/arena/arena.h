/*
 * An arena: all that one thread allocates from.
 *
 * Every size class starts in the chunk heap, where bins pack a few objects of
 * many sizes tightly.  A class from which this arena has allocated
 * options.promote_after times is hot: from then on slabs serve it, through a
 * fast bin.  So a thread with a few blocks stays small, and a thread that churns
 * one size is fast.
 *
 *	struct arena
 *	hot ------------> fast[granule]: the magazine of the class (magazine.h), or none;
 *	                  magazine[class], and behind each the slab that the class is taken
 *	                  from when it is empty; lists of slabs with free objects
 *	chunks ---------> bins, top, heaps (heap/)
 *	outbox[] -------> objects of other arenas that this thread freed and sends home
 *	inbox <---------- objects of ours that other threads freed
 *
 * An arena is a robust mutex that its thread holds as long as it lives.  The
 * kernel marks the mutex when the thread is gone, after its last destructor, so
 * nobody needs to be told; and whoever can lock the mutex may tend the arena or
 * adopt it.  Only the holder writes to an arena, and takes no lock and no
 * atomic read-modify-write for it.
 *
 * Invariants, proved by arena_check():
 *	A1  fast[g] is the magazine of g's class, or magazine_none;
 *	A2  the slab behind a magazine is CURRENT and ours; listed slabs are LISTED, or EMPTY, and ours;
 *	A3  a class that is not hot has no slab at all, not even a full one;
 *	A4  idle slabs are LISTED, empty ones EMPTY; retain.h was told of both; empty_bytes is the
 *	    sum of the empty ones' blocks;
 *	A5 to A8  see magazine.h and run_cache.h.
 */
#pragma once

#include "base/compiler.h"
#include "base/list.h"
#include "base/options.h"
#include "heap/heap.h"
#include "os/robust.h"
#include "slab/slab.h"

/* Requests up to FAST_MAX find their slab by granule; larger hot ones by class. */
#define FAST_MAX      ((size_t)1024)
#define FAST_GRANULES (FAST_MAX / GRANULE + 1)

#define OUTBOX_SLOTS 4
#define RUN_SLOTS    16

/* Freed objects of one other arena, linked through their first words. */
struct outbox {
	struct arena *to; /* NULL: empty; atomic, for remote_visit() */
	struct object *first, *last;
	uint32_t count;
	size_t nbytes;
};

#define MAGAZINE_OBJECTS 57

/* The objects of a class that are handed out next, see magazine.h; zeroes, when it was never used. */
struct magazine {
	struct object **last; /* in objects; &none: it is empty */
	struct object **end;  /* where the last one is when it is full; constant */
	uint64_t mask;        /* the bits of an address that are its offset in a slab; constant */
	uint64_t magic;       /* of the class, see slab.h; constant */
	uint64_t limit;       /* that of a slab all of which is carved; constant */
	struct slab *slab;    /* A2: what comes after them, or slab_none */
	struct object *none;  /* NULL, and before the first object */
	struct object *objects[MAGAZINE_OBJECTS];
};

static_assert(sizeof(struct magazine) == 1 << HOT_PLACE_SHIFT, "a hot word names it by distance");

/* The hot side of an arena (arena/hot.h), made when its first class is promoted. */
struct hot {
	struct magazine *fast[FAST_GRANULES]; /* A1 */
	struct link listed[CLASSES];          /* A2; NULLs: the class is not hot */
	struct link idle, empty;              /* A4; the oldest first */
	size_t empty_bytes, empty_most;       /* A4; and when some are given back */
	size_t empty_given;                   /* bytes of these, until they are found missing */
	struct crate *spare;                  /* empty (arena/magazine.c) */
	uint32_t slabs[CLASSES]; /* A3: of the class, full ones too, which are on no list */
	ALIGNED(CACHE_LINE) struct magazine magazine[CLASSES + 1]; /* A2; by place, see magazine.h */
};

/* Counts of what happened in an arena; written by its holder, read by any thread. */
struct arena_counts {
	size_t promotions, demotions;
	size_t fast;                       /* objects that left through fast bins, at least */
	size_t refills, slabs_new, slabs_back;
	size_t remote_sent, remote_posts, remote_drained;
};

struct arena {
	struct hot *hot;
	struct chunk_heap chunks;
	uint32_t uses[CLASSES]; /* allocations by class while it is not hot */
	struct outbox outbox[OUTBOX_SLOTS];
	struct run *runs[RUN_SLOTS]; /* A6, run_cache.h */
	size_t run_kept, run_told;   /* A7; in pages */
	uint32_t run_count;
	struct arena_counts counts;
	uint8_t ticks;          /* slow paths taken: each 256th looks at more, see arena_tick() */
	bool retired;           /* its thread did not survive a fork; constant then */
	bool shared;            /* used by several threads behind a lock; constant */
	bool busy;              /* between arena_enter() and arena_leave(); the holder's */
	uint32_t number;        /* in the registry; constant */
	struct arena *next;     /* in the registry, constant once there */
	struct robust holder;   /* see above */

	ALIGNED(CACHE_LINE) struct object *inbox; /* atomic; any thread pushes, the holder takes all */
	size_t inbox_bytes; /* in it, for statistics: too few for a moment while it is taken; atomic */
};

/* What every fast bin starts with: it has nothing, and takes nothing. */
extern HIDDEN struct magazine magazine_none;

/* What a thread has before it allocates: busy for ever, so that nothing is done in it. */
extern HIDDEN struct arena arena_none;

/* The running thread's arena, or arena_none.  NULL, or no address at all, before the dynamic
   linker has set up the program's threads: fast_limit is 0 then, and nothing reads it. */
extern HIDDEN __thread struct arena *arena_mine __attribute__((tls_model("initial-exec")));

/* A way to the hot path of the running thread.  One that is shut takes nothing and has nothing, so that
   every call goes to the slow path. */
struct door {
	/* Bit n: objects whose hot word names n may be freed to this thread's magazines.  Bit 0 is never
	   set: not even where this reads as the address of the thread control block, or what else
	   is there before the dynamic linker has set up the program's threads. */
	uint32_t accepted;
	struct magazine *const *fast; /* of the thread's hot side, or a table of magazine_none */
};

/* What the hot path knows of the running thread. */
struct hot_mine {
	struct door libc;       /* of malloc and free */
	struct door operators;  /* of C++; shut where another malloc serves them, see arena_open_operators() */
	uint32_t until_sampled; /* allocations, 1 at first; see harden/sampled.h */
	struct hot *side;       /* its arena's, or NULL */
};

extern HIDDEN __thread struct hot_mine hot_mine __attribute__((tls_model("initial-exec")));

/* Granules below this take the hot path: 0 until loam has started.  Where allocations are counted
   (harden/sampled.h) it is 1, and those below the other take that path behind the count. */
extern HIDDEN size_t fast_limit, fast_limit_counted;

/* Whether loam has started, and serves what is asked for and no more: nothing is counted, watched,
   fenced or perturbed. */
ALWAYS_INLINE bool arena_is_plain(void)
{
	return load_hot(&fast_limit) == FAST_GRANULES;
}

/* Whether a request gets pages of its own: a large one; and from half of that on one of whole pages,
   which loses nothing by it. */
static inline bool arena_wants_pages(size_t req)
{
	return req >= options.mmap_threshold ||
	       (req >= options.mmap_threshold / 2 && req % PAGE_SIZE == 0);
}

/* How a request that the hot path did not serve is served; NULL without memory.
   *zero says before that zeros are wanted, and after that all of it reads as zero. */
void *arena_alloc(size_t req, bool *zero);

/* The same at a multiple of alignment, a power of two. */
void *arena_alloc_aligned(size_t alignment, size_t req);

/* The same for an object that another grows into: where it can grow on without being moved. */
void *arena_alloc_growing(size_t req);

/* Frees what the hot path did not; tag is that of its page, call the function's name for reports. */
void arena_release(void *mem, struct descriptor *tag, const char *call);

/* Frees what was found in the inbox of an arena that the caller holds; tag is that of its page. */
void arena_release_drained(struct arena *a, struct descriptor *tag, void *mem);

/* What the program may use of an object; tag is that of its page.  0, and reported, for what is no
   object. */
size_t arena_usable(const void *mem, struct descriptor *tag, const char *call);

/* The object with room for req bytes without being copied, which may have moved (huge); NULL, and all
   as before, if that cannot be: then *ret_usable is what arena_usable() says. */
void *arena_resize(void *mem, struct descriptor *tag, size_t req, size_t *ret_usable);

/* Called in every slow path: now and then looks at what threads that are gone left behind, and
   at what has long been idle. */
void arena_tick(struct arena *a);

/* Counts a short way as what it stands for, a slow path; true: it must not be taken, since that
   would look at more than its own. */
ALWAYS_INLINE bool arena_is_due(struct arena *a)
{
	if (LIKELY(++a->ticks))
		return false;
	a->ticks--;
	return true;
}

/* Around a short way in the thread's own arena, from the first look at what it changes, in place of
   arena_enter() and arena_leave().  False: the thread has none, or this is a signal handler that
   interrupted it there. */
ALWAYS_INLINE bool arena_begin(struct arena *a)
{
	if (UNLIKELY(a->busy))
		return false;
	store_relaxed(&a->busy, true);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return true;
}

ALWAYS_INLINE void arena_end(struct arena *a)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	store_relaxed(&a->busy, false);
	left_by(a);
}

/* From now on every allocation and every free of the process takes the slow path. */
COLD void arena_watch_all(void);

/* The arena's hot side is the running thread's from now on, if it has one and the arena is its. */
void arena_use_hot_side(const struct arena *a);

/* Lets the operators of C++ take the hot path: in the running thread, and in all that begin later.  Their
   slow path calls it in a thread whose two doors differ. */
COLD void arena_open_operators(void);

/* Sets up an arena's fields; the calling thread then holds it. */
AT_START bool arena_init(struct arena *a, bool brk);

/* What the arena of a thread that is gone kept for that goes to the zone, still in RAM, where any
   thread finds it; the caller holds the arena. */
COLD void arena_share(struct arena *a);

/* Takes in what other threads freed, gives back slabs that nothing is in, and obeys the rule of
   retain.h; the caller holds the arena. */
COLD void arena_tend(struct arena *a);

/* The same, and gives back all else that is not needed: top beyond pad, pages of chunks and in
   slabs.  The bytes given back, about. */
COLD size_t arena_trim(struct arena *a, size_t pad);

/* The same of self, which the caller has entered, and of all arenas that nobody runs on. */
COLD void arena_trim_all(struct arena *self, size_t pad);

COLD bool arena_check(struct arena *a);

/* A report for a pointer that is no object, with all that is known about it. */
COLD void arena_report_bad(const void *mem, struct descriptor *tag, const char *call);
