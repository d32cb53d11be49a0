/* The depot; see depot.h. */
#include "cache/depot.h"

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

struct lock depot_lock = LOCK_INIT(LOCK_DEPOT);

struct shelf depot_shelves[CLASSES];

static bool taken[CLASSES]; /* objects were, since the last settling; atomic */

static size_t nbytes; /* of all classes; depot lock, read without it */

static uint32_t words(uint32_t objects)
{
	return (uint32_t)CRATE_WORDS + objects;
}

/* Threads that ask at once may exceed the limit by one crate each. */
static bool has_room(unsigned sc, uint32_t n)
{
	size_t size = class_size(sc);

	return size >= CACHE_LINE && !retain_excess() &&
	       ((load_relaxed(&depot_shelves[sc].objects) + (size_t)n) * size <= DEPOT_BYTES ||
		(load_relaxed(&taken[sc]) &&
		 load_relaxed(&nbytes) + n * size <= load_relaxed(&retain_live) / DEPOT_SHARE));
}

/* Notes that objects came, or went; depot lock. */
static void count(unsigned sc, uint32_t objects)
{
	struct shelf *shelf = &depot_shelves[sc];

	ASSERT(nbytes >= (size_t)shelf->objects * class_size(sc)); /* D2 */
	intptr_t change = ((intptr_t)objects - (intptr_t)shelf->objects) * (intptr_t)class_size(sc);

	if (change > 0)
		retain_add_idle(change);
	KEEP_ORDER(); /* as retain_with() */
	store_relaxed(&nbytes, nbytes + (size_t)change);
	KEEP_ORDER();
	if (change < 0)
		retain_add_idle(change);
	store_relaxed(&shelf->objects, objects);
	if (objects < shelf->least)
		shelf->least = objects;
}

/* All of it, now and then (os/steps.h); the lock was released just now. */
static bool check_step(void)
{
	static uint32_t left;

	if (!step_is_due(&left))
		return true;
	step_wait(&left, load_relaxed(&nbytes) / CACHE_LINE);
	return depot_check();
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
	lock_acquire(&depot_lock);
	crate->next = shelf->crates;
	KEEP_ORDER();
	shelf->crates = crate;
	count(sc, shelf->objects + n);
	lock_release(&depot_lock);
	ASSERT_SLOW(check_step());
	return true;
}

/* Takes the newest objects off the shelf, of one crate; *ret_empty is that, if nothing is left in
   it. Depot lock. */
static uint32_t take_locked(unsigned sc, struct object **ret_objects, uint32_t most,
			    struct crate **ret_empty)
{
	struct shelf *shelf = &depot_shelves[sc];
	struct crate *crate = shelf->crates;
	uint32_t n;

	ASSERT(lock_held(&depot_lock));
	*ret_empty = NULL;
	if (!crate || !most)
		return 0;
	ASSERT(crate->count <= crate->made); /* 0: a fork came between */
	n = crate->count < most ? crate->count : most;
	ASSERT(n <= shelf->objects);
	crate->count -= n;
	KEEP_ORDER();
	memcpy(ret_objects, crate->objects + crate->count, n * sizeof *ret_objects);
	if (!crate->count) {
		shelf->crates = crate->next;
		KEEP_ORDER(); /* before the caller gives it back */
		ASSERT(crate != shelf->crates);
		*ret_empty = crate;
	}
	count(sc, shelf->objects - n);
	return n;
}

/* Any objects of the shelf are as idle as others, since all of a class are alike. */
uint32_t depot_take(unsigned sc, struct object **ret_objects, uint32_t most, bool idle)
{
	struct shelf *shelf = &depot_shelves[sc];
	struct crate *empty;
	uint32_t n, least;

	ASSERT(sc < CLASSES);
	if (!depot_objects(sc))
		return 0;
	lock_acquire(&depot_lock);
	least = shelf->least;
	n = take_locked(sc, ret_objects, idle && least < most ? least : most, &empty);
	if (idle)
		shelf->least = least - n;
	else
		store_relaxed(&taken[sc], true);
	lock_release(&depot_lock);
	ASSERT_SLOW(check_step());
	if (empty)
		array_free((struct object **)empty, words(empty->made));
	return n;
}

void depot_settle(unsigned sc)
{
	ASSERT(sc < CLASSES);
	lock_acquire(&depot_lock);
	depot_shelves[sc].least = depot_shelves[sc].objects;
	store_relaxed(&taken[sc], false);
	lock_release(&depot_lock);
	ASSERT_SLOW(check_step());
}

bool depot_is_empty(void)
{
	return !load_relaxed(&nbytes);
}

size_t depot_objects(unsigned sc)
{
	return load_relaxed(&depot_shelves[sc].objects);
}

void depot_visit(void (*visit)(const struct object *o, void *arg), void *arg)
{
	lock_acquire(&depot_lock);
	for (unsigned sc = 0; sc < CLASSES; sc++)
		for (const struct crate *c = depot_shelves[sc].crates; c; c = c->next)
			for (uint32_t i = 0; i < c->count; i++)
				visit(c->objects[i], arg);
	lock_release(&depot_lock);
}

bool depot_check(void)
{
	size_t sum = 0;
	bool ok = true;

	lock_acquire(&depot_lock);
	for (unsigned sc = 0; sc < CLASSES; sc++) {
		uint32_t objects = 0;

		for (const struct crate *c = depot_shelves[sc].crates; c; c = c->next) {
			for (uint32_t i = 0; i < c->count; i++)
				ok &= slab_check_cached(c->objects[i], sc, "D1");
			objects += c->count;
		}
		ok &= expect_eq("D2", depot_shelves[sc].objects, objects);
		sum += objects * class_size(sc);
	}
	ok &= expect_eq("D2", nbytes, sum);
	lock_release(&depot_lock);
	return ok;
}

void depot_recover(void)
{
	retain_add_idle(-(intptr_t)nbytes);
	nbytes = 0;
	for (unsigned sc = 0; sc < CLASSES; sc++) {
		uint32_t objects = 0;

		for (const struct crate *c = depot_shelves[sc].crates; c; c = c->next)
			objects += c->count;
		depot_shelves[sc].objects = 0;
		count(sc, objects);
	}
}
