/* Proves the invariants of slabs.h. */
#include "arena/slabs.h"

#include "os/check.h"
#include "pages/zone.h"

static bool check_slab(const struct slabs *ss, const struct slab *s, enum slab_state state)
{
	bool ok = expect_eq("A1", s->state, state);

	ok &= expect_eq("A1", (uintptr_t)s->owner, (uintptr_t)ss->owner);
	return ok & slab_check(s);
}

/* What a class should have, and what it has. */
struct sums {
	size_t out, capacity, nbytes;
};

static void add_slab(struct sums *sums, const struct slab *s)
{
	sums->out += s->out;
	sums->capacity += s->capacity;
	sums->nbytes += ORDER_BYTES(s->order);
}

static bool check_sums(const struct slabs *ss, unsigned sc, size_t *nbytes)
{
	struct sums sums = {0};

	if (ss->current[sc])
		add_slab(&sums, ss->current[sc]);
	if (slabs_serve(ss, sc))
		list_for_each (l, &ss->listed[sc])
			add_slab(&sums, slabs_of_link(l));
	list_for_each (l, &ss->full)
		if (slabs_of_link(l)->class == sc)
			add_slab(&sums, slabs_of_link(l));
	list_for_each (l, &ss->aside)
		if (slabs_of_link(l)->class == sc)
			add_slab(&sums, slabs_of_link(l));
	*nbytes += sums.nbytes;
	return expect_eq("A4", ss->out[sc], sums.out) &
	       expect_eq("A4", ss->capacity[sc], sums.capacity);
}

static bool check_class(const struct slabs *ss, unsigned sc)
{
	const struct slab *current = ss->current[sc];
	uint32_t count = current != NULL;
	bool ok = !current || check_slab(ss, current, SLAB_CURRENT);

	if (!slabs_serve(ss, sc))
		return expect_eq("A2", ss->count[sc], 0) & expect_eq("A2", count, 0) & ok;
	list_for_each (l, &ss->listed[sc]) {
		ok &= check_slab(ss, slabs_of_link(l),
				 slabs_of_link(l)->out ? SLAB_LISTED : SLAB_EMPTY);
		ok &= expect_eq("A1", slabs_of_link(l)->class, sc);
		count++;
	}
	list_for_each (l, &ss->full)
		count += slabs_of_link(l)->class == sc;
	list_for_each (l, &ss->aside)
		count += slabs_of_link(l)->class == sc;
	return expect_eq("A2", ss->count[sc], count) & ok;
}

static bool check_kept(const struct slabs *ss, const struct link *list, enum slab_state state,
		       size_t *told)
{
	size_t sum = 0;
	bool ok = true;

	for (struct link *l = list->next; l != list; l = l->next) {
		struct slab *s = slabs_of_idle(l);

		ok &= expect_eq("A3", s->state, state);
		ok &= expect_eq("A3", s->kept != 0, true);
		ok &= expect_eq("A3", (uintptr_t)s->owner, (uintptr_t)ss->owner);
		sum += ORDER_BYTES(s->order);
		*told += s->kept;
	}
	return (state != SLAB_EMPTY || expect_eq("A3", sum, ss->empty_bytes)) && ok;
}

bool slabs_check(const struct slabs *ss)
{
	size_t told = 0, nbytes = 0;
	bool ok = check_kept(ss, &ss->idle, SLAB_LISTED, &told) &
		  check_kept(ss, &ss->empty, SLAB_EMPTY, &told);

	ok &= expect_eq("A3", ss->told, told);
	for (unsigned sc = 0; sc < CLASSES; sc++)
		ok &= check_class(ss, sc) & check_sums(ss, sc, &nbytes);
	ok &= expect_eq("A4", ss->nbytes, nbytes);
	list_for_each (l, &ss->full) {
		ok &= check_slab(ss, slabs_of_link(l), SLAB_FULL);
		ok &= expect_eq("A1", slabs_of_link(l)->out, slabs_of_link(l)->capacity);
		ok &= expect_eq("A2", slabs_serve(ss, slabs_of_link(l)->class), true);
	}
	list_for_each (l, &ss->aside) {
		ok &= check_slab(ss, slabs_of_link(l), SLAB_ASIDE);
		ok &= expect_eq("A1", slabs_of_link(l)->out > 0, true);
		ok &= expect_eq("A2", slabs_serve(ss, slabs_of_link(l)->class), true);
	}
	return ok;
}
