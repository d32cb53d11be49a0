/* Magazines and their depot; see magazine.h. */
#include "arena/magazine.h"

#include "arena/hot.h"
#include "arena/registry.h"
#include "arena/remote.h"
#include "base/check.h"
#include "os/lock.h"
#include "pages/metadata.h"

#include <string.h>

#define MAGAZINE_BYTES (32 * KIB)  /* at most in one, as long as that is an object at all */
#define DEPOT_BYTES    (256 * KIB) /* in the depot, of a class */

/* Objects on their way from a full magazine to an empty one: half of what one holds, so that
   neither is at its end again soon. */
struct crate {
	struct crate *next;
	uint32_t count;
	struct object *objects[MAGAZINE_OBJECTS / 2];
};

static struct lock depot_lock = LOCK_INIT(LOCK_DEPOT);

/* Of each class; the count is read without the lock. */
static struct depot {
	struct crate *crates;
	uint32_t count, least; /* now; since it was last reaped */
} depots[CLASSES];

static struct pool crates = POOL_INIT(struct crate);

static uint32_t capacity_of(size_t size)
{
	size_t capacity = MAGAZINE_BYTES / size;

	return capacity > MAGAZINE_OBJECTS ? MAGAZINE_OBJECTS : capacity ? (uint32_t)capacity : 1;
}

/* Objects in a crate of a class of that size. */
static uint32_t crate_objects(size_t size)
{
	return (capacity_of(size) + 1) / 2;
}

uint8_t magazine_place[CLASSES]; /* written under the depot lock, once */

static void give_place(unsigned class)
{
	static uint8_t given; /* depot lock */

	lock_acquire(&depot_lock);
	if (!magazine_place[class])
		store_relaxed(&magazine_place[class], ++given);
	lock_release(&depot_lock);
}

struct magazine *magazine_of(struct hot *hot, unsigned class)
{
	size_t least = class ? class_size(class - 1) / GRANULE + 1 : 1;
	struct magazine *m;

	if (!load_relaxed(&magazine_place[class]))
		give_place(class);
	m = magazine_at(hot, class);
	if (m->slab)
		return m;
	slab_geometry(class, &m->mask, &m->magic, &m->limit);
	m->slab = &slab_none;
	m->last = &m->none;
	m->end = m->last + capacity_of(class_size(class));
	for (size_t g = least; g <= class_size(class) / GRANULE && g < FAST_GRANULES; g++)
		hot->fast[g] = m;
	return m;
}

uint16_t magazine_hot_word(const struct arena *a, unsigned class)
{
	unsigned who = class_size(class) < CACHE_LINE ? hot_owner(a->number) : HOT_ANYBODY;

	return (uint16_t)(magazine_place[class] << HOT_PLACE_SHIFT | who);
}

/* --- the depot ----------------------------------------------------------------------------- */

/* For a crate more; when several threads ask at once, for one each. */
bool magazine_depot_has_room(unsigned class)
{
	size_t size = class_size(class);

	return (load_relaxed(&depots[class].count) + 1) * crate_objects(size) * size <= DEPOT_BYTES;
}

static void put(unsigned class, struct crate *crate)
{
	struct depot *d = &depots[class];

	lock_acquire(&depot_lock);
	crate->next = d->crates;
	d->crates = crate;
	store_relaxed(&d->count, d->count + 1);
	lock_release(&depot_lock);
}

static struct crate *take(unsigned class)
{
	struct depot *d = &depots[class];
	struct crate *crate;

	if (!load_relaxed(&d->count))
		return NULL;
	lock_acquire(&depot_lock);
	crate = d->crates;
	if (crate) {
		d->crates = crate->next;
		store_relaxed(&d->count, d->count - 1);
		if (d->count < d->least)
			d->least = d->count;
	}
	lock_release(&depot_lock);
	return crate;
}

/* --- exchange ------------------------------------------------------------------------------ */

/* The older half of a full magazine goes into the depot; false if that has enough. */
static bool unload(struct magazine *m, unsigned class)
{
	uint32_t count = magazine_count(m), half = crate_objects(class_size(class));
	struct crate *crate = magazine_depot_has_room(class) ? pool_alloc(&crates) : NULL;

	if (!crate)
		return false;
	crate->count = half;
	memcpy(crate->objects, m->objects, half * sizeof m->objects[0]);
	memmove(m->objects, m->objects + half, (count - half) * sizeof m->objects[0]);
	m->last -= half;
	put(class, crate);
	return true;
}

bool magazine_keep(struct arena *self, const struct slab *s, struct object *o)
{
	struct magazine *m;

	if (!slab_is_open(s) || !hot_make(self))
		return false;
	m = magazine_of(self->hot, s->class);
	if (m->last == m->end && !unload(m, s->class))
		return false;
	return magazine_push(m, o, slab_mark(o));
}

struct object *magazine_reload(struct magazine *m, unsigned class)
{
	struct crate *crate = take(class);

	if (!crate)
		return NULL;
	memcpy(m->objects, crate->objects, crate->count * sizeof m->objects[0]);
	m->last = &m->none + crate->count;
	pool_free(&crates, crate);
	return magazine_take(m);
}

/* Gives the first objects, as far as they are of one slab, back to that; how many. */
static size_t give_back(struct arena *self, struct slab *s, struct object *const *objects, size_t most)
{
	size_t n = 0;

	if (most > s->tag.live)
		most = s->tag.live; /* then something is to be done */
	do
		slab_push_marked(s, objects[n++]);
	while (n < most && (uintptr_t)objects[n] - s->base < s->extent);
	s->tag.live -= (uint32_t)n;
	if (UNLIKELY(!s->tag.live))
		hot_event(self, s);
	return n;
}

/* What is the arena's of the older half goes back to its slabs; whether that is anything. */
static bool spill(struct arena *self, struct magazine *m)
{
	struct object **older_end = m->objects + (m->end - &m->none + 1) / 2, **kept = m->objects;

	for (struct object **o = m->objects; o < older_end;) {
		struct slab *s = (struct slab *)pagemap_get(*o);

		if (s->owner == self)
			o += give_back(self, s, o, (size_t)(older_end - o));
		else
			*kept++ = *o++;
	}
	memmove(kept, older_end, (size_t)(m->end + 1 - older_end) * sizeof *kept);
	m->last = m->end - (older_end - kept);
	return kept < older_end;
}

bool magazine_push_full(struct object *o)
{
	struct magazine *m = magazine_named(hot_mine.side, pagemap_hot(o));
	struct arena *self = arena_enter();
	bool pushed = false;

	if (UNLIKELY(!self))
		return false;
	if (self->hot == hot_mine.side && spill(self, m))
		pushed = magazine_push(m, o, slab_mark(o));
	arena_leave(self);
	return pushed;
}

/* --- going home ---------------------------------------------------------------------------- */

static void send_home(struct arena *self, struct object *o)
{
	struct slab *s = (struct slab *)pagemap_get(o);

	if (s->owner == self)
		hot_free(self, s, o);
	else
		remote_free(self, s->owner, o, s->size);
}

/* Takes all out at once, so that what a signal handler puts in meanwhile is not lost. */
static uint32_t take_all(struct magazine *m, struct object **ret_objects)
{
	uint32_t n = magazine_count(m);

	memcpy(ret_objects, m->objects, n * sizeof m->objects[0]);
	if (n)
		m->last = &m->none;
	return n;
}

void magazine_flush_own(struct arena *self)
{
	struct object *objects[MAGAZINE_OBJECTS];

	for (unsigned class = 0; self->hot && class < CLASSES; class ++) {
		struct magazine *m = magazine_at(self->hot, class);
		uint32_t n = take_all(m, objects);

		for (uint32_t i = 0; i < n; i++) {
			struct slab *s = (struct slab *)pagemap_get(objects[i]);

			if (s->owner == self || !magazine_push(m, objects[i], objects[i]->key))
				send_home(self, objects[i]);
		}
	}
}

void magazine_flush(struct arena *self)
{
	struct object *objects[MAGAZINE_OBJECTS];

	for (unsigned class = 0; self->hot && class < CLASSES; class ++) {
		uint32_t n = take_all(magazine_at(self->hot, class), objects);

		for (uint32_t i = 0; i < n; i++)
			send_home(self, objects[i]);
	}
}

/* What a class had to spare, or all, off the depot. */
static struct crate *spare(struct depot *d, bool all)
{
	struct crate *spare = NULL;

	lock_acquire(&depot_lock);
	for (uint32_t n = all ? d->count : d->least; n; n--) {
		struct crate *crate = d->crates;

		d->crates = crate->next;
		store_relaxed(&d->count, d->count - 1);
		crate->next = spare;
		spare = crate;
	}
	d->least = d->count;
	lock_release(&depot_lock);
	return spare;
}

void magazine_reap(struct arena *self, bool all)
{
	for (unsigned class = 0; class < CLASSES; class ++) {
		bool any = load_relaxed(&depots[class].count) > 0;
		struct crate *crate = any ? spare(&depots[class], all) : NULL, *next;

		for (; crate; crate = next) {
			next = crate->next;
			for (uint32_t i = 0; i < crate->count; i++)
				send_home(self, crate->objects[i]);
			pool_free(&crates, crate);
		}
	}
}

/* --- proofs and figures -------------------------------------------------------------------- */

static UNSYNCHRONIZED size_t objects_in_magazine(const struct arena *a, unsigned class)
{
	return a->hot ? magazine_count(magazine_at(a->hot, class)) : 0;
}

struct magazine_sizes magazine_sizes(void)
{
	struct magazine_sizes sizes = {0, 0};

	for (unsigned class = 0; class < CLASSES; class ++) {
		size_t size = class_size(class);
		size_t objects = load_relaxed(&depots[class].count) * crate_objects(size);

		for (struct arena *a = NULL; (a = registry_next(a));)
			objects += objects_in_magazine(a, class);
		sizes.objects += objects;
		sizes.nbytes += objects * size;
	}
	return sizes;
}

static bool check(struct object *const *objects, uint32_t n, unsigned class)
{
	bool ok = true;

	for (uint32_t i = 0; i < n; i++) {
		const struct slab *s = (const struct slab *)pagemap_get(objects[i]);

		ok &= expect_eq("A5", s->tag.kind, KIND_SLAB) && expect_eq("A5", s->class, class) &&
		      expect_eq("A5", slab_starts_object(s, objects[i]), true) &&
		      expect_eq("A5", objects[i]->key, slab_mark(objects[i]));
	}
	return ok;
}

bool magazine_check(const struct arena *a)
{
	bool ok = true;

	for (unsigned class = 0; a->hot && class < CLASSES; class ++) {
		const struct magazine *m = magazine_at(a->hot, class);

		ok &= check(m->objects, magazine_count(m), class);
	}
	lock_acquire(&depot_lock);
	for (unsigned class = 0; class < CLASSES; class ++)
		for (const struct crate *c = depots[class].crates; c; c = c->next)
			ok &= check(c->objects, c->count, class);
	lock_release(&depot_lock);
	return ok;
}

/* --- fork ---------------------------------------------------------------------------------- */

bool magazine_locked(void)
{
	return lock_held(&depot_lock);
}

void magazine_prefork(void)
{
	lock_prefork(&depot_lock);
}

void magazine_postfork(void)
{
	lock_postfork(&depot_lock);
}

/* Objects of a list that was half changed stay out for good. */
void magazine_recover(void)
{
	if (!lock_recover(&depot_lock))
		return;
	for (unsigned class = 0; class < CLASSES; class ++)
		depots[class] = (struct depot){0};
}
