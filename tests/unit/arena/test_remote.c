/* Objects freed by a thread that does not own them: collected, posted in batches, drained. */
#include "arena/arena.h"
#include "arena/registry.h"
#include "arena/remote.h"
#include "base/options.h"
#include "os_sim.h"
#include "test.h"

#include <loam/loam.h>
#include <pthread.h>

/* Smaller than a line of cache: such objects go home, larger ones into magazines. */
enum { OBJECTS = 1000, SMALL = 48 };

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

	allocate(SMALL);
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
	allocate(SMALL);
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
	EXPECT_ABORT(free_twice_elsewhere, loam_malloc(96), "double free detected");
}

TEST(what_a_handler_defers_is_freed_later)
{
	void *object = loam_malloc(64), *run = loam_malloc(300000);

	remote_defer(object);
	remote_defer(run);
	EXPECT(remote_drain(&arena_main));
	arena_trim(&arena_main, 0);
	EXPECT(!pagemap_get(run));
	EXPECT(loam_check());
}

static void *allocate_and_end(void *unused)
{
	(void)unused;
	allocate(SMALL);
	return arena_mine;
}

/* Nobody waits for a thread that never comes: who posts twice takes care of the arena. */
TEST(an_arena_that_nobody_runs_on_is_tended_by_who_posts_to_it)
{
	struct arena *dead;
	pthread_t thread;
	size_t drained;

	pthread_create(&thread, NULL, allocate_and_end, NULL);
	pthread_join(thread, (void **)&dead);
	REQUIRE(dead != arena_mine);
	drained = dead->counts.remote_drained;
	remote_flush(arena_mine);
	arena_mine->ticks = 0; /* no other reason to look at it comes in between */
	for (int i = 0; i < 200; i++)
		loam_free(mem[i]);
	EXPECT_EQ(dead->counts.remote_drained, drained + 128);
	for (int i = 200; i < OBJECTS; i++)
		loam_free(mem[i]);
	remote_flush(arena_mine);
	registry_tend(dead);
	EXPECT_EQ(dead->counts.remote_drained, drained + OBJECTS);
	EXPECT(!dead->inbox);
	EXPECT(loam_check());
}

static void *free_some(void *sent)
{
	struct arena *a;

	loam_free(loam_malloc(1));
	a = arena_mine;
	for (int i = 0; i < 63; i++)
		loam_free(mem[i]);
	EXPECT(!arena_main.inbox);
	EXPECT_EQ(a->outbox[arena_main.number % OUTBOX_SLOTS].count, 63);
	loam_free(mem[63]);
	EXPECT(load_relaxed(&arena_main.inbox) != NULL);
	EXPECT(!a->outbox[arena_main.number % OUTBOX_SLOTS].to);
	return sent;
}

TEST(a_batch_is_64_objects)
{
	allocate(SMALL);
	loam_malloc_trim(0);
	remote_drain(arena_mine);
	in_thread(free_some);
	EXPECT(remote_drain(arena_mine));
	for (int i = 64; i < OBJECTS; i++)
		loam_free(mem[i]);
	EXPECT(loam_check());
}
