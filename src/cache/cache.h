/*
 * A thread's cache: what the thread uses without a lock.
 *
 *	struct mine (a thread variable)   struct magazines (metadata)
 *	  libc.fast -------------------->  fast[granule] ---+  fast bins: each leads to a magazine
 *	  libc.magazines --------------->  magazine[0]      |  or to magazine_none
 *	  operators: the same two          magazine[1] <----+  of class 0, or all zero: the thread
 *	  cache --> struct cache           ...                 has none for the class
 *
 * malloc goes by the fast bin of the request's size, free by the hot word of the object's page,
 * which is the distance of the class's magazine from magazine[0]. A thread without magazines reads
 * tables of empty ones instead, so the fast path needs no test for them. A thread gets a magazine
 * for a hot class after a few uses of it.
 *
 * A cache has a robust mutex that its thread holds as long as it lives. The kernel marks the mutex
 * when the thread is gone, after its last destructor. A thread that can lock the mutex of another
 * cache flushes that cache, or adopts it as its own if it is new.
 *
 * Every slow path runs between cache_enter() and cache_leave(). cache_enter() refuses a signal
 * handler that interrupted its thread there, and the handler then takes no lock: so nothing waits
 * for itself.
 *
 * Invariants, proved by cache_check():
 *	C1  fast[g] is the magazine of g's class, or magazine_none;
 *	C2  total is the capacity of all magazines, in bytes.
 */
#pragma once

#include "arena/ring.h"
#include "cache/magazine.h"
#include "os/robust.h"
#include "os/steps.h"

/* Requests up to FAST_MAX find their magazine by a fast bin, larger ones by their class. */
#define FAST_MAX      ((size_t)1024)
#define FAST_GRANULES (FAST_MAX / GRANULE + 1)

struct magazines {
	/* by hot word; the first is unused */
	ALIGNED(CACHE_LINE) struct magazine magazine[CLASSES + 1];
	struct magazine *fast[FAST_GRANULES]; /* C1 */
};

struct cache {
	struct magazines *magazines; /* NULL until the thread uses a hot class */
	size_t total;		     /* C2 */
	struct arena *arena;	     /* that it used last */
	uint64_t ticked;	     /* os_clock() at the last cache_tick_slowly() */
	uint64_t looked;	     /* the same at the last cache_look() */
	uint64_t pace;		     /* mean time from one to the next (cache/upkeep.c) */
	uint64_t shrunk;	     /* os_clock() when magazines were last halved */
	uint32_t flushes;	     /* the last request to flush that was done */
	uint32_t awake;		     /* the last period in which its thread counted as awake */
	uint8_t ticks;		     /* slow paths so far, modulo 256; atomic */
	uint8_t owed;		     /* OWED_... */
	uint8_t paying;		     /* the same, of what cache_pay() has begun, */
	uint8_t next_paid;	     /* from this class on */
	bool rare;		     /* its slow paths are (cache_look); atomic */
	/* what cache_settle_depot() has begun, for which shards, from which class on; atomic */
	bool settling, settles_all;
	uint8_t next_settled;
	/* between cache_enter() and cache_leave(), or while another thread holds it */
	bool inside;
	bool lost;	       /* half changed, or perhaps in use: never adopted */
	bool reaped;	       /* its thread is gone, and it is empty; atomic */
	uint8_t uses[CLASSES]; /* of hot classes without a magazine */
	struct cache *next;    /* in the list of all; constant once there */
	struct robust holder;  /* held by the thread that has the cache */
};

/* The fast path's way to the thread's magazines. A door that is shut leads to empty tables, so that
   every call goes to the slow path. */
struct door {
	struct magazine *magazines;   /* of the thread's cache, or zeroes */
	struct magazine *const *fast; /* of the thread's cache, or a table of magazine_none */
};

/* What the fast path reads of the running thread. */
struct mine {
	struct door libc;	/* of malloc and free */
	struct door operators;	/* new, delete; shut where a program has its own */
	struct cache *cache;	/* NULL: it has none yet */
	uint32_t until_sampled; /* allocations to the next guarded one; 1 at first */
	int64_t until_profiled; /* granules until it looks at the profile; negative: now */
	int64_t beyond;		/* granules from there to the next sample */
	uint64_t profile;	/* the number of the profile that it counts for; 0: none yet */
	/* 0, or inside loam: the stack pointer with which the thread went there */
	uintptr_t inside;
};

/* Not readable before the dynamic linker has set up thread variables: fast_limit is 0 until
   then, and nothing reads it. */
extern HIDDEN __thread struct mine mine __attribute__((tls_model("initial-exec")));

/* The magazine that fast bins lead to at first: it holds nothing and takes nothing. */
extern HIDDEN struct magazine magazine_none;

/* Requests whose granule is below fast_limit take the fast path: 0 until loam has started, then
   FAST_GRANULES. With sampling it is 1, and those below fast_limit_counted take
   the fast path after they are counted for a profile; for guarded objects the slow path counts. */
extern HIDDEN size_t fast_limit, fast_limit_counted;

/* Whether allocations are counted, for guarded objects (harden/sampled.h) or for a profile. */
extern HIDDEN bool sampling;

/* Whether loam has started and no option needs to see calls: nothing is counted, recorded,
   fenced or perturbed. */
ALWAYS_INLINE bool cache_is_plain(void)
{
	return load_hot(&fast_limit) == FAST_GRANULES;
}

/* The same but for a profile, whose counting the fast path of malloc does. */
ALWAYS_INLINE bool cache_is_counted(void)
{
	return load_hot(&fast_limit_counted) != 0;
}

/* Opens the door of the operators of C++ in the running thread, and in all that begin later. Their
   slow path calls it in a thread whose two doors differ. */
COLD void cache_open_operators(void);

/* Of threads for which there is no memory; in no list, and never with magazines. */
extern HIDDEN struct cache cache_shared;

/* Gives a thread without a cache one: an adopted one, else a new one; without memory the shared
   cache. */
COLD struct cache *cache_bind(void);

/* Ends the program, with a report, if the call with which the thread went inside was left by
   longjmp or the like. Called where the thread is inside already, with the stack pointer. */
COLD void cache_report_if_left(uintptr_t here);

/* Begins a slow path that needs no cache. False in a signal handler that interrupted its thread
   before cache_end(): the caller must then touch nothing and take no lock. */
ALWAYS_INLINE bool cache_begin(void)
{
	if (UNLIKELY(mine.inside)) {
		cache_report_if_left(stack_pointer);
		return false;
	}
	mine.inside = stack_pointer; /* an atomic store would copy the register first */
	KEEP_ORDER();
	return true;
}

/* Whether the thread may take a lock of a floor above: not in a signal handler that interrupted it
   inside loam, or while it holds that lock. */
static inline bool cache_may_lock(const struct lock *l)
{
	return !mine.inside && !lock_held(l);
}

ALWAYS_INLINE void cache_end(void)
{
	KEEP_ORDER();
	store_relaxed(&mine.inside, 0);
}

/* The calling thread's cache, until cache_leave(); NULL where cache_begin() is false. */
ALWAYS_INLINE struct cache *cache_enter(void)
{
	struct cache *c;

	if (!cache_begin())
		return NULL;
	c = mine.cache;
	if (UNLIKELY(!c))
		c = cache_bind();
	store_relaxed(&c->inside, true);
	KEEP_ORDER(); /* to the child of a fork it is half changed from here on */
	return c;
}

/* Proves C1, C2 and M1 of the calling thread's cache. */
LATER bool cache_check(const struct cache *c);

/* What the slow path that ends may have changed of the cache, now and then (os/steps.h). */
static inline bool cache_check_step(const struct cache *c);

ALWAYS_INLINE void cache_leave(struct cache *c)
{
	ASSERT_SLOW(cache_check_step(c));
	KEEP_ORDER();
	store_relaxed(&c->inside, false);
	cache_end();
	left_by(c);
}

/* The cache's magazine for a class, or NULL. */
static inline struct magazine *cache_magazine(const struct cache *c, unsigned sc)
{
	struct magazines *ms = load_relaxed(&c->magazines);

	return ms && magazine_is_ready(&ms->magazine[sc + 1]) ? &ms->magazine[sc + 1] : NULL;
}

/* Counts a use of a hot class for which the cache has no magazine, and makes one after a few uses.
   Returns the magazine, or NULL. */
struct magazine *cache_learn(struct cache *c, unsigned sc);

/* The slab of an object that is out. NULL: it was freed twice, and its slab is gone. */
static inline struct slab *cache_slab_of(const struct object *o)
{
	struct descriptor *tag = pagemap_get(o);

	return LIKELY(tag && tag->kind == KIND_SLAB) ? (struct slab *)tag : NULL;
}

/* Gives objects that bear their marks back to their slabs, and locks their arenas for that, one
   after the other. Overwrites the array. Reports an object that is free there already. */
void cache_give_home(struct object **objects, uint32_t n);

/* Gives home what leaves a magazine, which may end its packing; the doors are shut. */
COLD void cache_send_leaving(struct magazine *m);

static inline void cache_send_home(struct magazine *m)
{
	if (UNLIKELY(magazine_leaving(m)))
		cache_send_leaving(m);
}

/* Decides which magazines pack, by the slabs of the arena that objects are taken from; nothing
   changes while that is locked. */
COLD void cache_learn_to_pack(struct cache *c);

/*
 * Called around longer changes of the calling thread's own magazines: a signal handler could
 * otherwise take an object that is on its way home, and share it with the next who gets it. The
 * few instructions of the fast path are not protected so; POSIX lets no handler call malloc at
 * all.
 */
void cache_shut_doors(void);
void cache_open_doors(const struct cache *c); /* not while something is owed */

/*
 * What upkeep wants of the thread's magazines. It may be done in the slow path of a large block in
 * a signal handler, which may have interrupted the fast path in the middle of a magazine. So it
 * only shuts the doors, and the next call for a small object, which then takes the slow path, does
 * it.
 */
/*
 * OWED_FLUSH: all objects go home. OWED_SWEEP: what leaves magazines does, and all of each that was
 * not filled since the last sweep; with OWED_SHRINK these are halved, which happens too where the
 * magazines have little left to grow by; then it is decided which pack. OWED_LOOK: see
 * shared_pages_decide().
 */
enum { OWED_SWEEP = 1, OWED_SHRINK = 2, OWED_FLUSH = 4, OWED_LOOK = 8 };
void cache_owe(struct cache *c, unsigned owed);

/* Does what is owed; where slow paths are rare, and what goes home is likely in no cache of the
   processor, only so much that the call does not take long: the next ones go on. */
NOINLINE void cache_pay(struct cache *c);

/* To be called before the magazines are used in the slow path of a small object. */
ALWAYS_INLINE void cache_pay_if_owed(struct cache *c)
{
	if (UNLIKELY(c->owed | c->paying))
		cache_pay(c);
}

/* A signal handler must not change the magazines meanwhile. How many objects they have is estimated
   from their bytes: one a cache line. */
static inline bool cache_check_step(const struct cache *c)
{
	static uint32_t left;
	bool is_open = c == mine.cache && c->magazines, ok;

	if (!step_is_due(&left, CLASSES + FAST_GRANULES + c->total / CACHE_LINE))
		return true;
	if (is_open)
		cache_shut_doors();
	ok = cache_check(c);
	if (is_open)
		cache_open_doors(c);
	return ok;
}

/* How often all caches were asked to flush (cache/caches.h); atomic. */
extern HIDDEN uint32_t cache_flushes;

/* Whether all caches were asked to flush since this one was flushed. */
COLD bool cache_is_asked_to_flush(const struct cache *c);

/* Gives all objects in the cache's magazines back to their slabs. */
void cache_flush(struct cache *c);

/* Gives home the objects that the depot did not need since that was done last: of the thread's
   shard, or of all. So many that the call does not take long; while c->settling is set the next
   one goes on. */
COLD void cache_settle_depot(struct cache *c, bool everywhere);

/* Gives home all objects of the depot. */
COLD void cache_empty_depot(void);

/* Makes a kept run the object of req bytes that begins `lead` bytes behind the start of its pages.
   Before that it wakes a thread that waits for a lock; NULL: none does. */
NOINLINE void *cache_wake_then_lay_out(struct lock *waited, struct run *run, size_t lead,
				       size_t req);

/* slow(req), after releasing the lock, unless NULL, and cache_leave(). */
NOINLINE void *cache_leave_then_alloc(struct cache *c, struct lock *held, size_t req,
				      void *(*slow)(size_t));

/* slow(mem), after waking one that waits for a lock; NULL: nobody does. */
NOINLINE void cache_wake_then_free(struct lock *waited, void *mem, void (*slow)(void *mem));
