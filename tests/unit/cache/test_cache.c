/* Thread caches: who is inside, when they learn, and what they check. */
#include "cache/cache.h"

#include "cache/fast.h"
#include "threads.h"

#include <signal.h>
#include <sys/mman.h>

enum { SIZE = 64 };

/* --- inside ---------------------------------------------------------------------------------- */

static NOINLINE bool can_enter(void)
{
	struct cache *c = cache_enter();

	if (c)
		cache_leave(c);
	return c;
}

static void enter_again(void *unused)
{
	(void)unused;
	cache_enter();
	cache_enter(); /* in the same frame: the first can only have been left */
}

TEST(a_call_that_was_left_inside_is_reported)
{
	EXPECT_ABORT(enter_again, NULL, "a signal handler left malloc or free in the middle");
}

static NOINLINE void enter_fast(void)
{
	fast_enter();
}

/* As far down as the slow path that a fast path calls at its end. */
static NOINLINE char enter_below(void)
{
	volatile char room[128];

	room[0] = 0;
	cache_enter();
	return room[0];
}

static void enter_after_fast(void *unused)
{
	(void)unused;
	enter_fast();
	enter_below();
}

TEST(a_fast_path_that_was_left_is_reported)
{
	loam_free(loam_malloc(1));
	EXPECT_ABORT(enter_after_fast, NULL, "a signal handler left malloc or free in the middle");
}

static volatile bool refused;

/* Enters at the very end of the alternate stack, which seems to lie just above the call that it
   interrupts. */
static void enter_just_above(int signal)
{
	(void)signal;
	mine.inside = stack_pointer - 256;
	refused = !can_enter();
	mine.inside = 0;
}

TEST(a_handler_on_the_alternate_stack_is_never_reported)
{
	static char stack[64 << 10];
	stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack}, old;
	struct sigaction action = {.sa_handler = enter_just_above, .sa_flags = SA_ONSTACK}, before;

	REQUIRE(sigaltstack(&alternate, &old) == 0);
	sigaction(SIGUSR2, &action, &before);
	raise(SIGUSR2);
	sigaction(SIGUSR2, &before, NULL);
	sigaltstack(&old, NULL);
	EXPECT(refused);
}

TEST(inside_nothing_is_entered_and_memory_comes_from_elsewhere)
{
	void *chunk = loam_malloc(5000), *mem;
	struct cache *c = cache_enter();

	REQUIRE(c == mine.cache);
	EXPECT(c->inside);
	EXPECT(!can_enter());
	mem = loam_malloc(5000);
	EXPECT(mem && pagemap_get(mem)->kind == KIND_EARLY);
	loam_free(chunk);
	cache_leave(c);
	EXPECT(!c->inside);
	loam_free(mem);
	EXPECT(loam_check());
}

/* --- magazines ------------------------------------------------------------------------------- */

TEST(a_magazine_is_made_after_32_uses_of_a_hot_class)
{
	enum { NEW = 216 };
	unsigned sc = class_of(NEW);
	void *objects[MANY];
	int n = 0, uses = 1;

	while (n < MANY && !arena_is_hot(mine.cache->arena, sc))
		objects[n++] = loam_malloc(NEW);
	REQUIRE(arena_is_hot(mine.cache->arena, sc));
	while (n < MANY && !cache_magazine(mine.cache, sc)) {
		objects[n++] = loam_malloc(NEW);
		uses++;
	}
	EXPECT_EQ(uses, 32);
	EXPECT_EQ(mine.cache->uses[sc], 0);
	while (n)
		loam_free(objects[--n]);
}

enum { FREED = 200 };

static void *free_many(void *arg)
{
	void **objects = arg;
	unsigned sc = class_of(232);
	int n = 0;

	loam_free(loam_malloc(100));
	while (n < FREED - 1 && !cache_magazine(mine.cache, sc))
		loam_free(objects[n++]);
	EXPECT(n == 32 || n == 128); /* in the cache of the first thread, or of another */
	REQUIRE(cache_magazine(mine.cache, sc));
	EXPECT_EQ(magazine_count(cache_magazine(mine.cache, sc)), 1);
	loam_free(objects[n++]);
	EXPECT_EQ(magazine_count(cache_magazine(mine.cache, sc)), 2);
	while (n < FREED)
		loam_free(objects[n++]);
	return NULL;
}

TEST(a_thread_that_only_frees_learns_too)
{
	void *objects[FREED];

	learned(232);
	for (int i = 0; i < FREED; i++)
		objects[i] = loam_malloc(232);
	in_thread(free_many, objects);
}

TEST(every_granule_of_a_class_finds_its_magazine)
{
	struct magazine *m = learned(1000), *small = learned(16);

	for (size_t size = 16; size <= 1024; size += 16)
		if (class_of(size) == class_of(1000))
			EXPECT(mine.cache->magazines->fast[size / 16] == m);
		else
			EXPECT(mine.cache->magazines->fast[size / 16] != m);
	EXPECT(mine.cache->magazines->fast[1] == small);
	EXPECT(mine.cache->magazines->fast[0] == &magazine_none); /* what SIZE_MAX wraps to */
	EXPECT(m == &mine.cache->magazines->magazine[class_of(1000) + 1]);
	EXPECT(mine.libc.magazines == mine.cache->magazines->magazine);
	EXPECT(cache_check(mine.cache));
}

TEST(operators_take_the_fast_path_when_they_are_let)
{
	learned(SIZE);
	EXPECT(mine.operators.magazines != mine.libc.magazines);
	EXPECT(!magazine_is_ready(mine.operators.magazines + class_of(SIZE) + 1));
	EXPECT(mine.operators.fast[SIZE / 16 + 1] == &magazine_none);
	cache_open_operators();
	EXPECT(mine.operators.magazines == mine.libc.magazines);
	EXPECT(mine.operators.fast == mine.libc.fast);
}

/* --- double frees and late writes, found when objects go home -------------------------------- */

static void flush_written(void *arg)
{
	struct magazine *m = arg;

	m->none[3]->key ^= 1;
	cache_flush(mine.cache);
}

TEST(the_mark_is_checked_when_an_object_goes_home)
{
	EXPECT_ABORT(flush_written, filled(SIZE, 10), "write after free");
}

/* The program overwrote the mark between its two frees. */
static void flush_twice(void *arg)
{
	struct magazine *m = arg;
	struct object *o = m->none[3];

	o->key = 0;
	loam_free(o);
	EXPECT_EQ(magazine_count(m), 11);
	cache_flush(mine.cache);
}

TEST(an_object_that_goes_home_twice_is_a_double_free)
{
	EXPECT_ABORT(flush_twice, filled(SIZE, 10), "double free detected");
}

/* --- proofs ---------------------------------------------------------------------------------- */

TEST(check_sees_what_is_wrong)
{
	struct magazines *ms = learned(1000) ? mine.cache->magazines : NULL;
	struct magazine *right = ms->fast[1024 / 16], *m = filled(SIZE, 3);

	EXPECT(cache_check(mine.cache));
	ms->fast[1024 / 16] = &magazine_none;
	EXPECT(!cache_check(mine.cache)); /* C1 */
	ms->fast[1024 / 16] = right;
	ms->fast[1024 / 16 - 1] = m;
	EXPECT(!cache_check(mine.cache)); /* C1, not the class's last granule alone */
	ms->fast[1024 / 16 - 1] = right;
	ms->fast[0] = right;
	EXPECT(!cache_check(mine.cache)); /* C1 */
	ms->fast[0] = &magazine_none;
	mine.cache->total++;
	EXPECT(!cache_check(mine.cache)); /* C2 */
	mine.cache->total--;
	m->none[2]->key ^= 1;
	EXPECT(!cache_check(mine.cache)); /* M1 */
	m->none[2]->key ^= 1;
	EXPECT(cache_check(mine.cache));
}

static void give_home_two_pieces(void *objects)
{
	cache_give_home(objects, 300);
}

/* An object of the piece that goes home first is there again at the start of the next one, when its
   slab has gone back. */
TEST(what_is_in_two_pieces_that_go_home_is_reported)
{
	static struct object *objects[300];

	start_anew();
	REQUIRE(ring_lock_this(&arena_main));
	for (int i = 0; i < 300; i++)
		take_objects(&arena_main, 4096, objects + i, 1);
	arena_main.slabs->empty_most = 0;
	ring_unlock(&arena_main);
	objects[0] = objects[299];
	EXPECT_ABORT(give_home_two_pieces, objects, "double free detected");
}
