/* Magazines and their depot; see magazine.h. */
#include "arena/magazine.h"

#include "arena/hot.h"
#include "arena/registry.h"
#include "arena/remote.h"
#include "base/bits.h"
#include "base/check.h"
#include "os/os.h"
#include "pages/metadata.h"
#include "pages/retain.h"

#include <string.h>

#define MAGAZINE_BYTES (256 * KIB) /* at most in one */
#define DEPOT_BYTES    (256 * KIB) /* in the depot, of each class */
#define DEPOT_SHARE    16 /* and of all together, a part of what is live */

/* Objects on their way from a full magazine to an empty one: half of what one holds, so that neither
   is at its end again soon. */
struct crate {
	struct crate *next;
	uint32_t count;
	struct object *objects[(MAGAZINE_OBJECTS + 1) / 2]; /* as crate_objects() has it */
};

struct lock depot_lock = LOCK_INIT(LOCK_DEPOT);

/* Of each class. */
static struct depot {
	struct crate *crates;
	uint32_t count, least; /* crates: now; since it was last reaped */
	uint32_t objects;      /* in them; read without the lock */
} depots[CLASSES];

static size_t depot_bytes;  /* of all classes; written under the depot lock */
static struct crate *empty; /* depot lock */

static struct pool crates = POOL_INIT(struct crate);

static_assert(MAGAZINE_BYTES >= CLASS_SIZE_MAX, "a magazine holds an object of any class");

static uint32_t capacity_of(size_t size)
{
	size_t capacity = MAGAZINE_BYTES / size;

	return capacity < MAGAZINE_OBJECTS ? (uint32_t)capacity : MAGAZINE_OBJECTS;
}

/* Objects in a crate of a class of that size. */
static uint32_t crate_objects(size_t size)
{
	return (capacity_of(size) + 1) / 2;
}

uint8_t magazine_place[CLASSES]; /* written under the depot lock, once */
static uint8_t places_given;	 /* the highest of them; depot lock */

static void give_place(unsigned class)
{
	lock_acquire(&depot_lock);
	if (!magazine_place[class])
		store_relaxed(&magazine_place[class], ++places_given);
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

/* For a crate more; when several threads ask at once, for one each.  None takes objects that share lines of
   cache. */
static bool depot_has_room(unsigned class)
{
	size_t size = class_size(class), more = crate_objects(size) * size;

	return size >= CACHE_LINE &&
	       (load_relaxed(&depots[class].objects) * size + more <= DEPOT_BYTES ||
		load_relaxed(&depot_bytes) + more <= load_relaxed(&retain_live) / DEPOT_SHARE);
}

/* Notes that objects came to the depot, or left it; depot lock. */
static void count(unsigned class, int32_t objects)
{
	struct depot *d = &depots[class];

	store_relaxed(&d->objects, d->objects + (uint32_t)objects);
	store_relaxed(&depot_bytes, depot_bytes + (size_t)((intptr_t)class_size(class) * objects));
}

/* An empty crate, which goes along with full ones, so that the pool is seldom asked; NULL without memory. */
static struct crate *empty_crate(struct hot *hot)
{
	struct crate *crate = hot->spare;

	hot->spare = NULL;
	return crate ? crate : pool_alloc(&crates);
}

/* A full crate for an empty one. */
static void put(struct hot *hot, unsigned class, struct crate *crate)
{
	struct depot *d = &depots[class];

	lock_acquire(&depot_lock);
	crate->next = d->crates;
	KEEP_ORDER();
	d->crates = crate;
	d->count++;
	count(class, (int32_t)crate->count);
	hot->spare = empty;
	if (empty)
		empty = empty->next;
	KEEP_ORDER();
	lock_release(&depot_lock);
}

/* NULL: there is none. */
static struct crate *take_locked(unsigned class)
{
	struct depot *d = &depots[class];
	struct crate *crate = d->crates;

	if (!crate)
		return NULL;
	d->crates = crate->next;
	KEEP_ORDER(); /* before the caller links it elsewhere */
	d->count--;
	count(class, -(int32_t)crate->count);
	return crate;
}

/* The other way round; NULL: there is none. */
static struct crate *take(struct hot *hot, unsigned class)
{
	struct depot *d = &depots[class];
	struct crate *crate;

	if (!load_relaxed(&d->objects))
		return NULL;
	lock_acquire(&depot_lock);
	crate = take_locked(class);
	if (d->count < d->least)
		d->least = d->count;
	if (hot->spare) {
		hot->spare->next = empty;
		KEEP_ORDER();
		empty = hot->spare;
		hot->spare = NULL;
	}
	lock_release(&depot_lock);
	return crate;
}

struct object *magazine_reload(struct hot *hot, unsigned class)
{
	struct magazine *m = magazine_at(hot, class);
	struct crate *crate = take(hot, class);

	if (!crate)
		return NULL;
	for (uint32_t i = 0; i < crate->count; i++) {
		m->objects[i] = crate->objects[i];
		__builtin_prefetch(crate->objects[i], 1); /* another processor wrote to it */
	}
	m->last = &m->none + crate->count;
	hot->spare = crate;
	return magazine_take(m);
}

/* --- what a magazine has too much of --------------------------------------------------------- */

static void send_home(struct arena *self, struct object *o)
{
	struct slab *s = (struct slab *)pagemap_get(o);

	if (s->owner == self)
		hot_free(self, s, o);
	else
		remote_free(self, s->owner, o, s->size);
}

/* Gives the first objects, as far as they are of one slab, back to that; how many. */
static size_t give_back(struct arena *self, struct slab *s, struct object *const *objects, size_t most)
{
	size_t n = 0;

	if (most > s->tag.live)
		most = s->tag.live; /* then something is to be done */
	do
		slab_push_marked(s, objects[n++]);
	while (n < most && slab_in_extent(s, objects[n]));
	s->tag.live -= (uint32_t)n;
	if (UNLIKELY(!s->tag.live))
		hot_event(self, s);
	return n;
}

/* Others' objects into the depot, or home. */
static void unload(struct arena *self, unsigned class, struct object *const *objects, uint32_t n)
{
	struct crate *crate = depot_has_room(class) ? empty_crate(self->hot) : NULL;

	for (uint32_t i = 0; !crate && i < n; i++)
		send_home(self, objects[i]);
	if (!crate)
		return;
	crate->count = n;
	memcpy(crate->objects, objects, n * sizeof *objects);
	put(self->hot, class, crate);
}

/* Makes room in a full magazine, of the older half: what is the arena's goes back to its slabs, up to
   the first object of another thread's; the rest goes to other threads, if it is enough for that.
   Nobody looks whose that is: for each slab it would take a line that another processor may just have
   written. */
static void spill(struct arena *self, unsigned class, struct magazine *m)
{
	struct object **o = m->objects, **older_end = o + crate_objects(class_size(class));
	size_t n;

	while (o < older_end) {
		struct slab *s = (struct slab *)pagemap_get(*o);

		if (s->owner != self)
			break;
		o += give_back(self, s, o, (size_t)(older_end - o));
	}
	n = (size_t)(older_end - o);
	if (n > crate_objects(class_size(class)) / 2) {
		unload(self, class, o, (uint32_t)n);
		o = older_end;
	}
	memmove(m->objects, o, (size_t)(m->end + 1 - o) * sizeof *o);
	m->last = m->end - (o - m->objects);
}

/* Into a magazine of the caller's, which is ready for use. */
static void push(struct arena *self, unsigned class, struct object *o)
{
	struct magazine *m = magazine_at(self->hot, class);

	if (m->last == m->end)
		spill(self, class, m);
	magazine_push(m, o, slab_mark(o));
}

bool magazine_push_full(struct object *o)
{
	struct slab *s = (struct slab *)pagemap_get(o);
	struct arena *self = arena_enter();

	if (UNLIKELY(!self))
		return false;
	push(self, s->class, o);
	arena_leave(self);
	return true;
}

bool magazine_keep(struct arena *self, const struct slab *s, struct object *o)
{
	if (!slab_is_open(s) || !hot_make_ready(self))
		return false;
	magazine_of(self->hot, s->class);
	push(self, s->class, o);
	return true;
}

/* --- going home ---------------------------------------------------------------------------- */

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
static struct crate *spare(unsigned class, bool all)
{
	struct depot *d = &depots[class];
	struct crate *spared = NULL;

	lock_acquire(&depot_lock);
	for (uint32_t n = all ? d->count : d->least; n; n--) {
		struct crate *crate = take_locked(class);

		crate->next = spared;
		spared = crate;
	}
	d->least = d->count;
	lock_release(&depot_lock);
	return spared;
}

static void scrap_empty(void)
{
	struct crate *crate, *next;

	lock_acquire(&depot_lock);
	crate = empty;
	empty = NULL;
	lock_release(&depot_lock);
	for (; crate; crate = next) {
		next = crate->next;
		pool_free(&crates, crate);
	}
}

/* The whole pages of an object behind its link go back to the system: who owns it may sleep. */
static void purge_inside(struct object *o, size_t size)
{
	char *from = (char *)align_up((uintptr_t)(o + 1), os_page_size());
	char *to = (char *)align_down((uintptr_t)o + size, os_page_size());

	if (from < to)
		os_purge(from, (size_t)(to - from));
}

static void empty_crate_out(struct arena *self, unsigned class, struct crate *crate, bool purges)
{
	for (uint32_t i = 0; i < crate->count; i++) {
		if (purges)
			purge_inside(crate->objects[i], class_size(class));
		send_home(self, crate->objects[i]);
	}
	pool_free(&crates, crate);
}

void magazine_reap(struct arena *self, bool all)
{
	for (unsigned class = 0; class < CLASSES; class ++) {
		bool any = load_relaxed(&depots[class].objects) > 0;
		struct crate *crate = any ? spare(class, all) : NULL, *next;

		for (; crate; crate = next) {
			next = crate->next;
			empty_crate_out(self, class, crate, all);
		}
	}
	if (load_relaxed(&empty))
		scrap_empty();
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
		size_t objects = load_relaxed(&depots[class].objects);

		for (struct arena *a = NULL; (a = registry_next(a));)
			objects += objects_in_magazine(a, class);
		sizes.objects += objects;
		sizes.nbytes += objects * size;
	}
	return sizes;
}

static UNSYNCHRONIZED void visit_magazine(const struct magazine *m,
					  void (*visit)(const struct object *o, void *arg), void *arg)
{
	uint32_t n = magazine_count(m);

	for (uint32_t i = 0; i < n && i < MAGAZINE_OBJECTS; i++)
		visit(m->objects[i], arg);
}

void magazine_visit(void (*visit)(const struct object *o, void *arg), void *arg)
{
	for (struct arena *a = NULL; (a = registry_next(a));)
		for (unsigned class = 0; a->hot && class < CLASSES; class ++)
			visit_magazine(magazine_at(a->hot, class), visit, arg);
	lock_acquire(&depot_lock);
	for (unsigned class = 0; class < CLASSES; class ++)
		for (const struct crate *c = depots[class].crates; c; c = c->next)
			for (uint32_t i = 0; i < c->count; i++)
				visit(c->objects[i], arg);
	lock_release(&depot_lock);
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

static bool check_depot(void)
{
	size_t nbytes = 0;
	bool ok = true;

	lock_acquire(&depot_lock);
	for (unsigned class = 0; class < CLASSES; class ++) {
		uint32_t crates_here = 0, objects = 0;

		for (const struct crate *c = depots[class].crates; c; c = c->next) {
			ok &= check(c->objects, c->count, class);
			crates_here++;
			objects += c->count;
		}
		ok &= expect_eq("A8", depots[class].count, crates_here);
		ok &= expect_eq("A8", depots[class].objects, objects);
		nbytes += objects * class_size(class);
	}
	ok &= expect_eq("A8", depot_bytes, nbytes);
	lock_release(&depot_lock);
	return ok;
}

bool magazine_check(const struct arena *a)
{
	bool ok = true;

	for (unsigned class = 0; a->hot && class < CLASSES; class ++) {
		const struct magazine *m = magazine_at(a->hot, class);

		ok &= check(m->objects, magazine_count(m), class);
	}
	return ok & check_depot();
}

/* --- fork ---------------------------------------------------------------------------------- */

static COLD void recover(unsigned class)
{
	struct depot *d = &depots[class];

	d->count = d->objects = 0;
	for (const struct crate *crate = d->crates; crate; crate = crate->next) {
		d->count++;
		count(class, (int32_t)crate->count);
	}
	if (d->least > d->count)
		d->least = d->count;
}

void magazine_recover_depot(void)
{
	depot_bytes = 0;
	places_given = 0;
	for (unsigned class = 0; class < CLASSES; class ++) {
		recover(class);
		if (places_given < magazine_place[class])
			places_given = magazine_place[class];
	}
}
