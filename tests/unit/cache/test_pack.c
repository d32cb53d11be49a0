/* When a magazine packs, what becomes of what is freed then, and when it ends. */
#include "threads.h"

enum { SIZE = 64 };

/* A class of 8 MiB, of which all but every fifth object is free. */
static void *thinned[8 * MIB / SIZE];

/* Its magazine is as small as at first, and nothing is in the depot. */
static void make_sparse(struct magazine *m)
{
	size_t n = sizeof thinned / sizeof *thinned;

	for (size_t i = 0; i < n; i++)
		REQUIRE((thinned[i] = loam_malloc(SIZE)));
	for (size_t i = 0; i < n; i++) {
		if (i % 5 == 0)
			continue;
		loam_free(thinned[i]);
		thinned[i] = NULL;
	}
	start_anew();
	for (int i = 0; i < 10; i++)
		magazine_shrink(m);
	m->rest = 0;
}

static void free_all(void)
{
	for (size_t i = 0; i < sizeof thinned / sizeof *thinned; i++) {
		loam_free(thinned[i]);
		thinned[i] = NULL;
	}
}

static void free_it(void *mem)
{
	loam_free(mem);
}

TEST(the_magazine_of_a_class_whose_slabs_are_mostly_free_packs)
{
	struct magazine *m = learned(SIZE);
	size_t out;
	void *mem;

	make_sparse(m);
	pay(mine.cache, OWED_SWEEP);
	EXPECT(!m->packs); /* all were out since the sweep before */
	pay(mine.cache, OWED_SWEEP);
	EXPECT(m->packs);
	REQUIRE((mem = loam_malloc(SIZE)));
	loam_free(mem);
	EXPECT_EQ(magazine_leaving(m), 1);
	EXPECT(m->end[1] == mem);
	EXPECT(loam_check());
	EXPECT_ABORT(free_it, mem, "double free detected");
	EXPECT_ABORT(free_it, (char *)thinned[0] + 16, "inside the object");
	while (magazine_count(m)) /* what was freed is not handed out before it is at home */
		EXPECT(loam_malloc(SIZE) != mem);
	EXPECT_EQ(magazine_leaving(m), 1);
	out = objects_out(SIZE);
	REQUIRE(loam_malloc(SIZE));
	EXPECT_EQ(magazine_leaving(m), 0);
	EXPECT_EQ(objects_out(SIZE), out - 1 + magazine_count(m) + 1);
	free_all();
	EXPECT(loam_check());
	start_anew();
}

TEST(what_leaves_goes_home_when_the_magazine_is_full_flushed_or_swept)
{
	struct magazine *m = learned(SIZE);
	void *mem[100];
	uint32_t room;

	make_sparse(m);
	pay(mine.cache, OWED_SWEEP);
	pay(mine.cache, OWED_SWEEP);
	REQUIRE(m->packs);
	for (int i = 0; i < 100; i++)
		mem[i] = loam_malloc(SIZE);
	room = magazine_capacity(m) - magazine_count(m);
	REQUIRE(room < 97);
	for (uint32_t i = 0; i < room; i++)
		loam_free(mem[i]);
	EXPECT_EQ(magazine_leaving(m), room);
	loam_free(mem[room]);
	EXPECT_EQ(magazine_leaving(m), 1);
	EXPECT_EQ(depot_objects(m->sc), 0);
	pay(mine.cache, OWED_SWEEP);
	EXPECT_EQ(magazine_leaving(m), 0);
	loam_free(mem[room + 1]);
	cache_flush(mine.cache);
	EXPECT_EQ(magazine_leaving(m), 0);
	loam_free(mem[room + 2]);
	EXPECT_EQ(magazine_leaving(m), 1);
	EXPECT(loam_check());
	free_all();
	start_anew();
}

/* What stays in sparse slabs may stay for ever: a few objects that come and go are no reason. */
TEST(a_magazine_packs_no_more_where_that_empties_no_slab)
{
	struct magazine *m = learned(SIZE);
	void *mem;

	make_sparse(m);
	pay(mine.cache, OWED_SWEEP);
	pay(mine.cache, OWED_SWEEP);
	REQUIRE(m->packs);
	for (int i = 0; m->packs && i < 100000; i++) {
		REQUIRE((mem = loam_malloc(SIZE)));
		loam_free(mem);
	}
	EXPECT(!m->packs);
	for (int i = 0; i < MAGAZINE_REST; i++) {
		pay(mine.cache, OWED_SWEEP);
		EXPECT(!m->packs);
	}
	pay(mine.cache, OWED_SWEEP);
	EXPECT(m->packs);
	for (size_t i = 0, n = sizeof thinned / sizeof *thinned / 5, k = 0; i < n; i++) {
		loam_free(thinned[5 * k]); /* all over the slabs */
		thinned[5 * k] = loam_malloc(SIZE);
		REQUIRE(m->packs);
		k = (k + 1009) % n;
	}
	free_all();
	start_anew();
}

/* What comes and goes in slabs that it has filled up is none either. */
TEST(a_magazine_packs_no_more_where_what_is_freed_is_packed)
{
	struct magazine *m = learned(SIZE);
	static void *packed[8000];

	make_sparse(m);
	pay(mine.cache, OWED_SWEEP);
	pay(mine.cache, OWED_SWEEP);
	for (int i = 0; i < 8000; i++)
		REQUIRE((packed[i] = loam_malloc(SIZE)));
	pay(mine.cache, OWED_SWEEP);
	REQUIRE(m->packs);
	for (int i = 0, k = 0; m->packs && i < 8000; i++) {
		loam_free(packed[k]);
		packed[k] = loam_malloc(SIZE);
		k = (k + 1019) % 8000;
	}
	EXPECT(!m->packs);
	for (int i = 0; i < 8000; i++)
		loam_free(packed[i]);
	free_all();
	start_anew();
}

/* A magazine that held much when it began, in a thread that only frees. */
TEST(where_little_leaves_what_is_held_makes_room)
{
	struct magazine *m = filled(SIZE, magazine_capacity(learned(SIZE)) - 1);
	struct object *o[2];

	REQUIRE(ring_lock_this(&arena_main));
	take_objects(&arena_main, SIZE, o, 2);
	ring_unlock(&arena_main);
	o[0]->key = o[1]->key = 0;
	m->fills = 1;
	magazine_set_packing(m, true);
	loam_free(o[0]);
	EXPECT_EQ(magazine_leaving(m), 1);
	loam_free(o[1]);
	EXPECT_EQ(magazine_leaving(m), 1);
	EXPECT_EQ(magazine_count(m), 0);
	magazine_set_packing(m, false);
	start_anew();
}

TEST(where_more_than_half_leaves_what_is_held_stays)
{
	for (uint32_t more = 0; more <= 1; more++) {
		struct magazine *m = filled(SIZE, 3);
		uint32_t leaving = magazine_capacity(m) / 2 + more, held;
		struct object *o[MAGAZINE_MOST + 1];

		REQUIRE(ring_lock_this(&arena_main));
		take_objects(&arena_main, SIZE, o, magazine_capacity(m) + 1);
		ring_unlock(&arena_main);
		m->fills = 1;
		mine.cache->ticks = 0; /* nothing is swept meanwhile */
		for (held = magazine_count(m); held < magazine_capacity(m) - leaving; held++) {
			o[held]->key = 0;
			loam_free(o[held]);
		}
		magazine_set_packing(m, true);
		for (uint32_t i = held; i <= held + leaving; i++) {
			o[i]->key = 0;
			loam_free(o[i]);
		}
		EXPECT_EQ(magazine_leaving(m), 1);
		EXPECT_EQ(magazine_count(m), more ? held : 0);
		magazine_set_packing(m, false);
		start_anew();
	}
}

static bool is_of_the_slab_that_served(const struct magazine *m, const void *mem)
{
	return cache_slab_of(mem) == cache_slab_of(m->none[1]);
}

/* Gives home so many objects from the slab that served last, and so many from sparse ones. */
static void send_home(struct magazine *m, void **served, uint32_t n, void **sparse,
		      uint32_t helping)
{
	REQUIRE(!magazine_leaving(m) && n + helping <= magazine_capacity(m) - magazine_count(m));
	for (uint32_t i = 0; i < n; i++)
		loam_free(served[i]);
	for (uint32_t i = 0; i < helping; i++) {
		loam_free(*sparse);
		*sparse++ = NULL;
	}
	cache_shut_doors();
	cache_send_home(m);
	cache_open_doors(mine.cache);
}

TEST(a_batch_is_in_vain_that_has_no_more_than_an_eighth_from_sparse_slabs)
{
	size_t middle = sizeof thinned / sizeof *thinned / 2 / 5 * 5;
	struct magazine *m = learned(SIZE);
	void *served[40], *sparse[5], *mem;
	uint32_t n = 0;

	make_sparse(m);
	pay(mine.cache, OWED_SWEEP);
	pay(mine.cache, OWED_SWEEP);
	REQUIRE(m->packs == MAGAZINE_PATIENCE);
	for (int i = 0; n < 40 || magazine_count(m); i++) {
		REQUIRE(i < 10000 && (mem = loam_malloc(SIZE)));
		n = is_of_the_slab_that_served(m, mem) ? n : 0;
		served[n++ % 40] = mem;
	}
	for (size_t i = 0; i < 5; i++) {
		sparse[i] = thinned[middle + 5 * i];
		thinned[middle + 5 * i] = NULL;
		REQUIRE(!is_of_the_slab_that_served(m, sparse[i]));
	}
	send_home(m, served, 14, sparse, 2);
	EXPECT_EQ(m->packs, MAGAZINE_PATIENCE - 1);
	send_home(m, served + 14, 13, sparse + 2, 3);
	EXPECT_EQ(m->packs, MAGAZINE_PATIENCE);
	free_all();
	start_anew();
}

TEST(no_magazine_packs_while_the_arena_cannot_be_looked_at)
{
	struct magazine *m = learned(SIZE);
	pthread_t holder;
	sem_t sems[2];

	make_sparse(m);
	cache_learn_to_pack(mine.cache);
	cache_learn_to_pack(mine.cache);
	REQUIRE(m->packs);
	magazine_set_packing(m, false);
	sem_init(&sems[0], 0, 0);
	sem_init(&sems[1], 0, 0);
	REQUIRE(pthread_create(&holder, NULL, hold_main, sems) == 0);
	while (sem_wait(&sems[0]) != 0)
		;
	cache_learn_to_pack(mine.cache);
	EXPECT(!m->packs);
	sem_post(&sems[1]);
	pthread_join(holder, NULL);
	cache_learn_to_pack(mine.cache);
	EXPECT(m->packs);
	free_all();
	start_anew();
}

static void *leave_what_leaves(void *unused)
{
	struct magazine *m = filled(SIZE, 20);
	struct object *o;

	(void)unused;
	REQUIRE(ring_lock_this(&arena_main));
	take_objects(&arena_main, SIZE, &o, 1);
	ring_unlock(&arena_main);
	o->key = 0;
	magazine_set_packing(m, true);
	loam_free(o);
	EXPECT_EQ(magazine_leaving(m), 1);
	return NULL;
}

TEST(what_leaves_the_magazine_of_a_thread_that_ends_goes_home)
{
	size_t out;

	learned(SIZE);
	out = objects_out(SIZE);
	in_thread(leave_what_leaves, NULL);
	EXPECT_EQ(objects_out(SIZE), out + 21);
	cache_reap_all();
	EXPECT_EQ(objects_out(SIZE), out);
	EXPECT(loam_check());
}

TEST(a_magazine_packs_no_more_once_its_slabs_are_in_use)
{
	struct magazine *m = learned(SIZE);
	size_t n = sizeof thinned / sizeof *thinned;

	make_sparse(m);
	pay(mine.cache, OWED_SWEEP);
	pay(mine.cache, OWED_SWEEP);
	REQUIRE(m->packs);
	for (size_t i = 0; i < n; i++)
		if (!thinned[i])
			thinned[i] = loam_malloc(SIZE);
	pay(mine.cache, OWED_SWEEP);
	EXPECT(!m->packs);
	loam_free(thinned[0]);
	thinned[0] = NULL;
	EXPECT_EQ(magazine_leaving(m), 0);
	free_all();
	start_anew();
}

/* Not into the depot, from where it would come back as it lay. */
TEST(what_a_magazine_held_before_it_packs_goes_home)
{
	struct magazine *m = filled(SIZE, magazine_capacity(learned(SIZE)));
	struct object *o;

	REQUIRE(magazine_count(m) == magazine_capacity(m));
	REQUIRE(ring_lock_this(&arena_main));
	take_objects(&arena_main, SIZE, &o, 1);
	ring_unlock(&arena_main);
	o->key = 0;
	m->fills = 1;
	magazine_set_packing(m, true);
	loam_free(o);
	EXPECT_EQ(magazine_count(m), 0);
	EXPECT_EQ(magazine_leaving(m), 1);
	EXPECT_EQ(depot_objects(m->sc), 0);
	magazine_set_packing(m, false);
	start_anew();
}
