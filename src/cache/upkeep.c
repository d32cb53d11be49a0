/* What is due now and then, trimming, and what is tried before memory is refused; see upkeep.h. */
#include "cache/upkeep.h"

#include "cache/caches.h"
#include "cache/requests.h"
#include "cache/shared_pages.h"
#include "os/check.h"
#include "os/os.h"
#include "pages/huge.h"
#include "pages/limit.h"
#include "pages/nodes.h"
#include "pages/retain.h"
#include "pages/zone.h"

SEALED void (*upkeep_look)(uint64_t now);

#define HOPELESS_TIMES 16

/* Bounded steps of purging that one look takes. */
#define STEPS_A_LOOK 2

/* With time to spare no chunk is skipped. */
static void obey_in(struct arena *a, bool has_time)
{
	if (!a || !ring_try(a))
		return;
	if (has_time)
		heap_end_pause(&a->chunks);
	arena_obey_rule(a);
	ring_unlock(a);
}

void cache_obey_rule(struct cache *c)
{
	static struct arena *other; /* release-published, as ring_all: any thread goes on from it */
	static uint32_t in_vain;    /* steps, one after the other */
	struct arena *own = load_acquire(&c->arena), *next;
	size_t before, unneeded;
	uint32_t vain;

	if (load_relaxed(&retain_due)) /* every slow path of every thread reads it */
		store_relaxed(&retain_due, false);
	if (UNLIKELY(retain_limit_is_auto() && retain_limit_is_due()))
		limit_read();
	if (!retain_excess())
		return;
	before = load_relaxed(&retain_retained);
	unneeded = huge_purge_unneeded();
	retain_purged(unneeded);
	next = ring_next(load_acquire(&other));
	store_release(&other, next);
	obey_in(own, false);
	if (next != own && retain_excess())
		obey_in(next, false);
	if (!unneeded && retain_excess())
		retain_purged(huge_purge(retain_step(retain_excess(), 0)));
	vain = load_relaxed(&retain_retained) < before ? 0 : load_relaxed(&in_vain) + 1;
	store_relaxed(&in_vain, vain);
	if (vain <= ring_count() && retain_excess())
		store_relaxed(&retain_due, true);
}

/* Gives back free blocks, or where there are none kept mappings, until nbytes are; the bytes. */
static size_t purge_pages(size_t nbytes)
{
	size_t purged = zone_purge(nbytes);

	if (purged)
		return purged;
	purged = huge_purge(nbytes);
	retain_purged(purged);
	return purged;
}

void cache_make_way_slowly(struct cache *c, size_t nbytes)
{
	size_t excess, purged;

	cache_obey_rule(c);
	do {
		excess = smaller(retain_excess(), nbytes);
		purged = excess ? purge_pages(excess) : 0;
		nbytes = minus(nbytes, purged);
	} while (purged);
}

/* Whether the caller is the thread that changes the value, a time or a count. */
static bool claim(uint64_t *value, uint64_t before, uint64_t now)
{
	return __atomic_compare_exchange_n(value, &before, now, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED);
}

/* Arenas that are still to be tended in this decay_ms. */
static uint64_t untended;

/* Tends the next arena, unless it is locked just now. */
static void tend_next(void)
{
	static struct arena *last; /* release-published, as ring_all: any thread goes on from it */
	uint64_t left = load_relaxed(&untended);
	struct arena *a;

	if (!left || !claim(&untended, left, left - 1))
		return;
	a = ring_next(load_acquire(&last));
	a = a ? a : ring_next(NULL);
	store_release(&last, a);
	if (!ring_try(a))
		return;
	arena_tend(a);
	ring_unlock(a);
}

/* Claims the end of decay_ms, for whichever thread comes first, though another may have read the
   clock later; false: it is not yet, or another's. Notes the halves, of which two last about
   decay_ms, unless threads came late. */
static bool claim_decay(uint64_t now, int64_t decay)
{
	static uint64_t last, middle;
	uint64_t ended = load_relaxed(&last), half = load_relaxed(&middle);
	int64_t passed = (int64_t)(now - ended);

	if (passed >= decay / 2 && (int64_t)(half - ended) <= 0 && claim(&middle, half, now))
		retain_half((int64_t)(now - half) >= decay / 4 * 3);
	return passed >= decay && claim(&last, ended, now);
}

/* The work of each decay_ms. */
static void decay_all(void)
{
	size_t unneeded;

	if (UNLIKELY(retain_limit_is_auto()))
		limit_read();
	unneeded = retain_fade();
	if (retain_is_over_floor()) /* else its code is not paged in */
		huge_note_unneeded();
	store_relaxed(&untended, ring_count());
	tend_next();
	zone_purge(retain_step(larger(unneeded / 8, retain_excess()), 0));
}

void cache_tick_slowly(struct cache *c)
{
	uint64_t now = os_clock(), decay = options.decay_ms * OS_MS;
	bool shrink = now - load_relaxed(&c->shrunk) >= decay, decays;
	struct arena *a;

	ASSERT((c == &cache_shared || c->inside) && mine.inside);
	if (requests_are_due())
		requests_serve(c);
	if (upkeep_look)
		upkeep_look(now);
	if (UNLIKELY(load_relaxed(&shared_pages_aside)))
		shared_pages_look();
	if (cache_is_asked_to_flush(c))
		cache_owe(c, OWED_FLUSH);
	cache_reap_next();
	cache_note_awake(c, now);
	store_relaxed(&c->ticked, now);
	if (UNLIKELY(load_relaxed(&nodes_many)))
		ring_follow(&c->arena);
	cache_owe(c, shrink ? OWED_SWEEP | OWED_SHRINK : OWED_SWEEP);
	decays = claim_decay(now, (int64_t)decay);
	cache_settle_depot(c, decays); /* then of shards whose threads sleep, too */
	a = load_acquire(&c->arena);
	if (ring_try(a)) {
		runs_settle(&a->runs);
		ring_unlock(a);
	}
	if (shrink)
		store_relaxed(&c->shrunk, now);
	if (decays)
		decay_all();
	cache_obey_rule(c);
}

/* The mean time between looks, with a quarter of the weight for the last. A pause counts as four
   times `often` at most: one that is as long makes a thread seldom here, while a busy thread may
   wait for others, or for a processor, a shorter time now and then. */
static uint64_t note_pace(struct cache *c, uint64_t now, uint64_t often)
{
	uint64_t pause = now - load_relaxed(&c->looked), pace;

	pause = pause < 4 * often ? pause : 4 * often;
	pace = (3 * load_relaxed(&c->pace) + pause) / 4;
	store_relaxed(&c->looked, now);
	store_relaxed(&c->pace, pace);
	return pace;
}

/* With what the last tick left to do. */
static void go_on(struct cache *c)
{
	tend_next();
	if (load_relaxed(&c->settling))
		cache_settle_depot(c, false);
	for (unsigned step = 0; step < STEPS_A_LOOK; step++)
		cache_obey_if_due(c);
}

static bool more_is_due(const struct cache *c)
{
	return load_hot(&retain_due) || load_relaxed(&c->settling) || load_relaxed(&untended);
}

void cache_look(struct cache *c)
{
	uint64_t now = os_clock(), eighth = options.decay_ms * OS_MS / 8;
	uint64_t often = eighth / 16, pace = note_pace(c, now, often);

	store_relaxed(&c->rare, pace >= often / 8);
	if (!load_hot(&c->ticks) || now - load_relaxed(&c->ticked) >= eighth)
		cache_tick_slowly(c);
	else
		go_on(c);
	if (pace >= often && retain_is_unneeded())
		cache_owe(c, OWED_FLUSH); /* so that it needs slow paths, and looks again */
	if (load_relaxed(&c->rare) && more_is_due(c)) /* then its next slow path looks again */
		store_relaxed(&c->ticks, load_relaxed(&c->ticks) | (TICKS_A_LOOK - 1));
}

void cache_do_all_due(struct cache *c)
{
	size_t before;

	cache_tick_slowly(c);
	while (load_relaxed(&untended))
		tend_next();
	while (load_relaxed(&c->settling))
		cache_settle_depot(c, false);
	cache_reap_all();
	do {
		before = load_relaxed(&retain_retained);
		ring_for_each (a)
			obey_in(a, true);
		zone_purge(retain_excess());
		if (retain_excess())
			retain_purged(huge_purge(retain_excess()));
	} while (retain_excess() && load_relaxed(&retain_retained) < before);
}

/* Flushes the caller's cache, those of threads that are gone, and the depot; asks other threads to
   flush theirs. */
static void empty_caches(struct cache *c)
{
	cache_ask_all_to_flush();
	cache_flush(c);
	cache_reap_all();
	cache_empty_depot();
}

static LATER void trim_arenas(size_t pad, bool purge)
{
	ring_for_each (a) {
		if (!ring_lock_this(a))
			continue;
		arena_trim(a, pad, purge);
		ring_unlock(a);
	}
}

void cache_trim_arenas(struct cache *c, size_t pad)
{
	shared_pages_take_back(false);
	empty_caches(c);
	trim_arenas(pad, true);
}

/* Whether giving back would hardly help a request: it is for many times what loam has in all, and
   no limit is known that counts what loam has. */
static bool is_hopeless(size_t req)
{
	struct zone_sizes sizes;

	if (options.limit || os_memory_limit() != SIZE_MAX)
		return false;
	zone_sizes(&sizes);
	return req / HOPELESS_TIMES > sizes.mapped + retain_held();
}

void cache_reclaim(struct cache *c, size_t req, unsigned step)
{
	struct arena *a = load_acquire(&c->arena); /* once: see ring_lock() */

	ASSERT(step < RECLAIM_STEPS && (c == &cache_shared || c->inside));
	if (is_hopeless(req))
		return;
	if (UNLIKELY(retain_limit_is_auto()) && limit_read_for_request() && step == 0)
		return;
	if (step == 0 && ring_lock_this(a)) {
		runs_flush(&a->runs);
		ring_unlock(a);
	} else if (step == 1) {
		shared_pages_take_back(true);
		empty_caches(c);
		trim_arenas(0, options.limit); /* which counts pages, not addresses */
	}
	huge_unmap_free();
	zone_unmap_free(true);
}
