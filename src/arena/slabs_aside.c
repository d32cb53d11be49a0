/* What slabs do while a child of fork shares their pages, or its parent; see slabs.h. */
#include "arena/slabs.h"

#include "os/check.h"

/* Slabs of one step, so that nobody waits long for the arena. */
#define STEP 64

/* Calls f for each slab with an object out that is in use, or set aside, until it was true *left
   times. f says whether it took the slab out of its list; so who begins again finds the rest. */
typedef bool slab_action(struct slabs *ss, struct slab *s);

static void for_each_slab(struct slabs *ss, struct link *list, slab_action *f, uint32_t *left)
{
	struct link *next;

	for (struct link *l = list->next; l != list && *left; l = next) {
		next = l->next;
		if (slabs_of_link(l)->state != SLAB_EMPTY)
			*left -= f(ss, slabs_of_link(l));
	}
}

static void for_all_slabs(struct slabs *ss, slab_action *f, uint32_t *left)
{
	for_each_slab(ss, &ss->full, f, left);
	for (unsigned sc = 0; sc < CLASSES && *left; sc++) {
		if (!slabs_serve(ss, sc))
			continue;
		if (ss->current[sc])
			*left -= f(ss, ss->current[sc]);
		for_each_slab(ss, &ss->listed[sc], f, left);
	}
}

static bool close_slab(struct slabs *ss, struct slab *s)
{
	(void)ss;
	slab_close(s);
	return false;
}

bool slabs_close(struct slabs *ss)
{
	uint32_t left = STEP;

	for_all_slabs(ss, close_slab, &left); /* those aside are closed */
	return false;
}

/* slabs_notice() is called when it is empty. */
static bool set_aside(struct slabs *ss, struct slab *s)
{
	if (!s->out)
		return false; /* current, and nothing was taken from it */
	if (s->state == SLAB_CURRENT)
		ss->current[s->class] = NULL;
	else
		list_remove(&s->link);
	slabs_forget_idle(ss, s);
	slab_close(s);
	s->state = SLAB_ASIDE;
	s->notify = 1;
	list_push_back(&ss->aside, &s->link);
	return true;
}

bool slabs_set_aside(struct slabs *ss)
{
	uint32_t left = STEP;

	slabs_free_empty(ss, 0); /* else each step would walk over them again */
	for_all_slabs(ss, set_aside, &left);
	return !left;
}

/* What is free in it was not counted while it was aside. */
static bool take_back(struct slabs *ss, struct slab *s)
{
	ASSERT(s->state == SLAB_ASIDE && s->out);
	list_remove(&s->link);
	if (s->out < s->capacity) {
		slabs_list(ss, s);
		if (s->out < s->notify)
			slabs_notice(ss, s);
		return true;
	}
	s->state = SLAB_FULL;
	s->notify = s->capacity;
	list_push(&ss->full, &s->link);
	return true;
}

bool slabs_take_back(struct slabs *ss)
{
	uint32_t left = STEP;

	for_each_slab(ss, &ss->aside, take_back, &left);
	return !left;
}

void slabs_add_bytes(const struct slabs *ss, size_t *out, size_t *free)
{
	for (unsigned sc = 0; sc < CLASSES; sc++) {
		size_t n = load_relaxed(&ss->out[sc]), most = load_relaxed(&ss->capacity[sc]);

		*out += n * class_size(sc);
		*free += minus(most, n) * class_size(sc); /* a slab may have gone meanwhile */
	}
}
