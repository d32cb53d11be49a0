/* How objects go home that magazines and the depot did not need; see cache.h. */
#include "cache/cache.h"

#include "cache/depot.h"
#include "cache/shared_pages.h"
#include "os/check.h"
#include "pages/retain.h"

/* Objects that one call gives home, or a few more, before it leaves the rest to the next. */
#define HOME_A_CALL 64

static void flush(struct magazine *m)
{
	ASSERT(mine.libc.magazines != m - m->sc - 1); /* the doors are shut */
	cache_send_home(m);
	cache_give_home(m->none + 1, magazine_count(m));
	m->last = m->none;
}

/* Calls it for every magazine, with the doors shut. */
static void for_each_magazine(struct cache *c, void (*call)(struct magazine *m))
{
	bool is_mine = c == mine.cache;

	if (!c->magazines)
		return;
	if (is_mine)
		cache_shut_doors();
	for (unsigned sc = 0; sc < CLASSES; sc++)
		if (cache_magazine(c, sc))
			call(cache_magazine(c, sc));
	if (is_mine)
		cache_open_doors(c);
}

bool cache_is_asked_to_flush(const struct cache *c)
{
	return load_relaxed(&c->flushes) != load_relaxed(&cache_flushes);
}

static void note_flush(struct cache *c)
{
	store_relaxed(&c->flushes, load_relaxed(&cache_flushes));
}

void cache_flush(struct cache *c)
{
	note_flush(c);
	for_each_magazine(c, flush);
}

/* Nothing was taken of what lies there, and each object may hold a slab for itself. */
static void sweep(struct magazine *m)
{
	cache_send_home(m);
	if (!m->fills)
		flush(m);
	m->fills = 0;
}

static void sweep_and_shrink(struct magazine *m)
{
	bool idle = !m->fills;

	sweep(m);
	if (idle)
		magazine_shrink(m);
}

static void end_sweep(struct cache *c)
{
	if (load_relaxed(&retain_live) >= SLABS_SPARSE) /* else no class has enough */
		cache_learn_to_pack(c);
}

void cache_owe(struct cache *c, unsigned owed)
{
	ASSERT(c == mine.cache || !c->magazines);
	if (!c->magazines)
		return;
	cache_shut_doors();
	c->owed |= (uint8_t)owed;
}

/* Where it waits the doors stay shut. */
static COLD void look_after_fork(struct cache *c)
{
	enum shared_pages_step step = shared_pages_decide();

	if (step == SHARED_PAGES_WAIT)
		c->owed |= OWED_LOOK;
	if (step != SHARED_PAGES_SET_ASIDE)
		return;
	cache_empty_depot();
	cache_flush(c);
	shared_pages_set_aside();
}

/* Returns how many objects that gave away. */
static uint32_t pay_one(struct cache *c, struct magazine *m)
{
	uint32_t before = magazine_count(m) + magazine_leaving(m);

	if (c->paying & OWED_FLUSH)
		flush(m);
	if (c->paying & OWED_SHRINK)
		sweep_and_shrink(m);
	else if (c->paying & OWED_SWEEP)
		sweep(m);
	return before - magazine_count(m) - magazine_leaving(m);
}

/* Goes on with what has begun. */
static void pay_some(struct cache *c)
{
	uint32_t given = 0, enough = load_relaxed(&c->rare) ? HOME_A_CALL : UINT32_MAX;

	for (unsigned sc = c->next_paid; sc < CLASSES; sc++) {
		if (given >= enough) {
			c->next_paid = (uint8_t)sc;
			return;
		}
		if (cache_magazine(c, sc))
			given += pay_one(c, cache_magazine(c, sc));
	}
	if (c->paying & OWED_SWEEP)
		end_sweep(c);
	c->paying = 0;
}

static void begin_to_pay(struct cache *c)
{
	c->paying = c->owed & (OWED_FLUSH | OWED_SWEEP | OWED_SHRINK);
	if ((c->paying & OWED_SWEEP) && magazine_is_short(c->total))
		c->paying |= OWED_SHRINK;
	if (c->paying & OWED_FLUSH)
		note_flush(c);
	c->next_paid = 0;
	c->owed &= OWED_LOOK;
}

void cache_pay(struct cache *c)
{
	if (c->owed & OWED_LOOK) {
		c->owed &= (uint8_t)~OWED_LOOK;
		look_after_fork(c);
	}
	if (!c->paying)
		begin_to_pay(c);
	pay_some(c);
	cache_open_doors(c);
}

/* Gives home the idle objects of a class, but not more than `most`; returns how many. */
static uint32_t settle_class(unsigned sc, uint32_t most, bool everywhere)
{
	struct object *objects[HOME_A_CALL];
	uint32_t n, given = 0;

	ASSERT(most <= HOME_A_CALL);
	while (given < most && (n = depot_take_idle(sc, objects, most - given, everywhere))) {
		cache_give_home(objects, n);
		given += n;
	}
	if (given < most)
		depot_settle(sc, everywhere);
	return given;
}

void cache_settle_depot(struct cache *c, bool everywhere)
{
	bool all = everywhere || load_relaxed(&c->settles_all);
	unsigned sc = depot_next(load_relaxed(&c->next_settled), all);
	uint32_t left = HOME_A_CALL;

	while (sc < CLASSES) {
		left -= settle_class(sc, left, all);
		if (!left)
			break;
		sc = depot_next(sc + 1, all);
	}
	store_relaxed(&c->settling, sc < CLASSES);
	store_relaxed(&c->settles_all, sc < CLASSES && all);
	store_relaxed(&c->next_settled, (uint8_t)(sc < CLASSES ? sc : 0));
}

void cache_empty_depot(void)
{
	struct object *objects[64];
	uint32_t n;

	for (unsigned sc = depot_next(0, true); sc < CLASSES; sc = depot_next(sc + 1, true)) {
		size_t left = depot_objects(sc); /* others may bring more, all the time */

		for (; left && (n = depot_take(sc, objects, 64)); left = minus(left, n))
			cache_give_home(objects, n);
		depot_settle(sc, true);
	}
}
