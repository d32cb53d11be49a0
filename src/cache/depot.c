/* The depot; see depot.h. */
#include "cache/depot.h"

#include "base/bits.h"
#include "os/check.h"
#include "cache/array.h"
#include "os/steps.h"
#include "pages/retain.h"

#include <string.h>

/* The first words of an array; the objects follow. */
struct crate {
	struct crate *next;
	uint32_t count; /* objects now */
	uint32_t made;	/* objects at first, which says how long the array is */
	struct object *objects[];
};

#define CRATE_WORDS (sizeof(struct crate) / sizeof(struct object *))

static_assert(CRATE_WORDS * sizeof(struct object *) == offsetof(struct crate, objects),
	      "objects follow a whole number of words");

struct shelf depot_shelves[SHARDS][CLASSES] = {
	[0 ... SHARDS - 1] = {[0 ... CLASSES - 1] = {.lock = LOCK_INIT(LOCK_DEPOT)}}};

static uint32_t words(uint32_t objects)
{
	return (uint32_t)CRATE_WORDS + objects;
}

/* By shard a bit for each class, see D3; changed under the shelf's lock; atomic. */
static uint64_t listed[SHARDS][(CLASSES + 63) / 64];

static uint64_t bit_of(unsigned sc)
{
	return (uint64_t)1 << sc % 64;
}

static bool is_listed(unsigned shard, unsigned sc)
{
	return load_relaxed(&listed[shard][sc / 64]) & bit_of(sc);
}

static unsigned next_listed(unsigned shard, unsigned sc)
{
	for (; sc < CLASSES; sc = (sc | 63) + 1) {
		uint64_t left = load_relaxed(&listed[shard][sc / 64]) >> sc % 64;

		if (left)
			return sc + lowest_bit(left);
	}
	return CLASSES;
}

static unsigned nshards(bool everywhere)
{
	return everywhere ? shards_now() : 1;
}

unsigned depot_next(unsigned sc, bool everywhere)
{
	unsigned here = shard_here(), first = CLASSES;

	for (unsigned i = 0; i < nshards(everywhere); i++)
		first = (unsigned)smaller(first, next_listed(shard_near(here, i), sc));
	return first;
}

/* Of all classes in a shard; perhaps a moment old. */
static size_t nbytes(unsigned shard)
{
	size_t sum = 0;

	for (unsigned sc = next_listed(shard, 0); sc < CLASSES; sc = next_listed(shard, sc + 1))
		sum += load_relaxed(&depot_shelves[shard][sc].objects) * class_size(sc);
	return sum;
}

/* Whether the shard's bytes and those that come are at most that many. What is idle in the whole
   process includes them, so the sum over all classes is seldom needed. */
static bool has_share(unsigned shard, size_t more, size_t most)
{
	return load_relaxed(&retain_idle) + more <= most || nbytes(shard) + more <= most;
}

/* Whether the shelf has room for n objects. Up to its own limit it takes another crate, whose size
   is that of the magazine: it may exceed the limit by one crate, and by one more for each thread
   that asks at once. */
static bool has_room(unsigned shard, unsigned sc, uint32_t n)
{
	const struct shelf *shelf = &depot_shelves[shard][sc];
	size_t size = class_size(sc), share = load_relaxed(&shards_log);

	return size >= CACHE_LINE && !retain_excess() &&
	       (load_relaxed(&shelf->objects) * size <
			larger(DEPOT_BYTES >> share, DEPOT_SHARD_BYTES) ||
		(load_relaxed(&shelf->taken) &&
		 has_share(shard, n * size, load_relaxed(&retain_live) / DEPOT_SHARE >> share)));
}

/* Notes that objects went; the shelf's lock. */
static void count(struct shelf *shelf, uint32_t objects)
{
	store_relaxed(&shelf->objects, objects);
	if (objects < shelf->least)
		shelf->least = objects;
}

static bool check_shelf(unsigned shard, unsigned sc)
{
	struct shelf *shelf = &depot_shelves[shard][sc];
	uint32_t objects = 0;
	bool ok = true;

	lock_acquire(&shelf->lock);
	for (const struct crate *c = shelf->crates; c; c = c->next) {
		for (uint32_t i = 0; i < c->count; i++)
			ok &= slab_check_cached(c->objects[i], sc, "D1");
		objects += c->count;
	}
	ok &= expect_eq("D2", shelf->objects, objects);
	ok &= expect_eq("D3", !objects || is_listed(shard, sc), true);
	lock_release(&shelf->lock);
	return ok;
}

/* The shelf, now and then (os/steps.h); its lock was released just now. */
static bool check_step(const struct shelf *shelf, unsigned sc)
{
	unsigned shard = (unsigned)(shelf - depot_shelves[0]) / CLASSES;
	static uint32_t left;

	return !step_is_due(&left, load_relaxed(&shelf->objects)) || check_shelf(shard, sc);
}

/* Links a crate; the shelf's lock. */
static void link_locked(struct shelf *shelf, unsigned shard, unsigned sc, struct crate *crate)
{
	ASSERT(lock_held(&shelf->lock));
	if (UNLIKELY(!is_listed(shard, sc)))
		__atomic_fetch_or(&listed[shard][sc / 64], bit_of(sc), __ATOMIC_RELAXED);
	crate->next = shelf->crates;
	KEEP_ORDER(); /* the child of a fork finds whole lists, and no more objects than counted */
	store_relaxed(&shelf->objects, shelf->objects + crate->count);
	KEEP_ORDER();
	store_relaxed(&shelf->crates, crate);
}

bool depot_put(unsigned sc, struct object *const *objects, uint32_t n)
{
	unsigned shard = shard_here();
	struct shelf *shelf = &depot_shelves[shard][sc];
	struct crate *crate;

	ASSERT(sc < CLASSES && n);
	if (!has_room(shard, sc, n) || words(n) > ARRAY_MOST)
		return false;
	crate = (struct crate *)array_alloc(words(n));
	if (!crate)
		return false;
	crate->count = crate->made = n;
	memcpy(crate->objects, objects, n * sizeof *objects);
	retain_add_idle((intptr_t)(n * class_size(sc)));
	lock_acquire(&shelf->lock);
	link_locked(shelf, shard, sc, crate);
	lock_release(&shelf->lock);
	ASSERT_SLOW(check_step(shelf, sc));
	return true;
}

/* Takes the newest objects off the shelf, of one crate. If they are all of the crate, it is
   *ret_crate, and they lie in it; else they are copied. The shelf's lock. */
static uint32_t take_locked(struct shelf *shelf, struct object **ret_objects, uint32_t most,
			    struct crate **ret_crate)
{
	struct crate *crate = shelf->crates;
	uint32_t n;

	ASSERT(lock_held(&shelf->lock));
	*ret_crate = NULL;
	if (!crate || !most)
		return 0;
	ASSERT(crate->count <= crate->made); /* 0: a fork came between */
	n = (uint32_t)smaller(crate->count, most);
	ASSERT(n <= shelf->objects);
	if (n == crate->count) {
		store_relaxed(&shelf->crates, crate->next);
		KEEP_ORDER(); /* before the caller gives it back */
		ASSERT(crate != shelf->crates);
		*ret_crate = crate;
	} else {
		crate->count -= n;
		KEEP_ORDER();
		memcpy(ret_objects, crate->objects + crate->count, n * sizeof *ret_objects);
	}
	count(shelf, shelf->objects - n);
	return n;
}

/* Moves the line of cache of the crate that the caller will take into its own cache, before it
   takes the lock. Arrays are never unmapped; another thread may have taken this one meanwhile. */
UNSYNCHRONIZED static void fetch_crate(const struct shelf *shelf)
{
	const struct crate *crate = load_relaxed(&shelf->crates);

	if (crate)
		(void)*(const volatile uint32_t *)&crate->count;
}

/* Any objects of the shelf are as idle as others, since all of a class are alike. */
static NOINLINE uint32_t take(struct shelf *shelf, unsigned sc, struct object **ret_objects,
			      uint32_t most, bool idle)
{
	struct crate *whole;
	uint32_t n, least;

	fetch_crate(shelf);
	lock_acquire(&shelf->lock);
	least = shelf->least;
	n = take_locked(shelf, ret_objects, idle && least < most ? least : most, &whole);
	if (idle)
		shelf->least = least - n;
	else if (!shelf->taken) /* a store may wait for the line of cache, which others read */
		store_relaxed(&shelf->taken, true);
	lock_release(&shelf->lock);
	retain_add_idle(-(intptr_t)(n * class_size(sc)));
	ASSERT_SLOW(check_step(shelf, sc));
	if (whole) {
		memcpy(ret_objects, whole->objects, n * sizeof *ret_objects);
		array_free((struct object **)whole, words(whole->made));
	}
	return n;
}

/* From one shelf: of the first `end` shards near the thread's own. */
static uint32_t take_near(unsigned sc, struct object **ret_objects, uint32_t most, bool idle,
			  unsigned end)
{
	unsigned here = shard_here();
	uint32_t n = 0;

	ASSERT(sc < CLASSES);
	for (unsigned i = 0; i < end && !n; i++) {
		struct shelf *shelf = &depot_shelves[shard_near(here, i)][sc];

		if (load_relaxed(&shelf->objects))
			n = take(shelf, sc, ret_objects, most, idle);
	}
	return n;
}

uint32_t depot_take(unsigned sc, struct object **ret_objects, uint32_t most)
{
	return take_near(sc, ret_objects, most, false, shards_now());
}

uint32_t depot_take_idle(unsigned sc, struct object **ret_objects, uint32_t most, bool everywhere)
{
	return take_near(sc, ret_objects, most, true, nshards(everywhere));
}

static void settle(unsigned shard, unsigned sc)
{
	struct shelf *shelf = &depot_shelves[shard][sc];

	lock_acquire(&shelf->lock);
	shelf->least = shelf->objects;
	store_relaxed(&shelf->taken, false);
	if (!shelf->objects)
		__atomic_fetch_and(&listed[shard][sc / 64], ~bit_of(sc), __ATOMIC_RELAXED);
	lock_release(&shelf->lock);
	ASSERT_SLOW(check_step(shelf, sc));
}

void depot_settle(unsigned sc, bool everywhere)
{
	unsigned here = shard_here();

	ASSERT(sc < CLASSES);
	for (unsigned i = 0; i < nshards(everywhere); i++)
		settle(shard_near(here, i), sc);
}

size_t depot_objects(unsigned sc)
{
	size_t sum = 0;

	for (unsigned shard = 0; shard < shards_now(); shard++)
		sum += load_relaxed(&depot_shelves[shard][sc].objects);
	return sum;
}

static void visit_shelf(struct shelf *shelf, void (*visit)(const struct object *o, void *arg),
			void *arg)
{
	lock_acquire(&shelf->lock);
	for (const struct crate *c = shelf->crates; c; c = c->next)
		for (uint32_t i = 0; i < c->count; i++)
			visit(c->objects[i], arg);
	lock_release(&shelf->lock);
}

void depot_visit(void (*visit)(const struct object *o, void *arg), void *arg)
{
	for (unsigned shard = 0; shard < shards_now(); shard++)
		for (unsigned sc = 0; sc < CLASSES; sc++)
			visit_shelf(&depot_shelves[shard][sc], visit, arg);
}

bool depot_check(void)
{
	bool ok = true;

	for (unsigned shard = 0; shard < shards_now(); shard++)
		for (unsigned sc = 0; sc < CLASSES; sc++)
			ok &= check_shelf(shard, sc);
	return ok;
}

static void recover(struct shelf *shelf, size_t size)
{
	uint32_t objects = 0;

	for (const struct crate *c = shelf->crates; c; c = c->next)
		objects += c->count;
	ASSERT(objects <= shelf->objects);
	retain_add_idle(-(intptr_t)((shelf->objects - objects) * size));
	KEEP_ORDER();
	count(shelf, objects);
}

void depot_recover(void)
{
	for (unsigned shard = 0; shard < shards_now(); shard++)
		for (unsigned sc = 0; sc < CLASSES; sc++)
			if (lock_recover(&depot_shelves[shard][sc].lock))
				recover(&depot_shelves[shard][sc], class_size(sc));
}
