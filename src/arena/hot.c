/* The hot side of an arena: promotion, refills, and what becomes of slabs; see hot.h. */
#include "arena/hot.h"

#include "arena/magazine.h"
#include "arena/registry.h"
#include "arena/remote.h"
#include "base/check.h"
#include "base/options.h"
#include "os/os.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/zone.h"

/* Slabs of smaller objects seldom have a whole free page before they are empty. */
#define SPARSE_SIZE KIB

/* Where addresses are dear, a class is promoted so many times later. */
#define SCARCE_TIMES 8

/* Bytes of empty slabs that an arena keeps, before it learns that it needs more. */
#define EMPTY_LEAST (256 * KIB)

/* Each arena has slabs of its own: where there are many, a class is promoted later in each. */
#define ARENAS_MANY 8

static struct pool hots = POOL_INIT(struct hot);

/* The slab that a class is taken from now; NULL: none. */
static struct slab *current_of(const struct arena *a, unsigned class)
{
	struct slab *s = magazine_at(a->hot, class)->slab;

	return s != &slab_none ? s : NULL;
}

/* The class has a magazine. */
static void set_current(struct arena *a, unsigned class, struct slab *s)
{
	magazine_at(a->hot, class)->slab = s ? s : &slab_none;
}

/* Sets how few objects of a listed slab are out at its next event. */
static void set_mark(struct slab *s, uint32_t out, uint32_t mark)
{
	s->mark = mark;
	s->tag.live = out - mark;
}

/* Lists a slab that was full until now; the oldest is taken first. */
static void list_slab(struct arena *a, struct slab *s)
{
	s->state = SLAB_LISTED;
	set_mark(s, s->capacity - 1, s->size < SPARSE_SIZE ? 0 : s->capacity / 4);
	list_push_back(&a->hot->listed[s->class], &s->link);
}

/* The slab's free bytes are retained until they are used, withdrawn or given back. */
static void keep_idle(struct arena *a, struct slab *s)
{
	s->kept = (uint32_t)slab_idle_bytes(s);
	if (!s->kept)
		return;
	list_push_back(s->state == SLAB_EMPTY ? &a->hot->empty : &a->hot->idle, &s->idle);
	retain_add_idle(s->kept);
}

static void forget_idle(struct slab *s)
{
	if (!s->kept)
		return;
	list_remove(&s->idle);
	retain_add_idle(-(intptr_t)s->kept);
	s->kept = 0;
}

static void free_slab(struct arena *a, struct slab *s)
{
	forget_idle(s);
	a->counts.slabs_back++;
	a->hot->slabs[s->class]--;
	slab_free(s);
}

static void list_empty_slab(struct arena *a, struct slab *s)
{
	s->state = SLAB_EMPTY;
	a->hot->empty_bytes += ORDER_BYTES(s->order);
	list_push_back(&a->hot->listed[s->class], &s->link);
	keep_idle(a, s);
}

static void unlist_empty_slab(struct arena *a, struct slab *s)
{
	a->hot->empty_bytes -= ORDER_BYTES(s->order);
	forget_idle(s);
}

/* Gives back empty slabs, the oldest first, until those that stay have nbytes at most; the bytes. */
static size_t free_empty(struct arena *a, size_t nbytes)
{
	size_t before = a->hot->empty_bytes;

	while (a->hot->empty_bytes > nbytes) {
		struct slab *s = container_of(a->hot->empty.next, struct slab, idle);

		list_remove(&s->link);
		unlist_empty_slab(a, s);
		free_slab(a, s);
	}
	return before - a->hot->empty_bytes;
}

/* A slab is made: had one stayed that was given back, there would be no need. */
static void learn_to_keep(struct hot *hot, size_t nbytes)
{
	size_t lost = nbytes < hot->empty_given ? nbytes : hot->empty_given;

	hot->empty_given -= lost;
	hot->empty_most += lost;
}

/* What was learned was long ago. */
static void forget_empty(struct arena *a)
{
	free_empty(a, 0);
	a->hot->empty_given = 0;
	a->hot->empty_most = EMPTY_LEAST;
}

static size_t withdraw(struct slab *s)
{
	forget_idle(s);
	s->swept = slab_objects_out(s);
	return slab_withdraw(s);
}

/* Withdraws pages of idle slabs, and gives back empty ones, while more is retained than the rule allows.
   They are used again after those that need no memory for it. */
static void obey_rule(struct arena *a)
{
	size_t excess = retain_excess(), kept, withdrawn;
	struct slab *s;

	for (; excess && !list_empty(&a->hot->idle); excess -= kept < excess ? kept : excess) {
		s = container_of(a->hot->idle.next, struct slab, idle);
		kept = s->kept;
		withdrawn = withdraw(s);
		if (withdrawn) {
			retain_purged(withdrawn);
			list_remove(&s->link);
			list_push_back(&a->hot->listed[s->class], &s->link);
		}
	}
	if (excess)
		free_empty(a, a->hot->empty_bytes > excess ? a->hot->empty_bytes - excess : 0);
}

/* A listed slab has become sparse, or sparser. */
static void note_sparse(struct arena *a, struct slab *s)
{
	set_mark(s, s->mark, s->mark / 2);
	forget_idle(s);
	keep_idle(a, s);
	obey_rule(a);
}

static void make_current(struct arena *a, struct slab *s)
{
	uint32_t out = slab_objects_out(s);

	if (s->state == SLAB_EMPTY)
		unlist_empty_slab(a, s);
	forget_idle(s);
	s->swept = UINT32_MAX;
	s->state = SLAB_CURRENT;
	s->tag.live = out + 1;
	set_current(a, s->class, s);
}

/* Nothing is out any more.  The slab stays for its class for a while, to be used after all others: to make
   one anew costs more than to take all its objects. */
static void note_empty(struct arena *a, struct slab *s)
{
	list_remove(&s->link);
	if (s->withdrawn) {
		free_slab(a, s);
		return;
	}
	forget_idle(s);
	list_empty_slab(a, s);
	if (a->hot->empty_bytes > a->hot->empty_most)
		a->hot->empty_given += free_empty(a, a->hot->empty_most);
	obey_rule(a);
}

void hot_event(struct arena *a, struct slab *s)
{
	if (s->state == SLAB_FULL) {
		list_slab(a, s);
		if (s->capacity == 1) /* with a guard page */
			note_empty(a, s);
	} else if (s->mark) {
		note_sparse(a, s);
	} else {
		note_empty(a, s);
	}
}

/* The current slab has no object left: it goes off every list until one comes back. */
static void retire_full(struct arena *a, struct slab *s)
{
	a->counts.fast += s->capacity;
	s->state = SLAB_FULL;
	s->tag.live = 1;
	set_current(a, s->class, NULL);
}

/* Makes a slab current that has free objects: a listed one, else a new one, of mapped memory or of any. */
static bool refill(struct arena *a, unsigned class, bool may_map)
{
	struct link *l;
	struct slab *s;

	if (!may_map && list_empty(&a->hot->listed[class]) && !a->hot->empty_bytes && !slab_is_ready(class))
		return false;
	remote_drain(a);
	a->counts.refills++;
	if (list_empty(&a->hot->listed[class]))
		magazine_flush_own(a);
	l = list_pop(&a->hot->listed[class]);
	if (l) {
		s = container_of(l, struct slab, link);
		a->counts.fast -= slab_objects_out(s);
		make_current(a, s);
		return true;
	}
	free_empty(a, 0); /* of other classes: they have memory that this one can use */
	if (!may_map && !slab_is_ready(class))
		return false;
	s = slab_new(a, class,
		     a->hot->slabs[class] ? class_order(class) : class_first_order(class),
		     magazine_hot_word(a, class));
	if (!s)
		return false;
	learn_to_keep(a->hot, ORDER_BYTES(s->order));
	a->counts.slabs_new++;
	a->hot->slabs[class]++;
	set_current(a, class, s);
	return true;
}

/* An object off the slab.  Of a whole page that was carved just now and never used before, only the link
   was written. */
static struct object *take(struct slab *s, bool *ret_zero)
{
	uint32_t carved = s->carved;
	struct object *o = slab_take(s);

	if (!o)
		return NULL;
	s->tag.live++;
	*ret_zero = s->clean && s->size >= PAGE_SIZE && s->carved > carved;
	if (*ret_zero)
		o->link = 0;
	return o;
}

/* Of a hot class.  What other threads freed is taken before more is carved. */
static void *take_hot(struct arena *a, unsigned class, bool may_map, bool *ret_zero)
{
	struct magazine *m = magazine_at(a->hot, class);
	struct object *o = magazine_take(m);

	*ret_zero = false;
	if (!o && !slab_has_any(m->slab))
		o = magazine_reload(a->hot, class);
	while (!o) {
		struct slab *s = current_of(a, class);

		o = s ? take(s, ret_zero) : NULL;
		if (!o && s)
			retire_full(a, s);
		if (!o && !refill(a, class, may_map))
			return NULL;
	}
	return o;
}

static bool make(struct arena *a, bool may_map)
{
	if (a->hot)
		return true;
	if (!may_map && !pool_is_ready(&hots))
		return false;
	a->hot = pool_alloc(&hots);
	if (!a->hot)
		return false;
	for (size_t g = 0; g < FAST_GRANULES; g++)
		a->hot->fast[g] = &magazine_none;
	list_init(&a->hot->idle);
	list_init(&a->hot->empty);
	a->hot->empty_most = EMPTY_LEAST;
	arena_use_hot_side(a);
	return true;
}

bool hot_make_ready(struct arena *a)
{
	return make(a, false);
}

static size_t promote_after(void)
{
	size_t times = 1 + registry_count() / ARENAS_MANY;

	if (os_memory_limit() < OS_MEMORY_SCARCE)
		times *= SCARCE_TIMES;
	return times * options.promote_after;
}

bool hot_use_again(struct arena *a, unsigned class)
{
	return LIKELY(hot_is(a, class)) || ++a->uses[class] >= promote_after();
}

bool hot_waits(struct arena *a, unsigned class)
{
	size_t most = HOT_PATIENCE * promote_after();

	return a->uses[class] < most && a->uses[class]++ < most;
}

/* A class that is due becomes hot; false: it has to wait. */
static bool promote(struct arena *a, unsigned class, bool may_map)
{
	if (LIKELY(hot_is(a, class)))
		return true;
	if ((!may_map && !slab_is_ready(class)) || !make(a, may_map))
		return false;
	magazine_of(a->hot, class);
	list_init(&a->hot->listed[class]);
	a->counts.promotions++;
	return true;
}

void *hot_take_ready(struct arena *a, unsigned class, bool *ret_zero)
{
	return promote(a, class, false) ? take_hot(a, class, false, ret_zero) : NULL;
}

void *hot_take(struct arena *a, unsigned class, bool *ret_zero)
{
	return promote(a, class, true) ? take_hot(a, class, true, ret_zero) : NULL;
}

/* A class all of whose objects are back goes back to the bins. */
static bool demote(struct arena *a, unsigned class)
{
	struct slab *s = current_of(a, class);

	if (!s || s->tag.live != 1 || a->hot->slabs[class] != 1)
		return false;
	set_current(a, class, NULL);
	a->hot->listed[class] = (struct link){NULL, NULL};
	a->uses[class] = 0;
	a->counts.demotions++;
	free_slab(a, s);
	return true;
}

void hot_demote_idle(struct arena *a)
{
	if (a->hot)
		forget_empty(a);
	for (unsigned class = 0; a->hot && class < CLASSES; class ++)
		if (hot_is(a, class))
			demote(a, class);
}

/* Pages inside slabs.  Of a listed one more can be had only after further frees. */
static void withdraw_class(struct arena *a, unsigned class)
{
	if (current_of(a, class))
		slab_withdraw(current_of(a, class));
	list_for_each (l, &a->hot->listed[class]) {
		struct slab *s = container_of(l, struct slab, link);

		if (s->swept != slab_objects_out(s))
			withdraw(s);
	}
}

void hot_withdraw(struct arena *a)
{
	for (unsigned class = 0; a->hot && class < CLASSES; class ++)
		if (hot_is(a, class))
			withdraw_class(a, class);
}

static bool check_class(struct arena *a, unsigned class)
{
	struct slab *current = current_of(a, class);
	size_t last = class_size(class) / GRANULE;
	bool ok = true;

	if (last < FAST_GRANULES)
		ok &= expect_eq("A1", (uintptr_t)a->hot->fast[last],
				(uintptr_t)(magazine_at(a->hot, class)->slab
						    ? magazine_at(a->hot, class)
						    : &magazine_none));
	if (current) {
		ok &= expect_eq("A2", current->state, SLAB_CURRENT);
		ok &= expect_eq("A2", (uintptr_t)current->owner, (uintptr_t)a);
		ok &= slab_check(current);
	}
	if (!hot_is(a, class))
		return expect_eq("A3", (uintptr_t)current, 0) &&
		       expect_eq("A3", a->hot->slabs[class], 0u) && ok;
	list_for_each (l, &a->hot->listed[class]) {
		struct slab *s = container_of(l, struct slab, link);

		ok &= expect_eq("A2", s->state, slab_objects_out(s) ? SLAB_LISTED : SLAB_EMPTY);
		ok &= expect_eq("A2", (uintptr_t)s->owner, (uintptr_t)a);
		ok &= slab_check(s);
	}
	return ok;
}

static bool check_kept(const struct arena *a, struct link *list, enum slab_state state)
{
	size_t sum = 0;
	bool ok = true;

	list_for_each (l, list) {
		struct slab *s = container_of(l, struct slab, idle);

		ok &= expect_eq("A4", s->state, state);
		ok &= expect_eq("A4", s->kept != 0, true);
		ok &= expect_eq("A4", (uintptr_t)s->owner, (uintptr_t)a);
		sum += ORDER_BYTES(s->order);
	}
	return (state != SLAB_EMPTY || expect_eq("A4", sum, a->hot->empty_bytes)) && ok;
}

bool hot_check(struct arena *a)
{
	bool ok = true;

	if (a->hot) {
		ok &= check_kept(a, &a->hot->idle, SLAB_LISTED);
		ok &= check_kept(a, &a->hot->empty, SLAB_EMPTY);
	}
	for (unsigned class = 0; a->hot && class < CLASSES; class ++)
		ok &= check_class(a, class);
	return ok;
}
