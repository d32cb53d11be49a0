/* Objects freed by a thread that does not own them: collected, posted in batches, drained. */
#include "arena/arena.h"
#include "arena/registry.h"
#include "arena/remote.h"
#include "base/options.h"
#include "os_sim.h"
#include "test.h"

#include <loam/loam.h>
#include <pthread.h>

enum { OBJECTS = 1000 };

static void *mem[OBJECTS];

static void *free_all(void *unused)
{
	for (int i = 0; i < OBJECTS; i++)
		loam_free(mem[i]);
	EXPECT(arena_mine->counts.remote_sent >= OBJECTS);
	return unused;
}

static void *free_all_in_few_posts(void *unused)
{
	free_all(unused);
	EXPECT(arena_mine->counts.remote_posts < OBJECTS / 10);
	return NULL;
}

static void in_thread(void *(*body)(void *))
{
	pthread_t thread;

	pthread_create(&thread, NULL, body, NULL);
	pthread_join(thread, NULL);
}

static void allocate(size_t nbytes)
{
	for (int i = 0; i < OBJECTS; i++)
		mem[i] = loam_malloc(nbytes);
}

TEST(objects_come_home_in_batches)
{
	size_t drained;

	allocate(64);
	drained = arena_mine->counts.remote_drained;
	in_thread(free_all_in_few_posts);
	EXPECT(arena_mine->inbox != NULL);
	EXPECT(remote_drain(arena_mine));
	EXPECT(!remote_drain(arena_mine));
	EXPECT(arena_mine->counts.remote_drained > drained + OBJECTS / 2);
	EXPECT(loam_check());
}

TEST(chunks_come_home_too)
{
	size_t before;

	allocate(40000);
	before = loam_mallinfo2().uordblks;
	in_thread(free_all);
	remote_drain(arena_mine);
	EXPECT(loam_mallinfo2().uordblks + (size_t)OBJECTS / 2 * 40000 < before);
	EXPECT(loam_check());
}

/* What a thread that is gone still had in its outbox is posted when its arena is tended. */
TEST(nothing_stays_in_the_outbox_of_the_dead)
{
	allocate(64);
	in_thread(free_all);
	loam_malloc_trim(0);
	remote_drain(arena_mine);
	EXPECT(loam_mallinfo2().uordblks < 64 * 1024);
	EXPECT(loam_check());
}

static void *free_twice(void *object)
{
	loam_free(object);
	loam_free(object);
	return NULL;
}

static void free_twice_elsewhere(void *object)
{
	pthread_t thread;

	pthread_create(&thread, NULL, free_twice, object);
	pthread_join(thread, NULL);
}

TEST(a_double_free_by_another_thread_is_seen)
{
	for (size_t i = 0; i <= options.promote_after; i++)
		loam_free(loam_malloc(96));
	EXPECT_ABORT(free_twice_elsewhere, loam_malloc(96), "double free of");
}

TEST(what_a_handler_defers_is_freed_later)
{
	void *object = loam_malloc(64), *run = loam_malloc(300000);

	remote_defer(object);
	remote_defer(run);
	EXPECT(remote_drain(&arena_main));
	EXPECT(!pagemap_get(run));
	EXPECT(loam_check());
}
