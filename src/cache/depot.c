/* The depot; see depot.h. */
#include "cache/depot.h"

#include "base/bits.h"
#include "os/check.h"
#include "cache/array.h"
#include "os/lock.h"
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

struct shelf depot_shelves[CLASSES] = {[0 ... CLASSES - 1] = {.lock = LOCK_INIT(LOCK_DEPOT)}};

static uint32_t words(uint32_t objects)
{
	return (uint32_t)CRATE_WORDS + objects;
}

/* A bit each class, see D3; changed under the shelf's lock; atomic. */
static uint64_t listed[(CLASSES + 63) / 64];

static uint64_t bit_of(unsigned sc)
{
	return (uint64_t)1 << sc % 64;
}

static bool is_listed(unsigned sc)
{
	return load_relaxed(&listed[sc / 64]) & bit_of(sc);
}

unsigned depot_next(unsigned sc)
{
	for (; sc < CLASSES; sc = (sc | 63) + 1) {
		uint64_t left = load_relaxed(&listed[sc / 64]) >> sc % 64;

		if (left)
			return sc + lowest_bit(left);
	}
	return CLASSES;
}

/* Of all classes; perhaps a moment old. */
static size_t nbytes(void)
{
	size_t sum = 0;

	for (unsigned sc = depot_next(0); sc < CLASSES; sc = depot_next(sc + 1))
		sum += depot_objects(sc) * class_size(sc);
	return sum;
}

/* Threads that ask at once may exceed the limit by one crate each. */
static bool has_room(unsigned sc, uint32_t n)
{
	size_t size = class_size(sc);

	return size >= CACHE_LINE && !retain_excess() &&
	       ((depot_objects(sc) + n) * size <= DEPOT_BYTES ||
		(load_relaxed(&depot_shelves[sc].taken) &&
		 nbytes() + n * size <= load_relaxed(&retain_live) / DEPOT_SHARE));
}

/* Notes that objects came, or went; the shelf's lock. */
static void count(struct shelf *shelf, uint32_t objects)
{
	store_relaxed(&shelf->objects, objects);
	if (objects < shelf->least)
		shelf->least = objects;
}

static bool check_shelf(struct shelf *shelf, unsigned sc)
{
	uint32_t objects = 0;
	bool ok = true;

	lock_acquire(&shelf->lock);
	for (const struct crate *c = shelf->crates; c; c = c->next) {
		for (uint32_t i = 0; i < c->count; i++)
			ok &= slab_check_cached(c->objects[i], sc, "D1");
		objects += c->count;
	}
	ok &= expect_eq("D2", shelf->objects, objects);
	ok &= expect_eq("D3", !objects || is_listed(sc), true);
	lock_release(&shelf->lock);
	return ok;
}

/* The shelf, now and then (os/steps.h); its lock was released just now. */
static bool check_step(unsigned sc)
{
	static uint32_t left;

	if (!step_is_due(&left))
		return true;
	step_wait(&left, depot_objects(sc));
	return check_shelf(&depot_shelves[sc], sc);
}

bool depot_put(unsigned sc, struct object *const *objects, uint32_t n)
{
	struct shelf *shelf = &depot_shelves[sc];
	struct crate *crate;

	ASSERT(sc < CLASSES && n);
	if (!has_room(sc, n) || words(n) > ARRAY_MOST)
		return false;
	crate = (struct crate *)array_alloc(words(n));
	if (!crate)
		return false;
	crate->count = crate->made = n;
	memcpy(crate->objects, objects, n * sizeof *objects);
	retain_add_idle((intptr_t)(n * class_size(sc)));
	lock_acquire(&shelf->lock);
	if (UNLIKELY(!is_listed(sc)))
		__atomic_fetch_or(&listed[sc / 64], bit_of(sc), __ATOMIC_RELAXED);
	crate->next = shelf->crates;
	KEEP_ORDER(); /* the child of a fork finds whole lists, and no more objects than counted */
	store_relaxed(&shelf->objects, shelf->objects + n);
	KEEP_ORDER();
	shelf->crates = crate;
	lock_release(&shelf->lock);
	ASSERT_SLOW(check_step(sc));
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
	n = crate->count < most ? crate->count : most;
	ASSERT(n <= shelf->objects);
	if (n == crate->count) {
		shelf->crates = crate->next;
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

/* Any objects of the shelf are as idle as others, since all of a class are alike. */
uint32_t depot_take(unsigned sc, struct object **ret_objects, uint32_t most, bool idle)
{
	struct shelf *shelf = &depot_shelves[sc];
	struct crate *whole;
	uint32_t n, least;

	ASSERT(sc < CLASSES);
	if (!depot_objects(sc))
		return 0;
	lock_acquire(&shelf->lock);
	least = shelf->least;
	n = take_locked(shelf, ret_objects, idle && least < most ? least : most, &whole);
	if (idle)
		shelf->least = least - n;
	else
		store_relaxed(&shelf->taken, true);
	lock_release(&shelf->lock);
	retain_add_idle(-(intptr_t)(n * class_size(sc)));
	ASSERT_SLOW(check_step(sc));
	if (whole) {
		memcpy(ret_objects, whole->objects, n * sizeof *ret_objects);
		array_free((struct object **)whole, words(whole->made));
	}
	return n;
}

void depot_settle(unsigned sc)
{
	struct shelf *shelf = &depot_shelves[sc];

	ASSERT(sc < CLASSES);
	lock_acquire(&shelf->lock);
	shelf->least = shelf->objects;
	store_relaxed(&shelf->taken, false);
	if (!shelf->objects)
		__atomic_fetch_and(&listed[sc / 64], ~bit_of(sc), __ATOMIC_RELAXED);
	lock_release(&shelf->lock);
	ASSERT_SLOW(check_step(sc));
}

size_t depot_objects(unsigned sc)
{
	return load_relaxed(&depot_shelves[sc].objects);
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
	for (unsigned sc = 0; sc < CLASSES; sc++)
		visit_shelf(&depot_shelves[sc], visit, arg);
}

bool depot_check(void)
{
	bool ok = true;

	for (unsigned sc = 0; sc < CLASSES; sc++)
		ok &= check_shelf(&depot_shelves[sc], sc);
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
	for (unsigned sc = 0; sc < CLASSES; sc++)
		if (lock_recover(&depot_shelves[sc].lock))
			recover(&depot_shelves[sc], class_size(sc));
}
