/* What idle and empty slabs retain, and how it goes back; see slabs.h. */
#include "arena/slabs.h"

#include "os/check.h"
#include "pages/retain.h"
#include "pages/thp.h"

/* Listed slabs of a class that slabs_count_resting() looks at. */
#define RESTING_LOOKS 16

void slabs_keep_idle(struct slabs *ss, struct slab *s)
{
	ASSERT(!s->retained && s->owner == ss->owner);
	s->retained = (uint32_t)slab_idle_bytes(s);
	if (!s->retained)
		return;
	list_push_back(s->state == SLAB_EMPTY ? &ss->empty : &ss->idle, &s->idle);
	retain_with(retain_add_idle, &ss->retained, s->retained);
}

void slabs_forget_idle(struct slabs *ss, struct slab *s)
{
	if (!s->retained)
		return;
	ASSERT(ss->retained >= s->retained); /* A3 */
	list_remove(&s->idle);
	retain_with(retain_add_idle, &ss->retained, -(intptr_t)s->retained);
	s->retained = 0;
}

void slabs_free_slab(struct slabs *ss, struct slab *s)
{
	ASSERT(!s->out && ss->count[s->class]);
	slabs_forget_idle(ss, s);
	ss->given_back++;
	ss->count[s->class]--;
	slabs_count_slab(ss, s, -1);
	slab_free(s);
}

void slabs_list_empty(struct slabs *ss, struct slab *s)
{
	ASSERT(!s->out && s->state == SLAB_LISTED);
	s->state = SLAB_EMPTY;
	ss->empty_bytes += ORDER_BYTES(s->order);
	list_push_back(&ss->listed[s->class], &s->link);
	slabs_keep_idle(ss, s);
}

void slabs_unlist_empty(struct slabs *ss, struct slab *s)
{
	ASSERT(s->state == SLAB_EMPTY && ss->empty_bytes >= ORDER_BYTES(s->order));
	list_remove(&s->link);
	ss->empty_bytes -= ORDER_BYTES(s->order);
	slabs_forget_idle(ss, s);
}

size_t slabs_free_empty(struct slabs *ss, size_t nbytes)
{
	size_t before = ss->empty_bytes;

	while (ss->empty_bytes > nbytes && !list_empty(&ss->empty)) {
		struct slab *s = slabs_of_idle(ss->empty.next);

		slabs_unlist_empty(ss, s);
		slabs_free_slab(ss, s);
	}
	return before - ss->empty_bytes;
}

size_t slabs_free_some(struct slabs *ss, size_t nbytes, size_t step)
{
	return slabs_free_empty(ss, larger(nbytes, minus(ss->empty_bytes, step)));
}

size_t slabs_purge_one(struct slabs *ss, struct slab *s)
{
	ASSERT(s->state == SLAB_LISTED && s->out);
	slabs_forget_idle(ss, s);
	s->swept = s->out;
	return slab_purge(s);
}

/* Purged slabs are used after those that need no memory. */
void slabs_obey_rule(struct slabs *ss, unsigned purges_most)
{
	size_t excess = retain_excess(), kept, purged;
	unsigned purges = 0;
	struct slab *s;

	for (; excess && !list_empty(&ss->idle); excess = minus(excess, kept)) {
		if (purges++ == purges_most)
			return;
		s = slabs_of_idle(ss->idle.next);
		kept = s->retained;
		purged = slabs_purge_one(ss, s);
		if (purged) {
			retain_purged(purged);
			list_remove(&s->link);
			list_push_back(&ss->listed[s->class], &s->link);
		}
	}
	if (excess)
		slabs_free_some(ss, minus(ss->empty_bytes, excess), SLABS_EMPTY_STEP);
}

/* Counts the free pages of a slab as retained if as many objects are out as at the last call. */
static void count_resting(struct slabs *ss, struct slab *s)
{
	if (s->last_out == s->out && s->swept != s->out && !s->retained) {
		if (s->state == SLAB_CURRENT) {
			ss->current[s->class] = NULL;
			slabs_list(ss, s);
		}
		slabs_keep_idle(ss, s);
	}
	s->last_out = s->out;
}

static void count_resting_of(struct slabs *ss, unsigned sc)
{
	struct slab *s = ss->current[sc];
	unsigned looks = 0;

	list_for_each (l, &ss->listed[sc]) {
		if (looks++ == RESTING_LOOKS)
			break;
		if (slabs_of_link(l)->state == SLAB_LISTED)
			count_resting(ss, slabs_of_link(l));
	}
	if (s && s->out && s->out < s->capacity)
		count_resting(ss, s);
}

void slabs_count_resting(struct slabs *ss)
{
	if (thp_holds())
		return;
	for (unsigned sc = 0; sc < CLASSES; sc++)
		if (slabs_serve(ss, sc))
			count_resting_of(ss, sc);
}
