/* Which slab serves a class, and when sparse and empty ones go back; see slabs.h. */
#include "arena/slabs.h"

#include "os/check.h"
#include "pages/metadata.h"
#include "pages/retain.h"

/* Bytes of empty slabs that an arena keeps, before it learns that it needs more. */
#define EMPTY_LEAST (256 * KIB)

/* Listed slabs that are compared when one becomes current. */
#define LOOKS 8

/* Listed slabs that a batch goes on in. */
#define SLABS_A_BATCH 4

/* A current slab is looked at for idle pages only after so many bytes of it were out. */
#define CURRENT_LEAST (32 * KIB)

static struct pool pool = POOL_INIT(struct slabs);

struct slabs *slabs_new(struct arena *owner, bool may_map)
{
	struct slabs *ss = may_map || pool_is_ready(&pool) ? pool_alloc(&pool) : NULL;

	if (!ss)
		return NULL;
	ss->owner = owner;
	list_init(&ss->full);
	list_init(&ss->aside);
	list_init(&ss->idle);
	list_init(&ss->empty);
	ss->empty_most = EMPTY_LEAST;
	return ss;
}

void slabs_promote(struct slabs *ss, unsigned sc)
{
	ASSERT(!slabs_serve(ss, sc) && !ss->current[sc] && !ss->count[sc]); /* A2 */
	list_init(&ss->listed[sc]);
}

/* Called when a slab of nbytes is made: if empty ones were given back shortly before, as many
   more bytes stay next time. */
static void learn_to_keep(struct slabs *ss, size_t nbytes)
{
	size_t lost = smaller(nbytes, ss->empty_given);

	ss->empty_given -= lost;
	ss->empty_most += lost;
}

static void forget_empty(struct slabs *ss)
{
	slabs_free_some(ss, 0, SLABS_EMPTY_STEP);
	ss->empty_given = 0;
	ss->empty_most = EMPTY_LEAST;
}

/* --- states --------------------------------------------------------------------------------- */

/* Fewer objects that are out make a slab sparse: a quarter of all, or three quarters where each is
   a page or more, and so is what is free. */
static uint32_t sparse(const struct slab *s)
{
	return (s->size < PAGE_SIZE ? s->capacity / 4 : s->capacity * 3 / 4) + 1;
}

/* Fewer objects that are out make a slab ready to serve: an eighth of all is free. */
static uint32_t ready(const struct slab *s)
{
	return s->capacity - s->capacity / 8 + 1;
}

/* One that is ready is listed first: those that were so before are emptier by now. One that is not
   is listed last, and slabs_notice() is called when it is, else when it is sparse. */
void slabs_list(struct slabs *ss, struct slab *s)
{
	ASSERT(s->out < s->capacity);
	s->state = SLAB_LISTED;
	if (s->out < ready(s)) {
		s->notify = sparse(s);
		list_push(&ss->listed[s->class], &s->link);
	} else {
		s->notify = ready(s);
		list_push_back(&ss->listed[s->class], &s->link);
	}
}

/* Whether it is listed as one that is not ready, but is now. */
static bool became_ready(const struct slab *s)
{
	return s->state == SLAB_LISTED && s->notify == ready(s) && s->out < s->notify;
}

/* Counts anew what a listed slab retains that has become sparse; next at three quarters as many
   objects, so that a free of an object pays for a small part of a look at the slab. */
static void note_sparse(struct slabs *ss, struct slab *s)
{
	s->notify = (s->out * 3 + 3) / 4;
	slabs_forget_idle(ss, s);
	slabs_keep_idle(ss, s);
	slabs_obey_rule(ss, 1);
}

/* Takes a listed slab without an object out as an empty one, or gives it back. */
static void note_empty(struct slabs *ss, struct slab *s)
{
	ASSERT(!s->out && s->state == SLAB_LISTED);
	list_remove(&s->link);
	slabs_forget_idle(ss, s);
	if (s->purged) {
		slabs_free_slab(ss, s);
		return;
	}
	slabs_list_empty(ss, s);
	if (ss->empty_bytes > ss->empty_most)
		ss->empty_given += slabs_free_some(ss, ss->empty_most, SLABS_EMPTY_STEP);
	slabs_obey_rule(ss, 1);
}

void slabs_notice(struct slabs *ss, struct slab *s)
{
	ASSERT(s->out < s->capacity);
	if (s->state == SLAB_FULL || s->state == SLAB_ASIDE || became_ready(s)) {
		list_remove(&s->link);
		slabs_list(ss, s);
	} else if (s->state == SLAB_CURRENT) {
		ss->current[s->class] = NULL;
		slabs_list(ss, s);
	}
	if (!s->out)
		note_empty(ss, s);
	else if (s->out < s->notify)
		note_sparse(ss, s);
}

bool slabs_give_unmarked(struct slabs *ss, struct slab *s, const struct object *o)
{
	if (!slab_give_unmarked(s, o))
		return false;
	slabs_count_out(ss, s->class, (size_t)-1);
	if (s->out < s->notify)
		slabs_notice(ss, s);
	return true;
}

static void make_current(struct slabs *ss, struct slab *s)
{
	ASSERT(s->state == SLAB_LISTED || s->state == SLAB_EMPTY);
	if (s->state == SLAB_EMPTY)
		slabs_unlist_empty(ss, s);
	else
		list_remove(&s->link);
	slabs_forget_idle(ss, s);
	s->swept = UINT32_MAX;
	s->state = SLAB_CURRENT;
	s->notify = 0;
	ss->current[s->class] = s;
}

/* Called after objects were taken of a current slab: it is listed again when half as many are out,
   or when it is sparse, if they were of several pages. */
static NOINLINE void note_taken(struct slabs *ss, struct slab *s)
{
	uint32_t n = (uint32_t)smaller(s->out / 2, sparse(s));

	if (ss->out[s->class] > ss->most_out[s->class])
		ss->most_out[s->class] = ss->out[s->class];
	if (n > s->notify && (size_t)s->out * s->size >= CURRENT_LEAST)
		s->notify = n;
}

/* Puts a current slab, which gave no object, among the full ones; false where it has one, in a page
   that the limit does not allow to be used. */
static bool retire_full(struct slabs *ss, struct slab *s)
{
	ASSERT(ss->current[s->class] == s);
	if (s->out < s->capacity)
		return false;
	s->state = SLAB_FULL;
	s->notify = s->capacity;
	list_push(&ss->full, &s->link);
	ss->current[s->class] = NULL;
	return true;
}

/* How soon a listed slab shall serve: a fuller one before an emptier one, so that this can become
   empty; one that is not ready, after those that are, and before one that is empty. */
static uint32_t merit(const struct slab *s)
{
	if (s->out < ready(s))
		return s->out ? s->capacity + s->out : 0;
	return s->capacity - s->out;
}

/* The best of the first few listed slabs; of equally good ones the lowest. NULL: none is listed. */
static struct slab *choose(const struct slabs *ss, unsigned sc)
{
	struct slab *best = NULL;
	unsigned looks = 0;

	list_for_each (l, &ss->listed[sc]) {
		struct slab *s = slabs_of_link(l);

		if (!best || merit(s) > merit(best) ||
		    (merit(s) == merit(best) && s->base < best->base))
			best = s;
		if (++looks == LOOKS)
			break;
	}
	return best;
}

/* Makes a slab with free objects current: a listed one, or a new one. False without memory; without
   may_map also where memory would have to be mapped. The first slab of a class is small. */
static bool refill(struct slabs *ss, unsigned sc, bool may_map)
{
	struct slab *s = choose(ss, sc);

	ASSERT(!ss->current[sc] && slabs_serve(ss, sc));
	if (s) {
		make_current(ss, s);
		return true;
	}
	/* Empty slabs of other classes make room, as many bytes as a new slab takes. The others
	   stay cached: where many classes have a few objects each, they are reused in turn. */
	slabs_free_empty(ss, minus(ss->empty_bytes, ORDER_BYTES(class_order(sc))));
	if (!may_map && !slab_is_ready(sc))
		return false;
	s = slab_new(ss->owner, sc, ss->count[sc] ? class_order(sc) : class_first_order(sc));
	if (!s)
		return false;
	learn_to_keep(ss, ORDER_BYTES(s->order));
	ASSERT(s->state == SLAB_CURRENT && !s->out && !s->retained);
	ss->made++;
	ss->count[sc]++;
	slabs_count_slab(ss, s, 1);
	ss->current[sc] = s;
	return true;
}

/* Called before the current slab opens a page. Another one, of which an eighth is free, serves
   first: its pages are touched already. Returns what is current then. */
static struct slab *spare_a_page(struct slabs *ss, struct slab *s)
{
	struct slab *other = choose(ss, s->class);

	ASSERT(ss->current[s->class] == s && s->out < s->capacity);
	if (!other || other->purged || !s->out ||
	    other->out > other->capacity - other->capacity / 8)
		return s;
	slabs_list(ss, s);
	make_current(ss, other);
	return other;
}

/* From the current slab, or the one that spares it a page; 0: it is full. */
static uint32_t take(struct slabs *ss, struct slab *s, struct object **ret_end, uint32_t most)
{
	uint32_t n = slab_take_open(s, ret_end, most);
	struct slab *other;

	if (n || s->out == s->capacity)
		return n;
	other = spare_a_page(ss, s);
	return other == s ? slab_take_page(s, ret_end, most) : slab_take(other, ret_end, most);
}

/* Goes on in a few listed slabs where the current one has no more, without opening a page. */
static uint32_t take_more(struct slabs *ss, unsigned sc, struct object **ret_end, uint32_t most)
{
	uint32_t n = 0;

	for (unsigned slabs = 0; slabs < SLABS_A_BATCH && n < most; slabs++) {
		struct slab *s = ss->current[sc];
		uint32_t more;

		if (s->out < s->capacity || list_empty(&ss->listed[sc]))
			break;
		retire_full(ss, s);
		make_current(ss, choose(ss, sc));
		more = slab_take_open(ss->current[sc], ret_end - n, most - n);
		slabs_count_out(ss, sc, more);
		note_taken(ss, ss->current[sc]);
		n += more;
	}
	return n;
}

uint32_t slabs_take(struct slabs *ss, unsigned sc, struct object **ret_end, uint32_t most)
{
	ASSERT(slabs_serve(ss, sc) && most);
	for (;;) {
		struct slab *s = ss->current[sc];
		uint32_t n = s ? take(ss, s, ret_end, most) : 0;

		slabs_count_out(ss, sc, n);
		if (n) {
			note_taken(ss, ss->current[sc]);
			return n + take_more(ss, sc, ret_end - n, most - n);
		}
		if ((s && !retire_full(ss, s)) || !refill(ss, sc, false))
			return 0;
	}
}

struct object *slabs_take_one(struct slabs *ss, unsigned sc, bool may_map, bool *ret_zero)
{
	for (;;) {
		struct slab *s = ss->current[sc];
		struct object *o = s ? slab_take_one(s, ret_zero) : NULL;

		slabs_count_out(ss, sc, o != NULL);
		if (o) {
			note_taken(ss, s);
			return o;
		}
		if ((s && !retire_full(ss, s)) || !refill(ss, sc, may_map))
			return NULL;
	}
}

/* --- upkeep --------------------------------------------------------------------------------- */

bool slabs_look(struct slabs *ss, unsigned sc)
{
	size_t capacity = ss->capacity[sc], most = ss->most_out[sc];
	size_t left = minus(capacity, most); /* some slabs are gone since */

	ASSERT(ss->out[sc] <= most);
	ss->most_out[sc] = ss->out[sc];
	return left > capacity / 6 && left * class_size(sc) >= SLABS_SPARSE;
}

/* Ends the service of a class from slabs; false where it has objects out, or more than one slab. */
static bool demote(struct slabs *ss, unsigned sc)
{
	struct slab *s = ss->current[sc];

	if (ss->count[sc] > 1 || (ss->count[sc] == 1 && (!s || s->out)))
		return false;
	ASSERT(list_empty(&ss->listed[sc]) || !s);
	ss->current[sc] = NULL;
	ss->listed[sc] = (struct link){NULL, NULL};
	if (s)
		slabs_free_slab(ss, s);
	return true;
}

size_t slabs_demote_idle(struct slabs *ss)
{
	size_t demoted = 0;

	forget_empty(ss);
	for (unsigned sc = 0; sc < CLASSES; sc++)
		if (slabs_serve(ss, sc))
			demoted += demote(ss, sc);
	return demoted;
}

/* A listed slab is purged again only after an object of it was freed. */
static void purge_class(struct slabs *ss, unsigned sc)
{
	if (ss->current[sc])
		slab_purge(ss->current[sc]);
	list_for_each (l, &ss->listed[sc])
		if (slabs_of_link(l)->swept != slabs_of_link(l)->out)
			slabs_purge_one(ss, slabs_of_link(l));
}

void slabs_purge(struct slabs *ss)
{
	slabs_free_empty(ss, 0);
	for (unsigned sc = 0; sc < CLASSES; sc++)
		if (slabs_serve(ss, sc))
			purge_class(ss, sc);
}
