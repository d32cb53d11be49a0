/* The ring: which arena a thread gets while others are locked, how many are made, what a fork
   leaves. */
#include "arena/ring.h"

#include "heap/heap.h"
#include "os/os.h"
#include "os_sim.h"
#include "pages/metadata.h"
#include "pages/nodes.h"
#include "pages/zone.h"
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* The main arena is the only one: the state of the first test, in a child of its own for each. */
static void in_child(void (*body)(void))
{
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		body();
		_exit(test_failures() ? 1 : 0);
	}
	waitpid(child, &status, 0);
	EXPECT_EQ(status, 0);
}

/* A test that has the ring to itself. */
#define TEST_ALONE(name)                                                                           \
	static void name##_alone(void);                                                            \
	TEST(name)                                                                                 \
	{                                                                                          \
		in_child(name##_alone);                                                            \
	}                                                                                          \
	static void name##_alone(void)

static void start(void)
{
	heap_start(0x243f6a8885a308d3);
	slab_start(0x5eed);
	ring_start(true);
	options.arena_max = 8;
}

/* --- another thread that has an arena locked ------------------------------------------------- */

struct holder {
	pthread_t thread;
	pthread_barrier_t barrier;
	struct arena *arena;
};

static void *hold_it(void *arg)
{
	struct holder *h = arg;

	REQUIRE(ring_lock_this(h->arena));
	pthread_barrier_wait(&h->barrier);
	pthread_barrier_wait(&h->barrier);
	ring_unlock(h->arena);
	return NULL;
}

static void hold(struct holder *h, struct arena *a)
{
	h->arena = a;
	pthread_barrier_init(&h->barrier, NULL, 2);
	REQUIRE(pthread_create(&h->thread, NULL, hold_it, h) == 0);
	pthread_barrier_wait(&h->barrier);
}

static void let_go(struct holder *h)
{
	pthread_barrier_wait(&h->barrier);
	pthread_join(h->thread, NULL);
}

/* Makes arenas until there are n, by holding those that there are. */
static void make_arenas(size_t n)
{
	struct holder holders[64];
	size_t held = 0;

	for (struct arena *a = NULL; (a = ring_next(a));)
		hold(&holders[held++], a);
	while (ring_count() < n) {
		struct arena *a = &arena_main, *made = ring_lock(&a);

		REQUIRE(made == ring_next(NULL));
		ring_unlock(made);
		hold(&holders[held++], made);
	}
	while (held)
		let_go(&holders[--held]);
}

/* What a thread that used arena a last gets: that is unlocked again. */
static struct arena *get(struct arena *a)
{
	struct arena *got = ring_lock(&a);

	if (got)
		ring_unlock(got);
	EXPECT(!got || a == got); /* it is noted for the next time */
	return got;
}

/* --- which one ------------------------------------------------------------------------------ */

TEST_ALONE(the_main_arena_is_first_and_has_the_data_segment)
{
	start();
	EXPECT_EQ(ring_count(), 1);
	EXPECT(ring_next(NULL) == &arena_main);
	EXPECT(!ring_next(&arena_main));
	EXPECT_EQ(arena_main.number, 1);
	EXPECT(arena_main.chunks.brk);
	EXPECT(get(&arena_main) == &arena_main);
	EXPECT_EQ(ring_count(), 1);
}

TEST_ALONE(where_addresses_are_dear_there_is_no_heap_by_brk)
{
	os_sim_set_memory_limit(OS_MEMORY_SCARCE - 1);
	ring_start(true);
	EXPECT(!arena_main.chunks.brk);
}

TEST_ALONE(what_is_locked_is_locked_and_unlocked_again)
{
	struct holder h;

	start();
	hold(&h, &arena_main);
	EXPECT(!ring_try(&arena_main));
	let_go(&h);
	EXPECT(ring_try(&arena_main));
	EXPECT(lock_held(&arena_main.lock));
	ring_unlock(&arena_main);
	EXPECT(ring_lock_this(&arena_main));
	EXPECT(lock_held(&arena_main.lock));
	ring_unlock(&arena_main);
}

TEST_ALONE(a_thread_keeps_its_arena_while_that_is_free)
{
	start();
	make_arenas(3);
	for (struct arena *a = NULL; (a = ring_next(a));)
		EXPECT(get(a) == a);
}

/* The ring is 3, 2, 1, and again 3. */
TEST_ALONE(the_next_that_is_not_locked_is_taken_round_the_ring)
{
	struct holder h[2];

	start();
	make_arenas(3);
	hold(&h[0], ring_at(2));
	EXPECT(get(ring_at(2)) == ring_at(1));
	hold(&h[1], ring_at(1));
	EXPECT(get(ring_at(2)) == ring_at(3));
	EXPECT(get(ring_at(1)) == ring_at(3));
	let_go(&h[0]);
	EXPECT(get(ring_at(1)) == ring_at(3));
	let_go(&h[1]);
	hold(&h[0], ring_at(3));
	EXPECT(get(ring_at(3)) == ring_at(2));
	let_go(&h[0]);
	EXPECT_EQ(ring_count(), 3);
}

TEST_ALONE(where_all_are_locked_one_is_made)
{
	struct holder h;
	struct arena *a = &arena_main, *made;

	start();
	hold(&h, &arena_main);
	made = ring_lock(&a);
	EXPECT(made && made != &arena_main);
	EXPECT(a == made);
	EXPECT(lock_held(&made->lock));
	EXPECT_EQ(made->number, 2);
	EXPECT(!made->chunks.brk);
	EXPECT_EQ(ring_count(), 2);
	EXPECT(ring_next(NULL) == made);
	EXPECT(ring_next(made) == &arena_main);
	EXPECT(ring_at(1) == &arena_main);
	EXPECT(ring_at(2) == made);
	EXPECT(arena_check(made));
	ring_unlock(made);
	let_go(&h);
}

/* --- how many ------------------------------------------------------------------------------- */

struct waiter {
	pthread_t thread;
	struct arena *arena, *got;
	bool done;
};

static void *get_it(void *arg)
{
	struct waiter *w = arg;

	w->got = get(w->arena);
	store_release(&w->done, true);
	return NULL;
}

static void get_elsewhere(struct waiter *w, struct arena *a)
{
	*w = (struct waiter){.arena = a};
	REQUIRE(pthread_create(&w->thread, NULL, get_it, w) == 0);
}

static sem_t waiting; /* posted by a thread that is about to wait for its arena */

static void note_wait(void)
{
	sem_post(&waiting);
}

/* With `most` arenas, all of them locked, a thread waits for its own. */
static void expect_wait(size_t most)
{
	void (*before)(void) = load_acquire(&lock_before_wait);
	struct holder h[64];
	struct waiter w;
	size_t n = 0;

	for (struct arena *a = NULL; (a = ring_next(a));)
		hold(&h[n++], a);
	REQUIRE(n == most && n > 1);
	sem_init(&waiting, 0, 0);
	store_release(&lock_before_wait, note_wait);
	get_elsewhere(&w, h[1].arena);
	while (sem_wait(&waiting) != 0)
		;
	store_release(&lock_before_wait, before);
	EXPECT(!load_acquire(&w.done));
	let_go(&h[0]); /* this is not the one that it waits for */
	usleep(20000);
	EXPECT(!load_acquire(&w.done));
	let_go(&h[1]);
	pthread_join(w.thread, NULL);
	EXPECT(w.got == h[1].arena);
	EXPECT_EQ(ring_count(), most);
	while (n > 2)
		let_go(&h[--n]);
}

TEST_ALONE(as_many_are_made_as_the_option_says)
{
	start();
	options.arena_max = 3;
	make_arenas(3);
	expect_wait(3);
}

TEST_ALONE(without_the_option_one_a_processor_are_made)
{
	start();
	options.arena_max = 0;
	make_arenas(os_cpus());
	expect_wait(os_cpus());
}

TEST_ALONE(without_memory_for_one_more_a_thread_waits)
{
	static struct pool filler = {.size = CACHE_LINE};

	start();
	make_arenas(2);
	while (pool_is_ready(&filler))
		REQUIRE(pool_alloc(&filler));
	os_sim_fail_from(1);
	expect_wait(2);
}

/* --- a thread that begins -------------------------------------------------------------------- */

TEST_ALONE(few_threads_begin_with_the_main_arena)
{
	start();
	for (size_t n = 1; n <= RING_THREADS; n++)
		EXPECT(ring_join(n) == &arena_main);
	EXPECT_EQ(ring_count(), 1);
}

TEST_ALONE(where_many_threads_begin_arenas_are_made_for_them)
{
	struct arena *a;

	start();
	a = ring_join(RING_THREADS + 1);
	EXPECT_EQ(ring_count(), 2);
	EXPECT(a == ring_at(2) && load_relaxed(&a->lock.word) == LOCK_FREE);
	for (size_t n = 1; n <= (size_t)2 * RING_THREADS; n++)
		ring_join(n);
	EXPECT_EQ(ring_count(), 2);
	for (size_t n = 0; n < 1000; n++)
		ring_join(n);
	EXPECT_EQ(ring_count(), options.arena_max);
}

TEST_ALONE(each_fifth_thread_begins_with_a_new_arena)
{
	struct arena *a;

	start();
	EXPECT(ring_join(4) == &arena_main);
	a = ring_join(5);
	EXPECT(ring_count() == 2 && a == ring_at(2));
	ring_join(8);
	EXPECT_EQ(ring_count(), 2);
	ring_join(9);
	EXPECT_EQ(ring_count(), 3);
}

TEST_ALONE(threads_that_begin_go_round_the_ring)
{
	struct arena *first;

	start();
	make_arenas(3);
	first = ring_join(1);
	EXPECT(ring_join(1) != first);
	EXPECT(ring_join(1) != first);
	EXPECT(ring_join(1) == first);
}

TEST_ALONE(without_memory_for_an_arena_a_thread_begins_with_another)
{
	static struct pool filler = {.size = CACHE_LINE};

	start();
	while (pool_is_ready(&filler))
		REQUIRE(pool_alloc(&filler));
	os_sim_fail_from(1);
	EXPECT(ring_join(1000) == &arena_main);
	EXPECT_EQ(ring_count(), 1);
}

/* --- nodes ---------------------------------------------------------------------------------- */

static void start_nodes(void)
{
	start();
	options.arena_max = 2;
	nodes_many = true;
}

TEST_ALONE(a_thread_follows_to_an_arena_of_its_node)
{
	struct arena *a = &arena_main, *b = &arena_main;

	start_nodes();
	ring_follow(&a);
	EXPECT(a == &arena_main);
	for (unsigned node = 1; node < 4; node++) { /* more than arena_max: each node has one */
		os_sim_run_on(0, node);
		ring_follow(&a);
		EXPECT_EQ(a->node, node);
		EXPECT(load_relaxed(&a->lock.word) == LOCK_FREE);
		ring_follow(&b);
		EXPECT(a == b);
	}
	EXPECT_EQ(ring_count(), 4);
	os_sim_run_on(0, 0);
	ring_follow(&a);
	EXPECT(a == &arena_main);
}

TEST_ALONE(those_of_other_nodes_are_not_taken)
{
	struct arena *a = &arena_main, *other = &arena_main, *got;
	struct holder h;

	start_nodes();
	os_sim_run_on(0, 1);
	ring_follow(&other);
	os_sim_run_on(0, 0);
	options.arena_max = 3;
	hold(&h, &arena_main);
	got = ring_lock(&a);
	EXPECT(got && got != other && got->node == 0);
	ring_unlock(got);
	let_go(&h);
	os_sim_run_on(0, 1); /* moved, and its arena is locked */
	hold(&h, &arena_main);
	a = &arena_main;
	got = ring_lock(&a);
	EXPECT(got == other && a == other);
	ring_unlock(got);
	let_go(&h);
}

static struct holder holder; /* lets go as soon as one waits */

static void let_go_of_it(void)
{
	let_go(&holder);
}

/* And not for the one that it used before, which another node's threads use. */
TEST_ALONE(a_thread_that_moved_waits_for_an_arena_of_its_node)
{
	struct arena *a = &arena_main, *other = &arena_main;

	start_nodes();
	os_sim_run_on(0, 1);
	ring_follow(&other);
	hold(&holder, other);
	lock_before_wait = let_go_of_it;
	REQUIRE(lock_try(&arena_main.lock)); /* it waits there for nobody */
	lock_release(&arena_main.lock);
	EXPECT(ring_lock_another(&a) == other);
	EXPECT(a == other);
	ring_unlock(other);
}

TEST_ALONE(without_memory_for_one_a_thread_stays)
{
	static struct pool filler = {.size = CACHE_LINE};
	struct arena *a = &arena_main, *got;

	start_nodes();
	while (pool_is_ready(&filler))
		REQUIRE(pool_alloc(&filler));
	os_sim_fail_from(1);
	os_sim_run_on(0, 1);
	ring_follow(&a);
	EXPECT(a == &arena_main);
	got = ring_lock(&a);
	EXPECT(got == &arena_main);
	ring_unlock(got);
}

/* --- fork ----------------------------------------------------------------------------------- */

static void recover(void)
{
	lock_recover(&ring_list_lock);
	ring_retire_locked();
}

static void child_goes_on_without(void)
{
	recover();
	EXPECT(ring_at(2)->retired);
	EXPECT(!ring_at(1)->retired);
	EXPECT(!ring_try(ring_at(2)));
	EXPECT(!ring_lock_this(ring_at(2)));
	EXPECT(get(ring_at(2)) == ring_at(1));
	EXPECT(get(ring_at(1)) == ring_at(1));
}

TEST_ALONE(a_child_never_uses_an_arena_again_that_another_thread_had_locked)
{
	struct holder h;

	start();
	make_arenas(2);
	hold(&h, ring_at(2));
	in_child(child_goes_on_without);
	EXPECT(!ring_at(2)->retired);
	let_go(&h);
	EXPECT(get(ring_at(2)) == ring_at(2));
}

/* In a child, which has no other thread: as if another had it locked. */
static void lock_by_another(struct arena *a)
{
	a->lock.word = 2;
}

/* Whether a thread that used arena a last would wait for one. */
static bool would_wait(struct arena *a)
{
	pid_t child = fork();
	int status;
	bool waits;

	if (child == 0) {
		get(a);
		_exit(0);
	}
	usleep(20000);
	waits = waitpid(child, &status, WNOHANG) == 0;
	if (waits) {
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
	}
	return waits;
}

/* Recovered twice, as in a child of a child: the arena is counted as lost once. */
static void child_makes_one(void)
{
	recover();
	recover();
	EXPECT(get(ring_at(2)) == ring_at(1));
	lock_by_another(ring_at(1));
	EXPECT(get(ring_at(2)) == ring_at(3));
	EXPECT_EQ(ring_count(), 3);
	lock_by_another(ring_at(3));
	EXPECT(would_wait(ring_at(1))); /* two are in use, which is the most */
	EXPECT(would_wait(ring_at(2)));
}

TEST_ALONE(a_child_makes_an_arena_in_place_of_one_that_is_lost)
{
	struct holder h;

	start();
	options.arena_max = 2;
	make_arenas(2);
	hold(&h, ring_at(2));
	in_child(child_makes_one);
	let_go(&h);
}

static void child_has_none(void)
{
	static struct pool filler = {.size = CACHE_LINE};

	recover();
	while (pool_is_ready(&filler))
		REQUIRE(pool_alloc(&filler));
	os_sim_fail_from(1);
	EXPECT(!get(ring_at(1)));
	EXPECT(!get(ring_at(2)));
	os_sim_fail_from(0);
	EXPECT(get(ring_at(1)) == ring_at(3));
}

TEST_ALONE(a_child_without_memory_for_an_arena_has_none)
{
	struct holder h[2];

	start();
	make_arenas(2);
	hold(&h[0], ring_at(1));
	hold(&h[1], ring_at(2));
	in_child(child_has_none);
	let_go(&h[0]);
	let_go(&h[1]);
}

static void child_has_its_own(void)
{
	recover();
	EXPECT(!arena_main.retired);
	EXPECT(lock_held(&arena_main.lock));
	ring_unlock(&arena_main);
	EXPECT(get(&arena_main) == &arena_main);
}

TEST_ALONE(what_the_forking_thread_has_locked_stays_its_own)
{
	start();
	REQUIRE(ring_lock_this(&arena_main));
	in_child(child_has_its_own);
	ring_unlock(&arena_main);
}

static pthread_barrier_t metadata_held;

static void *hold_metadata(void *unused)
{
	lock_acquire(&metadata_lock);
	pthread_barrier_wait(&metadata_held);
	pthread_barrier_wait(&metadata_held);
	lock_release(&metadata_lock);
	return unused;
}

static void child_adds_one(void)
{
	lock_recover(&metadata_lock);
	recover();
	lock_by_another(ring_at(1));
	EXPECT(get(ring_at(1)) == ring_at(2));
}

/* It has the ring locked, and waits for metadata. */
TEST_ALONE(a_child_adds_arenas_though_another_thread_was_adding_one)
{
	struct holder h;
	struct waiter w;
	pthread_t thread;

	start();
	pthread_barrier_init(&metadata_held, NULL, 2);
	REQUIRE(pthread_create(&thread, NULL, hold_metadata, NULL) == 0);
	pthread_barrier_wait(&metadata_held);
	hold(&h, ring_at(1));
	get_elsewhere(&w, ring_at(1));
	while (load_relaxed(&ring_list_lock.word) == LOCK_FREE)
		sched_yield();
	let_go(&h);
	in_child(child_adds_one);
	pthread_barrier_wait(&metadata_held);
	pthread_join(thread, NULL);
	pthread_join(w.thread, NULL);
	EXPECT(w.got == ring_at(2));
}

/* --- many threads --------------------------------------------------------------------------- */

static void *allocate(void *arg)
{
	struct arena *mine = &arena_main;
	uint64_t random = (uintptr_t)arg + 1;

	for (int i = 0; i < 3000; i++) {
		struct arena *a = ring_lock(&mine);
		void *mem;

		REQUIRE(a && a == mine);
		mem = heap_malloc(&a->chunks, test_random(&random) % 2000, NULL);
		EXPECT(mem != NULL);
		if (mem && i % 4)
			heap_free(&a->chunks, mem);
		ring_unlock(a);
	}
	return NULL;
}

TEST_ALONE(threads_never_meet_in_an_arena)
{
	enum { THREADS = 8 };
	pthread_t threads[THREADS];

	start();
	options.arena_max = 3;
	for (uintptr_t i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, allocate, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT(ring_count() <= 3);
	for (struct arena *a = NULL; (a = ring_next(a));) {
		EXPECT(ring_lock_this(a));
		EXPECT(arena_check(a));
		ring_unlock(a);
	}
	EXPECT(zone_check());
}

static void child_makes_one_by_default(void)
{
	alarm(60);
	recover();
	EXPECT(get(ring_at(2)) == ring_at(1));
	lock_by_another(ring_at(1));
	EXPECT(get(ring_at(2)) == ring_at(3));
	EXPECT_EQ(ring_count(), 3);
}

TEST_ALONE(without_the_option_too_a_lost_arena_makes_room_for_another)
{
	struct holder h;

	start();
	options.arena_max = 0;
	make_arenas(os_cpus());
	hold(&h, ring_at(2));
	in_child(child_makes_one_by_default);
	let_go(&h);
}

/* --- the last resort ------------------------------------------------------------------------- */

TEST_ALONE(a_free_object_of_a_larger_class_serves_if_its_size_is_aligned)
{
	bool zero;

	start();
	options.promote_after = 1;
	REQUIRE(ring_lock_this(&arena_main));
	REQUIRE(arena_use(&arena_main, class_of(80)));
	REQUIRE(arena_alloc_hot(&arena_main, class_of(80), GRANULE, 80, &zero));
	ring_unlock(&arena_main);
	EXPECT(!ring_alloc_held(64, 64));
	EXPECT(ring_alloc_held(GRANULE, 64) != NULL);
}
