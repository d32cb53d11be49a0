/* Proves the invariants of slabs.h. */
#include "arena/slabs.h"

#include "os/check.h"

static bool check_slab(const struct slabs *ss, const struct slab *s, enum slab_state state)
{
	bool ok = expect_eq("A1", s->state, state);

	ok &= expect_eq("A1", (uintptr_t)s->owner, (uintptr_t)ss->owner);
	return ok & slab_check(s);
}

/* What a class has. */
struct sums {
	size_t count, out, capacity, nbytes;
};

static void add_slab(struct sums *sums, const struct slab *s)
{
	sums->count++;
	sums->out += s->out;
	sums->capacity += s->capacity;
	sums->nbytes += ORDER_BYTES(s->order);
}

/* Those of a class in a list of all classes. */
static void add_slabs(struct sums *sums, const struct link *list, unsigned sc)
{
	list_for_each (l, list)
		if (slabs_of_link(l)->class == sc)
			add_slab(sums, slabs_of_link(l));
}

static bool check_listed(const struct slabs *ss, unsigned sc, struct sums *sums)
{
	bool ok = true;

	list_for_each (l, &ss->listed[sc]) {
		struct slab *s = slabs_of_link(l);

		ok &= check_slab(ss, s, s->out ? SLAB_LISTED : SLAB_EMPTY);
		ok &= expect_eq("A1", s->class, sc);
		add_slab(sums, s);
	}
	return ok;
}

static bool check_class(const struct slabs *ss, unsigned sc, size_t *nbytes)
{
	const struct slab *current = ss->current[sc];
	struct sums sums = {0};
	bool ok = true;

	if (current) {
		ok &= check_slab(ss, current, SLAB_CURRENT);
		add_slab(&sums, current);
	}
	if (slabs_serve(ss, sc))
		ok &= check_listed(ss, sc, &sums);
	add_slabs(&sums, &ss->full, sc);
	add_slabs(&sums, &ss->aside, sc);
	*nbytes += sums.nbytes;
	ok &= expect_eq("A2", slabs_serve(ss, sc) || !sums.count, true);
	ok &= expect_eq("A2", ss->count[sc], sums.count);
	ok &= expect_eq("A4", ss->out[sc], sums.out);
	return ok & expect_eq("A4", ss->capacity[sc], sums.capacity);
}

static bool check_kept(const struct slabs *ss, const struct link *list, enum slab_state state,
		       size_t *retained)
{
	size_t sum = 0;
	bool ok = true;

	list_for_each (l, list) {
		struct slab *s = slabs_of_idle(l);

		ok &= expect_eq("A3", s->state, state);
		ok &= expect_eq("A3", s->retained != 0, true);
		ok &= expect_eq("A3", (uintptr_t)s->owner, (uintptr_t)ss->owner);
		sum += ORDER_BYTES(s->order);
		*retained += s->retained;
	}
	return (state != SLAB_EMPTY || expect_eq("A3", sum, ss->empty_bytes)) && ok;
}

bool slabs_check(const struct slabs *ss)
{
	size_t retained = 0, nbytes = 0;
	bool ok = check_kept(ss, &ss->idle, SLAB_LISTED, &retained) &
		  check_kept(ss, &ss->empty, SLAB_EMPTY, &retained);

	ok &= expect_eq("A3", ss->retained, retained);
	for (unsigned sc = 0; sc < CLASSES; sc++)
		ok &= check_class(ss, sc, &nbytes);
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
