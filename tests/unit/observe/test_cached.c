/* What magazines and the depot hold is seen, whole or not at all. */
#include "observe/cached.h"

#include "../cache/threads.h"

enum { SIZE = 64 };

static void count_and_add(const struct object *o, void *sum)
{
	((uintptr_t *)sum)[0]++;
	((uintptr_t *)sum)[1] += (uintptr_t)o;
}

TEST(what_is_cached_is_visited)
{
	struct magazine *m = filled(SIZE, 20);
	uintptr_t seen[2] = {0, 0}, sum = 0;

	for (int i = 1; i <= 20; i++)
		sum += (uintptr_t)m->none[i];
	EXPECT(depot_put(m->sc, m->none + 1, 8));
	magazine_drop(m, 8);
	cached_visit(count_and_add, seen);
	EXPECT_EQ(seen[0], 20);
	EXPECT_EQ(seen[1], sum);
}

TEST(what_leaves_a_magazine_is_visited)
{
	struct magazine *m = filled(SIZE, 20);
	struct object *o = magazine_take(m);
	uintptr_t seen[2] = {0, 0};

	EXPECT(magazine_push_leaving(m, o, slab_mark(o)));
	cached_visit(count_and_add, seen);
	EXPECT_EQ(seen[0], 20);
	m->end = m->none + m->capacity + 1;
	seen[0] = 0;
	cached_visit(count_and_add, seen);
	EXPECT_EQ(seen[0], 19);
	magazine_drop_leaving(m);
}

/* Another thread may read a magazine while its array is changed. */
TEST(an_implausible_magazine_counts_as_empty)
{
	struct magazine *m = filled(SIZE, 20);
	struct object **last = m->last;
	uintptr_t seen[2] = {0, 0};

	m->last = m->none + MAGAZINE_MOST + 1;
	cached_visit(count_and_add, seen);
	EXPECT_EQ(seen[0], 0);
	m->last = m->none - 1;
	cached_visit(count_and_add, seen);
	EXPECT_EQ(seen[0], 0);
	m->last = last;
}
