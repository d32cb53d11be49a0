/* In the child of a fork: when pages are closed, and what a free then writes. */
#include "cache/shared_pages.h"

#include "threads.h"

enum { SIZE = 64 };

TEST(a_full_magazine_closes_all_pages_of_a_child_once)
{
	struct magazine *m = learned(SIZE);
	struct object *objects[MANY], *last;

	for (int i = 0; i < MANY; i++)
		objects[i] = loam_malloc(SIZE);
	shared_pages_begin();
	loam_free(objects[0]);
	EXPECT(load_relaxed(&shared_pages_due));
	EXPECT_EQ(objects[0]->key, slab_mark(objects[0]));
	for (int i = 1; i < MANY - 1; i++)
		loam_free(objects[i]);
	EXPECT(!load_relaxed(&shared_pages_due));
	EXPECT(magazine_count(m) < MANY / 2);
	last = objects[MANY - 1];
	EXPECT_EQ(pagemap_hot(last), 0);
	last->key = 7;
	loam_free(last);
	EXPECT_EQ(last->key, 7);
	EXPECT(slab_is_free((struct slab *)pagemap_get(last), last));
	EXPECT(slab_check((struct slab *)pagemap_get(last)));
}

TEST(what_is_taken_then_is_freed_as_ever)
{
	struct object *o;

	cache_flush(mine.cache);
	o = loam_malloc(SIZE);
	EXPECT(pagemap_hot(o) != 0);
	loam_free(o);
	EXPECT_EQ(o->key, slab_mark(o));
	EXPECT(cache_check(mine.cache));
}
