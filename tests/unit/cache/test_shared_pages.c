/* In the child of a fork, and in its parent: when pages are closed, and what a free then writes. */
#include "cache/shared_pages.h"

#include "api/fork.h"
#include "base/options.h"
#include "pages/retain.h"
#include "threads.h"

#include <sys/wait.h>
#include <unistd.h>

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

TEST(the_more_is_live_the_more_magazines_are_full_before_that)
{
	size_t live = load_relaxed(&retain_live);
	struct object *o;

	cache_flush(mine.cache);
	o = loam_malloc(SIZE);
	store_relaxed(&retain_live, 3 * SHARED_PAGES_STEP - 1);
	shared_pages_begin();
	store_relaxed(&retain_live, live);
	EXPECT_EQ(load_relaxed(&shared_pages_due), 3);
	shared_pages_note_full();
	shared_pages_note_full();
	EXPECT_EQ(load_relaxed(&shared_pages_due), 1);
	EXPECT(pagemap_hot(o) != 0);
	shared_pages_note_full();
	EXPECT_EQ(load_relaxed(&shared_pages_due), 0);
	EXPECT_EQ(pagemap_hot(o), 0);
	loam_free(o);
	cache_flush(mine.cache); /* what is taken next opens its page */
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

/* --- the parent ------------------------------------------------------------------------------ */

/* A child that does nothing, counted as preload/fork.c does; ends when its pipe does. */
static pid_t fork_idle(int *ret_end)
{
	int end[2];
	char c;
	pid_t pid;

	REQUIRE(pipe(end) == 0);
	fork_prepare();
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		close(end[1]);
		fork_child();
		(void)!read(end[0], &c, 1);
		_exit(0);
	}
	close(end[0]);
	*ret_end = end[1];
	fork_parent();
	return pid;
}

static void end_child(pid_t pid, int end)
{
	close(end);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
}

enum { LARGE_BYTES = 16 * MIB };

/* What makes the process large enough, and objects that fill slabs. */
static struct object *many[LARGE_BYTES / SIZE];

static void fill_slabs(void)
{
	learned(SIZE);
	for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
		REQUIRE((many[i] = loam_malloc(SIZE)));
}

static void empty_slabs(void)
{
	for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
		loam_free(many[i]);
	EXPECT(loam_check());
}

static struct slab *slab_at(const void *mem)
{
	return (struct slab *)pagemap_get(mem);
}

static bool is_aside(size_t i)
{
	return slab_at(many[i])->state == SLAB_ASIDE;
}

/* Calls until it is decided what a fork leads to. */
static void decide(void)
{
	for (int i = 0; i < SHARED_PAGES_CALLS / 2; i++)
		loam_free(loam_malloc(SIZE));
	EXPECT(loam_check());
}

static pid_t fork_with_slabs_aside(int *ret_end)
{
	pid_t pid;

	if (test_emulated)
		test_skip("the emulator marks no mutex");
	fill_slabs();
	pid = fork_idle(ret_end);
	decide();
	EXPECT(is_aside(1));
	return pid;
}

static void look_again(void)
{
	for (int i = 0; i <= UINT8_MAX; i++)
		take_slow_path();
	EXPECT(loam_check());
}

/* Else each step would walk over them. */
TEST(empty_slabs_go_back_before_slabs_are_set_aside)
{
	struct arena *a;

	keep_all();
	fill_slabs();
	empty_slabs();
	cache_flush(mine.cache);
	cache_empty_depot();
	a = ring_lock(&mine.cache->arena);
	EXPECT(a->slabs->empty_bytes);
	while (slabs_set_aside(a->slabs))
		;
	EXPECT_EQ(a->slabs->empty_bytes, 0);
	while (slabs_take_back(a->slabs))
		;
	ring_unlock(a);
	keep_little();
	EXPECT(loam_check());
}

TEST(while_a_child_lives_a_parent_writes_to_no_page_that_it_shares)
{
	struct object *o, *freed_last, *given[20];
	pid_t pid;
	int end;

	if (test_emulated)
		test_skip("the emulator marks no mutex");
	fill_slabs();
	for (size_t i = 0; i < 20; i++) {
		given[i] = many[LARGE_BYTES / SIZE / 2 + 1 + i];
		slab_set_marks(given[i]);
		many[LARGE_BYTES / SIZE / 2 + 1 + i] = NULL;
	}
	pid = fork_idle(&end);
	EXPECT(!is_aside(0));
	EXPECT(depot_put(class_of(SIZE), given, 20)); /* which would give them to the next call */
	decide();
	EXPECT(is_aside(0) && is_aside(LARGE_BYTES / SIZE / 2));
	freed_last = loam_malloc(SIZE); /* by the call that set slabs aside */
	for (size_t i = 1; i < 100; i++) {
		many[i * 7]->key = 7;
		loam_free(many[i * 7]);
		EXPECT_EQ(many[i * 7]->key, 7);
		o = loam_malloc(SIZE);
		EXPECT(slab_at(o)->state != SLAB_ASIDE);
		many[i * 7] = o;
	}
	end_child(pid, end);
	look_again();
	EXPECT(!is_aside(0));
	EXPECT(!load_relaxed(&shared_pages_aside));
	loam_free(freed_last);
	empty_slabs();
}

TEST(a_slab_that_is_set_aside_goes_back_when_it_is_empty)
{
	struct slab *s;
	void *base;
	pid_t pid;
	int end;

	pid = fork_with_slabs_aside(&end);
	s = slab_at(many[LARGE_BYTES / SIZE / 2]);
	base = (void *)s->base;
	EXPECT_EQ(s->state, SLAB_ASIDE);
	for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
		if (slab_at(many[i]) == s) {
			loam_free(many[i]);
			many[i] = NULL;
		}
	EXPECT(loam_check());
	EXPECT(pagemap_get(base) != &s->tag || s->state == SLAB_EMPTY);
	end_child(pid, end);
	look_again();
	empty_slabs();
}

TEST(slabs_are_taken_back_when_a_quarter_is_free)
{
	pid_t pid;
	int end;

	pid = fork_with_slabs_aside(&end);
	for (size_t i = 0; i < sizeof many / sizeof many[0]; i += 8) {
		loam_free(many[i]);
		many[i] = NULL;
	}
	look_again();
	EXPECT(is_aside(1));
	for (size_t i = 4; i < sizeof many / sizeof many[0]; i += 8) {
		loam_free(many[i]);
		many[i] = NULL;
	}
	look_again();
	EXPECT(!is_aside(1));
	end_child(pid, end);
	empty_slabs();
}

TEST(a_trim_takes_slabs_back)
{
	pid_t pid;
	int end;

	pid = fork_with_slabs_aside(&end);
	loam_malloc_trim(0);
	EXPECT(!is_aside(1));
	end_child(pid, end);
	empty_slabs();
}

/* The child would lose what it inherits in an arena that is locked for that. */
TEST(slabs_stay_aside_while_a_thread_forks)
{
	pid_t pid;
	int end;

	pid = fork_with_slabs_aside(&end);
	shared_pages_fork_begins(false);
	loam_malloc_trim(0);
	EXPECT(is_aside(1));
	shared_pages_take_back(true); /* before a request gets NULL */
	EXPECT(!is_aside(1));
	shared_pages_fork_ends();
	end_child(pid, end);
	empty_slabs();
}

static int child_has_none_aside(void)
{
	fork_child();
	return load_relaxed(&shared_pages_aside) ? 1 : 0;
}

/* What its parent closed, or set aside and took back, is nothing that it has to look after. */
TEST(a_child_of_a_process_that_has_no_slabs_aside_has_none)
{
	int status = -1;
	pid_t pid;

	store_relaxed(&shared_pages_closed, true);
	pid = fork();
	if (pid == 0)
		_exit(child_has_none_aside());
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
}

/* A signal handler forked between the two, and goes on in its child. */
TEST(a_fork_that_ends_in_another_child_is_not_counted)
{
	pid_t pid;
	int end;

	pid = fork_with_slabs_aside(&end);
	shared_pages_fork_ends();
	loam_malloc_trim(0);
	EXPECT(!is_aside(1));
	end_child(pid, end);
	empty_slabs();
}

TEST(a_parent_whose_child_is_gone_soon_does_nothing)
{
	pid_t pid;
	int end;

	if (test_emulated)
		test_skip("the emulator marks no mutex");
	fill_slabs();
	pid = fork_idle(&end);
	loam_free(loam_malloc(SIZE));
	EXPECT_EQ(mine.cache->owed, OWED_LOOK);
	end_child(pid, end);
	loam_free(loam_malloc(SIZE));
	EXPECT_EQ(mine.cache->owed, 0);
	EXPECT(mine.libc.magazines == mine.cache->magazines->magazine); /* the doors are open */
	decide();
	EXPECT(!is_aside(1) && pagemap_hot(many[1]));
	empty_slabs();
}

TEST(a_small_parent_does_nothing)
{
	struct object *o = loam_malloc(SIZE);
	pid_t pid;
	int end[2];

	loam_malloc_trim(0);
	REQUIRE(load_relaxed(&retain_live) < LARGE_BYTES);
	REQUIRE(pipe(end) == 0);
	fork_prepare();
	pid = fork();
	if (pid == 0)
		_exit(0);
	fork_parent();
	EXPECT(!load_relaxed(&shared_pages_aside));
	EXPECT_EQ(mine.cache->owed, 0);
	take_slow_path();
	EXPECT(pagemap_hot(o) != 0);
	waitpid(pid, NULL, 0);
	loam_free(o);
}

/* To take them back it would write to what it shares. */
TEST(a_child_leaves_aside_what_it_inherits_until_memory_is_wanted)
{
	int status = -1, end;
	pid_t pid, other;

	pid = fork_with_slabs_aside(&end);
	other = fork();
	if (other == 0) {
		fork_child();
		look_again();
		if (!is_aside(1))
			_exit(1);
		loam_malloc_trim(0);
		_exit(is_aside(1) || !loam_check() ? 2 : 0);
	}
	waitpid(other, &status, 0);
	EXPECT_EQ(status, 0);
	EXPECT(is_aside(1));
	end_child(pid, end);
	look_again();
	EXPECT(!is_aside(1));
	empty_slabs();
}

/* It was not while they were aside, and nothing may be freed there for long. */
TEST(what_is_free_in_slabs_that_come_back_is_retained)
{
	size_t retained;
	pid_t pid;
	int end;

	if (os_page_size() > ORDER_BYTES(2))
		test_skip("each page of such a slab holds what is left");
	options.retain_floor = GIB;
	pid = fork_with_slabs_aside(&end);
	for (size_t i = 0; i < 16 * KIB; i++)
		if (i % 1024) {
			loam_free(many[i]);
			many[i] = NULL;
		}
	retained = load_relaxed(&retain_retained);
	end_child(pid, end);
	look_again();
	EXPECT(!is_aside(0));
	EXPECT(load_relaxed(&retain_retained) > retained + 16 * KIB * SIZE / 2);
	empty_slabs();
}

/* The lock is let go between steps. */
TEST(slabs_are_set_aside_and_taken_back_in_steps)
{
	struct slabs *ss = arena_main.slabs;
	unsigned steps = 1;

	fill_slabs();
	REQUIRE(ring_lock_this(&arena_main));
	EXPECT(slabs_set_aside(ss));
	while (slabs_set_aside(ss))
		steps++;
	EXPECT(steps >= LARGE_BYTES / (64 * KIB) / 64);
	EXPECT(is_aside(0) && is_aside(LARGE_BYTES / SIZE - 1));
	EXPECT(slabs_take_back(ss));
	while (slabs_take_back(ss))
		;
	ring_unlock(&arena_main);
	EXPECT(!is_aside(0) && !is_aside(LARGE_BYTES / SIZE - 1));
	empty_slabs();
}

TEST(a_small_parent_does_nothing_where_an_earlier_child_lives)
{
	int end, other_end;
	pid_t pid, other;

	pid = fork_with_slabs_aside(&end);
	empty_slabs();
	loam_malloc_trim(0);
	REQUIRE(load_relaxed(&retain_live) < LARGE_BYTES);
	other = fork_idle(&other_end);
	EXPECT_EQ(mine.cache->owed & OWED_LOOK, 0);
	end_child(other, other_end);
	end_child(pid, end);
	look_again();
}

/* The child of a handler that forks, as the thread finds it when it goes on. */
static void be_the_child(void)
{
	lock_recover(&arena_main.lock);
	shared_pages_begin();
}

TEST(a_signal_handler_may_fork_while_slabs_are_set_aside)
{
	void (*before)(void) = load_acquire(&lock_before_wait);

	store_relaxed(&arena_main.lock.word, thread_self() + 64); /* so that it waits */
	store_release(&lock_before_wait, be_the_child);
	shared_pages_set_aside();
	store_release(&lock_before_wait, before);
	shared_pages_fork_begins(true); /* waits for nobody */
	shared_pages_fork_ends();
	shared_pages_take_back(true);
	store_relaxed(&shared_pages_due, 0);
	EXPECT(loam_check());
}
