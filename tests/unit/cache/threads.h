/* What the tests of src/cache share: magazines that are ready and empty, and threads. */
#pragma once

#include "base/options.h"
#include "cache/alloc.h"
#include "cache/caches.h"
#include "cache/depot.h"
#include "cache/upkeep.h"
#include "test.h"

#include <loam/loam.h>
#include <pthread.h>
#include <semaphore.h>

enum { MANY = 4000 };

static inline void in_thread(void *(*body)(void *), void *arg)
{
	pthread_t thread;

	REQUIRE(pthread_create(&thread, NULL, body, arg) == 0);
	pthread_join(thread, NULL);
}

/* Freed huge objects and runs are kept. */
static inline void keep_all(void)
{
	options.retain_floor = GIB;
}

static inline void keep_little(void)
{
	options.retain_floor = 2 * MIB;
}

/* A slow path, and what it left to the next call for a small object. */
static inline void take_slow_path(void)
{
	struct cache *c = cache_enter();

	cache_tick(c);
	cache_pay_if_owed(c);
	cache_leave(c);
}

/* All that is owed, in as many calls as that takes. */
static inline void pay(struct cache *c, unsigned owed)
{
	cache_owe(c, owed);
	while (c->owed | c->paying)
		cache_pay(c);
}

/* Nothing is cached but by other threads that live. */
static inline void start_anew(void)
{
	loam_free(loam_malloc(1));
	cache_flush(mine.cache);
	cache_reap_all();
	cache_empty_depot();
}

/* The magazine of the calling thread for objects of that size: empty, and as small as at first. */
static inline struct magazine *learned(size_t size)
{
	void *objects[MANY];
	int n = 0;

	loam_free(loam_malloc(1));
	while (n < MANY && !cache_magazine(mine.cache, class_of(size)))
		REQUIRE((objects[n++] = loam_malloc(size)));
	while (n)
		loam_free(objects[--n]);
	start_anew();
	REQUIRE(cache_magazine(mine.cache, class_of(size)));
	for (int i = 0; i < 10; i++)
		magazine_shrink(cache_magazine(mine.cache, class_of(size)));
	return cache_magazine(mine.cache, class_of(size));
}

/* Objects of a class that are out of all slabs, those in magazines and the depot too. */
static inline size_t objects_out(size_t size)
{
	size_t out = 0;

	for (struct arena *a = NULL; (a = ring_next(a));) {
		struct slabs *ss = a->slabs;
		unsigned sc = class_of(size);

		if (!ss || !slabs_serve(ss, sc))
			continue;
		if (ss->current[sc])
			out += ss->current[sc]->out;
		list_for_each (l, &ss->listed[sc])
			out += container_of(l, struct slab, link)->out;
		list_for_each (l, &ss->full)
			if (container_of(l, struct slab, link)->class == sc)
				out += container_of(l, struct slab, link)->out;
	}
	return out;
}

/* A thread that has a cache until it is told to end. */
struct stayer {
	pthread_t thread;
	sem_t bound, end;
	struct cache *cache;
	void (*before_the_end)(void); /* NULL: nothing */
};

static inline void *stay(void *arg)
{
	struct stayer *s = (struct stayer *)arg;

	loam_free(loam_malloc(100));
	s->cache = mine.cache;
	sem_post(&s->bound);
	while (sem_wait(&s->end) != 0)
		;
	if (s->before_the_end)
		s->before_the_end();
	return NULL;
}

static inline void stayer_begin(struct stayer *s)
{
	sem_init(&s->bound, 0, 0);
	sem_init(&s->end, 0, 0);
	s->before_the_end = NULL;
	REQUIRE(pthread_create(&s->thread, NULL, stay, s) == 0);
	while (sem_wait(&s->bound) != 0)
		;
}

static inline void stayer_end(struct stayer *s)
{
	sem_post(&s->end);
	pthread_join(s->thread, NULL);
}

static inline void *hold_main(void *arg)
{
	sem_t *sems = (sem_t *)arg;

	REQUIRE(ring_lock_this(&arena_main));
	sem_post(&sems[0]);
	while (sem_wait(&sems[1]) != 0)
		;
	ring_unlock(&arena_main);
	return NULL;
}

/* An arena that is not the main one, locked. */
static inline struct arena *lock_another_arena(void)
{
	struct arena *a = &arena_main;
	pthread_t thread;
	sem_t sems[2];

	sem_init(&sems[0], 0, 0);
	sem_init(&sems[1], 0, 0);
	REQUIRE(pthread_create(&thread, NULL, hold_main, sems) == 0);
	while (sem_wait(&sems[0]) != 0)
		;
	a = ring_lock(&a);
	sem_post(&sems[1]);
	pthread_join(thread, NULL);
	REQUIRE(a && a != &arena_main);
	return a;
}

/* Objects of an arena, out and marked; the first one is the lowest. */
static inline void take_objects(struct arena *a, size_t size, struct object **objects, uint32_t n)
{
	struct object *taken[512];
	bool zero;

	REQUIRE(n <= 512);
	while (!arena_is_hot(a, class_of(size)))
		if (arena_use(a, class_of(size)))
			arena_alloc_hot(a, class_of(size), GRANULE, size, &zero);
	for (uint32_t i = 0, more; i < n; i += more) {
		more = slabs_take(a->slabs, class_of(size), taken + n, n - i);
		for (uint32_t k = 0; k < more; k++)
			objects[i + k] = taken[n - 1 - k];
		if (!more) { /* a slab that has to be mapped */
			objects[i] = slabs_take_one(a->slabs, class_of(size), true, &zero);
			REQUIRE(objects[i]);
			slab_set_marks(objects[i]);
			more = 1;
		}
	}
}

/* The magazine of a size with as many objects in it, of the main arena, the newest the highest. */
static inline struct magazine *filled(size_t size, uint32_t n)
{
	struct magazine *m = learned(size);
	struct object *objects[300];

	magazine_set_threads(1); /* however many there were */
	while (magazine_capacity(m) < n) {
		magazine_learn_to_give(m, false);
		magazine_learn_to_fill(m);
	}
	m->gave = false;
	REQUIRE(ring_lock_this(&arena_main));
	take_objects(&arena_main, size, objects, n);
	ring_unlock(&arena_main);
	for (uint32_t i = 0; i < n; i++)
		REQUIRE(magazine_push(m, objects[i], slab_mark(objects[i])));
	EXPECT_EQ(magazine_count(m), n);
	EXPECT(loam_check());
	return m;
}

/* A thread whose cache keeps a magazine of twenty objects of 64 bytes. */
static inline void *leave_twenty(void *ret_cache)
{
	filled(64, 20);
	*(struct cache **)ret_cache = mine.cache;
	return NULL;
}
