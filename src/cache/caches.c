/* The list of all thread caches; see caches.h. */
#include "cache/caches.h"

#include "cache/shards.h"
#include "os/check.h"
#include "os/os.h"
#include "os/process.h"
#include "pages/metadata.h"
#include "pages/nodes.h"

/* Caches that are looked at for one whose thread is gone, when a thread begins, and each 256th slow
   path. */
#define LOOKS 16

/* How many caches of the newest threads are remembered: a new thread looks there first. */
#define RECENT 32

struct lock caches_lock = LOCK_INIT(LOCK_CACHES);
struct cache *cache_all;	     /* newest first; caches lock, release-published */
static struct cache *cursor;	     /* where the next look begins; a hint */
static struct cache *recent[RECENT]; /* a ring; hints */
static uint32_t recent_last;
static bool unmarked_seen; /* the kernel left a cache unmarked: more may be; a hint */
static uint32_t nthreads;  /* with a cache, or not yet found gone; caches lock; read relaxed */
static struct pool caches = POOL_INIT(struct cache);

struct cache *cache_next(const struct cache *c)
{
	return c ? c->next : load_acquire(&cache_all);
}

/* --- threads that are awake ------------------------------------------------------------------- */

static uint32_t period;		     /* of AWAKE_TIME, from 1 on; the present one; atomic */
static uint32_t awake, awake_before; /* threads that were, in it and in the one before; atomic */

/* Another thread may count at the same time, and one of both be lost until its next period. */
static void share_magazines(void)
{
	uint32_t n = (uint32_t)larger(load_relaxed(&awake), load_relaxed(&awake_before));

	magazine_set_threads(smaller(n, load_relaxed(&nthreads)));
}

/* For the first thread that is awake in a period. */
static void begin_period(uint32_t now, uint32_t before)
{
	if (!__atomic_compare_exchange_n(&period, &before, now, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED))
		return;
	store_relaxed(&awake_before, now == before + 1 ? load_relaxed(&awake) : 0);
	store_relaxed(&awake, 0);
}

void cache_note_awake(struct cache *c, uint64_t now)
{
	uint32_t present = (uint32_t)(now / AWAKE_TIME) + 1, before = load_relaxed(&period);

	if (load_relaxed(&c->awake) == present)
		return;
	store_relaxed(&c->awake, present); /* several threads may use the shared cache */
	if ((int32_t)(present - before) > 0)
		begin_period(present, before);
	add_relaxed(&awake, 1);
	share_magazines();
}

/* --- threads that come and go ---------------------------------------------------------------- */

/* One more, or one less; in the child of a fork that was made in the middle, they may be counted
   already. */
static NOINLINE void count_thread(int change)
{
	ASSERT(lock_held(&caches_lock));
	if (change < 0 && !nthreads)
		return;
	store_relaxed(&nthreads, nthreads + (uint32_t)change);
	share_magazines();
	shards_set_threads(nthreads, os_cpus());
}

/* Where the kernel may not have marked the mutex, its thread is asked for as well. */
static enum robust_state take_holder(struct cache *c, bool asks)
{
	enum robust_state state;

	lock_acquire(&caches_lock);
	ASSERT(c != mine.cache && c != &cache_shared); /* another thread's */
	state = robust_try(&c->holder);
	if (state == ROBUST_BUSY && asks) {
		state = robust_ask(&c->holder);
		if (state == ROBUST_GONE)
			store_relaxed(&unmarked_seen, true);
	}
	if (state == ROBUST_HELD) /* a thread that is gone was still counted */
		count_thread(1);
	lock_release(&caches_lock);
	return state;
}

static void let_go(struct cache *c)
{
	lock_acquire(&caches_lock);
	count_thread(-1);
	robust_release(&c->holder);
	lock_release(&caches_lock);
}

/* Takes over a cache whose thread is gone, as if entered; false: it is not, or it ended in the
   middle of a call (by asynchronous cancellation). */
static bool try_hold(struct cache *c, bool asks)
{
	enum robust_state state;

	/* Most caches are those of living threads: no lock is taken for these. */
	if (robust_is_held(&c->holder, asks) || load_relaxed(&c->lost))
		return false;
	state = take_holder(c, asks);
	if (state == ROBUST_GONE) {
		found_at(c);
		store_relaxed(&c->lost, load_relaxed(&c->inside));
	}
	if (state == ROBUST_BUSY)
		return false;
	if (c->lost) {
		let_go(c);
		return false;
	}
	store_relaxed(&c->inside, true);
	KEEP_ORDER();
	return true;
}

static struct cache *advance(void)
{
	struct cache *c = load_acquire(&cursor);

	c = c && c->next ? c->next : load_acquire(&cache_all);
	store_release(&cursor, c);
	return c;
}

static void note_recent(struct cache *c)
{
	store_release(&recent[(add_relaxed(&recent_last, 1) + 1) % RECENT], c);
}

static struct cache *adopt_recent(bool asks)
{
	uint32_t last = load_relaxed(&recent_last);

	for (uint32_t i = 0; i < RECENT; i++) {
		struct cache *c = load_acquire(&recent[(last - i) % RECENT]);

		if (c && try_hold(c, i == 0 || asks))
			return c;
	}
	return NULL;
}

/* The cache of a thread that is gone, with all that is in it. To ask for a thread costs a system
   call: as long as the kernel has marked every cache, one alone is asked for. */
static struct cache *adopt(void)
{
	bool asks = load_relaxed(&unmarked_seen);
	struct cache *c = adopt_recent(asks);

	for (int looks = LOOKS; !c && looks; looks--) {
		c = advance();
		if (c && !try_hold(c, asks))
			c = NULL;
	}
	return c;
}

/* The calling thread's from now on; false where libc has no robust mutex. */
static bool add(struct cache *c)
{
	bool held;

	lock_acquire(&caches_lock);
	ASSERT(c->arena && !c->magazines && c != &cache_shared);
	held = robust_hold_anew(&c->holder);
	if (held) {
		c->next = cache_all;
		store_release(&cache_all, c);
		count_thread(1);
	}
	lock_release(&caches_lock);
	return held;
}

static struct cache *make(void)
{
	struct cache *c = pool_alloc(&caches);

	if (!c)
		return NULL;
	c->arena = ring_join(load_relaxed(&nthreads) + 1);
	if (add(c))
		return c;
	pool_free(&caches, c);
	return NULL;
}

struct cache *cache_bind(void)
{
	struct cache *c;

	ASSERT(!mine.cache && mine.inside);
	c = adopt();

	if (!c)
		c = make();
	if (!c) {
		store_relaxed(&cache_shared.arena, &arena_main);
		return &cache_shared;
	}
	note_recent(c);
	cache_note_awake(c, os_clock());
	nodes_note();
	if (load_relaxed(&nodes_many))
		ring_follow(&c->arena);
	ASSERT(c->arena && load_relaxed(&c->holder.number) && !c->lost);
	store_relaxed(&c->reaped, false);
	if (c->magazines)
		cache_open_doors(c);
	mine.cache = c;
	return c;
}

/* --- threads that are gone -------------------------------------------------------------------- */

void cache_ask_all_to_flush(void)
{
	add_relaxed(&cache_flushes, 1);
	for (struct cache *c = NULL; (c = cache_next(c));)
		store_relaxed(&c->ticks,
			      UINT8_MAX); /* lost where its thread counts just now: 256 later */
}

/* Whether its thread is gone, and what it held goes home by this. */
static bool reap(struct cache *c, bool asks)
{
	if (!c || c == mine.cache || load_relaxed(&c->reaped) || !try_hold(c, asks))
		return false;
	cache_flush(c);
	ASSERT_SLOW(cache_check_step(c));
	KEEP_ORDER();
	store_relaxed(&c->inside, false);
	store_relaxed(&c->reaped, true);
	let_go(c);
	return true;
}

/* One alone is asked for by a system call, see adopt(). */
void cache_reap_next(void)
{
	const struct cache *newest = cache_next(NULL);
	bool asks = load_relaxed(&unmarked_seen);

	if (!newest || !newest->next)
		return; /* there was one thread ever */
	for (int looks = LOOKS; looks && !reap(advance(), asks); looks--)
		asks = false;
}

void cache_reap_all(void)
{
	for (struct cache *c = NULL; (c = cache_next(c));)
		reap(c, true);
}

/* --- fork ------------------------------------------------------------------------------------ */

/* The child's thread has a new number, so it must take the mutex of its cache anew. The caches of
   threads that do not exist here are released for adoption; one that was being changed is lost. If
   the caller is not the thread that forked, any cache may be that thread's: all but the caller's
   are lost. */
void cache_recover(bool forker)
{
	store_relaxed(&nthreads, mine.cache != NULL);
	magazine_set_threads(1);
	for (struct cache *c = NULL; (c = cache_next(c));) {
		if (c->lost)
			continue;
		store_relaxed(&c->reaped, false);
		if (c != mine.cache && (load_relaxed(&c->inside) || !forker)) {
			store_relaxed(&c->lost, true);
			continue;
		}
		robust_hold_anew(&c->holder);
		if (c != mine.cache)
			robust_release(&c->holder);
	}
}
