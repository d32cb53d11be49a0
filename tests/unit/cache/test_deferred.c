/* The list of frees that wait: what is in it, its marks, and what threads add at once. */
#include "cache/deferred.h"

#include "slab/slab.h"
#include "test.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

enum { OBJECTS = 1000, THREADS = 4 };

static ALIGNED(16) char mem[THREADS][OBJECTS][64];

static struct object *object(int thread, int i)
{
	return (struct object *)mem[thread][i];
}

TEST(what_was_added_last_is_taken_first)
{
	struct object *o;

	slab_start(0x5eed);
	EXPECT(!deferred_first);
	for (int i = 0; i < 3; i++)
		deferred_add(object(0, i), false);
	EXPECT(deferred_first == object(0, 2));
	o = deferred_take();
	EXPECT(!deferred_first);
	for (int i = 2; i >= 0; i--) {
		EXPECT(o == object(0, i));
		o = deferred_next(o);
	}
	EXPECT(!o);
	EXPECT(!deferred_take());
}

TEST(one_that_waits_bears_a_mark_until_it_is_taken)
{
	struct object *o = object(0, 0);

	memset(o, 0, 64);
	EXPECT(!deferred_has(o));
	deferred_add(o, false);
	EXPECT(deferred_has(o));
	EXPECT(!deferred_has((struct object *)((char *)o + 1)));
	EXPECT(o->key != slab_mark(o));
	EXPECT(deferred_take() == o);
	EXPECT(deferred_has(o));
	EXPECT(!deferred_next(o));
	EXPECT(!deferred_has(o));
	EXPECT_EQ(o->key, 0);
}

/* A mark there would lie behind the end of the heap. */
TEST(what_is_not_aligned_is_not_read)
{
	size_t page = 64 * KIB;
	char *pages = mmap(NULL, 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(pages != MAP_FAILED && !mprotect(pages, page, PROT_READ | PROT_WRITE));
	EXPECT(!deferred_has((struct object *)(pages + page - 16)));
	EXPECT(!deferred_has((struct object *)(pages + page - 8)));
	EXPECT(!deferred_has((struct object *)(pages + page - 1)));
	munmap(pages, 2 * page);
}

TEST(one_of_a_slab_bears_the_mark_of_a_free_one)
{
	struct object *o = object(0, 0);

	deferred_add(o, true);
	EXPECT_EQ(o->key, slab_mark(o));
	EXPECT(!deferred_has(o));
	EXPECT(!deferred_next(deferred_take()));
	EXPECT_EQ(o->key, 0);
}

/* Who can write to a freed object cannot say where the list goes on. */
TEST(links_are_not_addresses)
{
	deferred_add(object(0, 0), false);
	deferred_add(object(0, 1), false);
	EXPECT(object(0, 1)->link != (uintptr_t)object(0, 0));
	EXPECT(object(0, 0)->link != 0);
	EXPECT(deferred_next(deferred_take()) == object(0, 0));
}

static void *add_all(void *number)
{
	int thread = (int)(uintptr_t)number;

	for (int i = 0; i < OBJECTS; i++)
		deferred_add(object(thread, i), i % 2);
	return NULL;
}

TEST(threads_add_at_once_and_nothing_is_lost)
{
	pthread_t threads[THREADS];
	int n = 0;

	for (uintptr_t t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, add_all, (void *)t);
	for (int tries = 0; tries < 100; tries++)
		for (struct object *o = deferred_take(); o; o = deferred_next(o))
			n++;
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	for (struct object *o = deferred_take(); o; o = deferred_next(o))
		n++;
	EXPECT_EQ(n, THREADS * OBJECTS);
}
