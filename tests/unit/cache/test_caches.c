/* The list of thread caches: whose each is, what a new thread adopts, and what becomes of those
   whose thread is gone. */
#include "cache/caches.h"

#include "api/fork.h"
#include "os_sim.h"
#include "pages/metadata.h"
#include "threads.h"

#include <linux/futex.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 64 };

/* Some thread's cache, as it is when that begins. */
static void *begin(void *ret_cache)
{
	loam_free(loam_malloc(100));
	*(struct cache **)ret_cache = mine.cache;
	return NULL;
}

static struct cache *cache_of_new_thread(void)
{
	struct cache *c;

	in_thread(begin, &c);
	return c;
}

static size_t count_caches(void)
{
	size_t n = 0;

	for (struct cache *c = NULL; (c = cache_next(c));)
		n++;
	return n;
}

/* --- whose a cache is ------------------------------------------------------------------------ */

TEST(a_thread_gets_a_cache_by_its_first_slow_path)
{
	EXPECT(!mine.cache);
	loam_free(loam_malloc(1));
	EXPECT(mine.cache != NULL);
	EXPECT(cache_next(NULL) == mine.cache);
	EXPECT(!cache_next(mine.cache));
	EXPECT(mine.cache->arena == &arena_main);
	EXPECT(!mine.cache->inside && !mine.inside);
}

/* What another thread does while this one holds the lock of the list; it posts `done` at its end,
   or before it waits for the lock. */
static sem_t locked, done;
static _Atomic bool waited;

static void note_wait(void)
{
	waited = true;
	sem_post(&done);
}

static void *look_at_all(void *unused)
{
	loam_free(loam_malloc(1));
	sem_post(&done); /* it has its cache */
	sem_wait(&locked);
	cache_begin();
	for (int i = 0; i < 100; i++)
		cache_reap_next();
	cache_reap_all();
	cache_end();
	sem_post(&done);
	return unused;
}

/* Both live. Else each tick of a thread, and its start, would wait for those of all others. */
TEST(no_lock_is_taken_to_see_that_threads_live)
{
	void (*before)(void) = lock_before_wait;
	pthread_t thread;

	sem_init(&done, 0, 0);
	sem_init(&locked, 0, 0);
	pthread_create(&thread, NULL, look_at_all, NULL);
	sem_wait(&done);
	lock_acquire(&caches_lock);
	lock_before_wait = note_wait;
	sem_post(&locked);
	sem_wait(&done);
	lock_release(&caches_lock);
	pthread_join(thread, NULL);
	lock_before_wait = before;
	EXPECT(!waited);
}

TEST(a_thread_adopts_what_one_left_that_is_gone)
{
	struct cache *first = cache_of_new_thread();

	EXPECT(first && first != mine.cache);
	for (int i = 0; i < 100; i++)
		EXPECT(cache_of_new_thread() == first);
	EXPECT_EQ(count_caches(), 2);
}

static void *leave_ten(void *ret_newest)
{
	struct magazine *m = learned(SIZE);
	void *objects[10];

	for (int i = 0; i < 10; i++)
		objects[i] = loam_malloc(SIZE);
	for (int i = 0; i < 10; i++)
		loam_free(objects[i]);
	*(void **)ret_newest = *m->last;
	return NULL;
}

static void *take_one(void *ret_object)
{
	loam_free(loam_malloc(3000));					/* a slow path */
	EXPECT(mine.libc.magazines == mine.cache->magazines->magazine); /* the fast path has it */
	*(void **)ret_object = loam_malloc(SIZE);
	loam_free(*(void **)ret_object);
	return NULL;
}

TEST(it_adopts_what_is_in_the_cache_too)
{
	void *left = NULL, *taken = NULL;

	in_thread(leave_ten, &left);
	EXPECT(left);
	in_thread(take_one, &taken);
	EXPECT(taken == left);
}

TEST(threads_at_once_have_caches_of_their_own)
{
	enum { THREADS = 20 };
	struct stayer stayers[THREADS];

	for (int i = 0; i < THREADS; i++) {
		stayer_begin(&stayers[i]);
		EXPECT(stayers[i].cache != mine.cache);
		for (int j = 0; j < i; j++)
			EXPECT(stayers[i].cache != stayers[j].cache);
	}
	for (int i = 0; i < THREADS; i++)
		stayer_end(&stayers[i]);
}

/* Threads that live on stand in the way of those that are looked for. */
enum { LIVING = 200, RECENT = 32, LOOKS = 16 };

static struct stayer living[LIVING];

TEST(the_last_32_threads_caches_are_looked_at_first_and_then_16_others)
{
	struct cache *oldest = NULL;
	struct stayer more[LIVING / LOOKS + 2];
	int n = 0;

	for (int i = 0; i < LIVING; i++)
		stayer_begin(&living[i]);
	stayer_end(&living[LIVING - 2]);
	stayer_end(&living[LIVING - 5]);
	stayer_begin(&more[0]);
	EXPECT(more[0].cache == living[LIVING - 2].cache); /* the newest */
	stayer_begin(&more[1]);
	EXPECT(more[1].cache == living[LIVING - 5].cache);
	stayer_end(&living[LIVING - RECENT + 2]); /* two came since */
	stayer_begin(&living[LIVING - 2]);
	EXPECT(living[LIVING - 2].cache == living[LIVING - RECENT + 2].cache);
	oldest = living[0].cache;
	stayer_end(&living[0]);
	for (n = 2; n < LIVING / LOOKS + 2; n++) {
		stayer_begin(&more[n]);
		if (more[n].cache == oldest)
			break;
	}
	EXPECT(n < LIVING / LOOKS + 2);
	for (int i = 0; i <= n && i < LIVING / LOOKS + 2; i++)
		stayer_end(&more[i]);
	for (int i = 1; i < LIVING; i++)
		if (i != LIVING - 5 && i != LIVING - RECENT + 2)
			stayer_end(&living[i]);
}

static void *end_inside(void *ret_cache)
{
	learned(SIZE);
	loam_free(loam_malloc(SIZE));
	*(struct cache **)ret_cache = cache_enter();
	return NULL;
}

/* As by asynchronous cancellation: what the thread was changing may be half changed. */
TEST(a_cache_whose_thread_ended_inside_is_never_used_again)
{
	struct cache *broken;
	uint32_t held;

	in_thread(end_inside, &broken);
	held = magazine_count(cache_magazine(broken, class_of(SIZE)));
	EXPECT(held > 0);
	EXPECT(cache_of_new_thread() != broken);
	cache_reap_all();
	EXPECT(broken->lost);
	EXPECT_EQ(magazine_count(cache_magazine(broken, class_of(SIZE))), held);
	EXPECT(cache_of_new_thread() != broken);
	magazine_drop(cache_magazine(broken, class_of(SIZE)), held); /* for the tests that follow */
}

/* Refused, or the program's own. */
static void forget_robust_list(void)
{
	static struct robust_list_head none = {.list = {&none.list}};

	syscall(SYS_set_robust_list, &none, sizeof none);
}

TEST(a_cache_that_the_kernel_did_not_mark_is_adopted_too)
{
	struct stayer a, b, c, d;

	start_anew();
	stayer_begin(&a);
	stayer_begin(&b);
	a.before_the_end = b.before_the_end = forget_robust_list;
	stayer_end(&a);
	stayer_end(&b);
	stayer_begin(&c);
	EXPECT(c.cache == b.cache); /* the newest is asked for in any case */
	stayer_begin(&d);
	EXPECT(d.cache == a.cache); /* and now all are */
	stayer_end(&c);
	stayer_end(&d);
}

TEST(a_cache_that_the_kernel_did_not_mark_is_reaped_too)
{
	struct stayer a;

	start_anew();
	stayer_begin(&a);
	a.before_the_end = forget_robust_list;
	stayer_end(&a);
	a.cache->flushes--;
	cache_reap_all();
	EXPECT(!cache_is_asked_to_flush(a.cache));
	EXPECT(cache_of_new_thread() == a.cache);
}

static void *served_without_memory(void *unused)
{
	(void)unused;
	os_sim_fail_from(1);
	for (int i = 0; i < 100; i++)
		if (!loam_malloc(1000000))
			break;
	EXPECT(!loam_malloc(8000000));
	os_sim_fail_from(0);
	loam_free(loam_malloc(8000000));
	return NULL;
}

TEST(a_thread_without_memory_is_served_when_there_is_some)
{
	in_thread(served_without_memory, NULL);
	EXPECT(loam_check());
}

/* Every other cache is somebody's, and there is no memory for another. */
static void *share(void *unused)
{
	struct cache *c = cache_enter();
	bool in_list = false;

	(void)unused;
	for (struct cache *d = NULL; (d = cache_next(d));)
		in_list |= c == d;
	EXPECT(!in_list);
	EXPECT(!mine.cache);
	cache_leave(c);
	os_sim_fail_from(0);
	for (int i = 0; i < 1000; i++) /* there would be memory for them */
		EXPECT(!cache_learn(c, class_of(SIZE)));
	EXPECT(!c->magazines);
	return NULL;
}

TEST(a_thread_without_memory_for_a_cache_shares_one_without_magazines)
{
	static struct stayer stayers[20 + LIVING];
	struct pool *hog = &(struct pool)POOL_INIT(struct cache);
	size_t n = 0;

	while (n < sizeof stayers / sizeof *stayers) /* then all are in use */
		stayer_begin(&stayers[n++]);
	os_sim_fail_from(1);
	while (pool_alloc(hog))
		;
	in_thread(share, NULL);
	os_sim_fail_from(0);
	while (n)
		stayer_end(&stayers[--n]);
	cache_reap_all(); /* they are counted until then */
}

/* --- what is asked of all, and of those that are gone ---------------------------------------- */

static void *flush_when_asked(void *arg)
{
	sem_t *sems = arg;

	filled(SIZE, 20);
	mine.cache->owed = 0; /* whatever was due by time */
	cache_open_doors(mine.cache);
	sem_post(&sems[0]);
	while (sem_wait(&sems[1]) != 0)
		;
	loam_free(loam_malloc(SIZE)); /* the fast path */
	EXPECT(magazine_count(cache_magazine(mine.cache, class_of(SIZE))) >= 20);
	loam_free(loam_malloc(5000));
	EXPECT_EQ(magazine_count(cache_magazine(mine.cache, class_of(SIZE))), 0);
	return NULL;
}

TEST(all_that_are_asked_flush_at_their_next_slow_path)
{
	struct magazine *own;
	pthread_t thread;
	sem_t sems[2];

	sem_init(&sems[0], 0, 0);
	sem_init(&sems[1], 0, 0);
	pthread_create(&thread, NULL, flush_when_asked, sems);
	while (sem_wait(&sems[0]) != 0)
		;
	own = filled(SIZE, 20);
	cache_ask_all_to_flush();
	sem_post(&sems[1]);
	pthread_join(thread, NULL);
	EXPECT_EQ(magazine_count(own), 20);
	own->fills = 1; /* a sweep leaves it */
	loam_free(loam_malloc(5000));
	EXPECT_EQ(magazine_count(own), 0);
}

TEST(a_living_threads_cache_is_not_reaped_and_one_that_is_gone_is)
{
	struct cache *gone;
	struct magazine *own;
	struct stayer stayer;
	size_t caches;

	stayer_begin(&stayer);
	own = filled(SIZE, 20);
	in_thread(leave_twenty, &gone);
	own = filled(SIZE, 20); /* learned() reaps */
	in_thread(leave_twenty, &gone);
	EXPECT_EQ(magazine_count(cache_magazine(gone, class_of(SIZE))), 20);
	caches = count_caches();
	for (size_t i = 0; i < caches; i++)
		cache_reap_next();
	EXPECT_EQ(magazine_count(cache_magazine(gone, class_of(SIZE))), 0);
	EXPECT_EQ(magazine_count(own), 20);
	EXPECT(cache_of_new_thread() == gone);
	EXPECT(loam_check());
	in_thread(leave_twenty, &gone);
	cache_reap_all();
	EXPECT_EQ(magazine_count(cache_magazine(gone, class_of(SIZE))), 0);
	EXPECT_EQ(magazine_count(own), 20);
	stayer_end(&stayer);
}

/* Else a program whose threads mostly live looks for minutes. */
TEST(a_look_goes_past_threads_that_live_and_caches_that_are_empty)
{
	enum { STAYERS = 10 };
	struct stayer stayers[STAYERS];
	struct cache *gone;

	if (test_emulated)
		test_skip("the emulator marks no mutex, and one thread alone is asked for");
	for (int i = 0; i < STAYERS / 2; i++)
		stayer_begin(&stayers[i]);
	in_thread(leave_twenty, &gone);
	for (int i = STAYERS / 2; i < STAYERS; i++)
		stayer_begin(&stayers[i]);
	in_thread(leave_twenty, &gone);
	for (size_t looks = 0; looks <= count_caches() / 16; looks++)
		cache_reap_next();
	EXPECT_EQ(magazine_count(cache_magazine(gone, class_of(SIZE))), 0);
	EXPECT(load_relaxed(&gone->reaped));
	in_thread(leave_twenty, &gone); /* adopts it */
	EXPECT(!load_relaxed(&gone->reaped));
	for (int i = 0; i < STAYERS; i++)
		stayer_end(&stayers[i]);
	cache_reap_all();
	EXPECT_EQ(magazine_count(cache_magazine(gone, class_of(SIZE))), 0);
}

TEST(once_many_threads_have_ended_magazines_grow_as_before)
{
	size_t n = 16 * os_cpus();
	struct stayer *stayers = calloc(n, sizeof *stayers);

	REQUIRE(stayers);
	start_anew();
	for (size_t i = 0; i < n; i++)
		stayer_begin(&stayers[i]);
	EXPECT(magazine_is_short(MAGAZINES_BYTES / 8));
	for (size_t i = 0; i < n; i++)
		stayer_end(&stayers[i]);
	cache_reap_all();
	EXPECT(!magazine_is_short(MAGAZINES_BYTES / 8));
	cache_of_new_thread(); /* which adopts one of these */
	cache_reap_all();
	EXPECT(!magazine_is_short(MAGAZINES_BYTES / 4));
	free(stayers);
}

/* So many threads that each may have an eighth. */
static struct stayer *many_begin(size_t n)
{
	struct stayer *stayers = calloc(n, sizeof *stayers);

	REQUIRE(stayers && n >= 16 * os_cpus());
	start_anew();
	for (size_t i = 0; i < n; i++)
		stayer_begin(&stayers[i]);
	return stayers;
}

static void many_end(struct stayer *stayers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		stayer_end(&stayers[i]);
	free(stayers);
}

static void let_tick(struct cache *c)
{
	cache_note_awake(c, os_clock());
}

TEST(threads_that_sleep_do_not_make_magazines_smaller)
{
	size_t n = 16 * os_cpus();
	struct stayer *stayers = many_begin(n);

	os_sim_advance(AWAKE_TIME);
	let_tick(mine.cache);
	EXPECT(magazine_is_short(MAGAZINES_BYTES / 8)); /* it is not long since they began */
	os_sim_advance(AWAKE_TIME);
	let_tick(mine.cache);
	EXPECT(!magazine_is_short(MAGAZINES_BYTES / 2));
	many_end(stayers, n);
}

TEST(threads_that_slept_count_again_when_they_tick)
{
	size_t n = 16 * os_cpus();
	struct stayer *stayers = many_begin(n);

	os_sim_advance(10 * AWAKE_TIME);
	for (int i = 0; i < 1000; i++)
		let_tick(mine.cache); /* which is one thread, however often */
	EXPECT(!magazine_is_short(MAGAZINES_BYTES / 2));
	for (int period = 0; period < 3; period++) {
		for (size_t i = 0; i < n; i++)
			let_tick(stayers[i].cache);
		EXPECT(magazine_is_short(MAGAZINES_BYTES / 8));
		os_sim_advance(AWAKE_TIME);
	}
	many_end(stayers, n);
}

TEST(a_thread_counts_when_it_begins_and_when_it_ticks)
{
	loam_free(loam_malloc(1));
	os_sim_advance(10 * AWAKE_TIME);
	REQUIRE(cache_enter() == mine.cache);
	cache_tick_slowly(mine.cache);
	cache_leave(mine.cache);
	EXPECT_EQ(mine.cache->awake, os_clock() / AWAKE_TIME + 1);
	EXPECT_EQ(cache_of_new_thread()->awake, os_clock() / AWAKE_TIME + 1);
}

TEST(more_threads_that_can_run_at_once_have_more_shards)
{
	enum { THREADS = 8 };
	struct stayer stayers[THREADS];

	start_anew();
	EXPECT_EQ(shards_now(), 1);
	os_sim_set_cpus(THREADS);
	for (int i = 0; i < THREADS; i++)
		stayer_begin(&stayers[i]);
	EXPECT_EQ(shards_now(), THREADS / SHARD_THREADS);
	for (int i = 0; i < THREADS; i++)
		stayer_end(&stayers[i]);
	cache_reap_all();
	os_sim_set_cpus(2);
	start_anew();
	shards_log = 0;
}

static void *unreadable;
static const struct cache *reaped;
static bool reaped_is_inside;

static void on_fault(int signal)
{
	(void)signal;
	reaped_is_inside = reaped->inside;
	mprotect(unreadable, PAGE_SIZE, PROT_READ | PROT_WRITE);
}

static void *leave_unreadable(void *ret_cache)
{
	unreadable = filled(PAGE_SIZE, 8)->none[1];
	mprotect(unreadable, PAGE_SIZE, PROT_NONE);
	*(struct cache **)ret_cache = mine.cache;
	return NULL;
}

/* A thread that ended, or was left behind by a fork, in the middle of it left the cache half
   changed. */
TEST(a_cache_is_entered_while_it_is_reaped)
{
	struct sigaction action = {.sa_handler = on_fault}, before;
	struct cache *gone, *c;

	start_anew();
	in_thread(leave_unreadable, &gone);
	reaped = gone;
	sigaction(SIGSEGV, &action, &before);
	c = cache_enter();
	cache_reap_all();
	cache_leave(c);
	sigaction(SIGSEGV, &before, NULL);
	EXPECT(reaped_is_inside);
	EXPECT(!gone->inside);
	EXPECT_EQ(magazine_count(cache_magazine(gone, class_of(PAGE_SIZE))), 0);
	EXPECT(loam_check());
}

/* --- fork ------------------------------------------------------------------------------------ */

static int child_of(void (*body)(void *), void *arg)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		body(arg);
		_exit(test_failures() != 0);
	}
	waitpid(child, &status, 0);
	return status;
}

/* What a new thread would get: ThreadSanitizer allows the child of a process with threads no
   thread. */
static struct cache *next_cache(void)
{
	struct mine before = mine;
	struct cache *c;

	mine.cache = NULL;
	c = cache_enter();
	cache_leave(c);
	mine = before;
	return c;
}

static void check_child(void *cache_of_other)
{
	struct cache *c = cache_of_other, *own = mine.cache;

	fork_recover();
	EXPECT(mine.cache == own);
	EXPECT(loam_check());
	EXPECT(robust_try(&own->holder) == ROBUST_BUSY);
	EXPECT(next_cache() == c); /* the thread that had it is not here */
	for (size_t i = 0; i < 1000; i++)
		loam_free(loam_malloc(i * 50));
	EXPECT(loam_check());
}

static void check_child_of_one_inside(void *cache_of_other)
{
	struct cache *c = cache_of_other;

	c->inside = true;
	fork_recover();
	EXPECT(c->lost);
	EXPECT(next_cache() != c);
	EXPECT(loam_check());
}

static void check_child_inside_itself(void *unused)
{
	(void)unused;
	mine.cache->inside = true; /* a handler that interrupted loam forks */
	fork_recover();
	EXPECT(!mine.cache->lost);
	mine.cache->inside = false;
	EXPECT(loam_check());
}

static void check_magazines_of_child(void *unused)
{
	(void)unused;
	EXPECT(magazine_is_short(MAGAZINES_BYTES / 2));
	fork_recover();
	EXPECT(!magazine_is_short(MAGAZINES_BYTES / 2));
}

TEST(magazines_of_a_child_grow_as_those_of_one_thread)
{
	enum { THREADS = 20 };
	struct stayer stayers[THREADS];

	for (int i = 0; i < THREADS; i++)
		stayer_begin(&stayers[i]);
	EXPECT_EQ(child_of(check_magazines_of_child, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		stayer_end(&stayers[i]);
}

TEST(a_child_keeps_its_cache_and_adopts_those_of_threads_that_are_not_there)
{
	struct stayer stayer;

	start_anew();
	stayer_begin(&stayer);
	EXPECT_EQ(child_of(check_child, stayer.cache), 0);
	EXPECT_EQ(child_of(check_child_of_one_inside, stayer.cache), 0);
	EXPECT_EQ(child_of(check_child_inside_itself, NULL), 0);
	stayer_end(&stayer);
	EXPECT(loam_check());
}

/* --- threads without a cache ------------------------------------------------------------------ */

static void *share_at_once(void *unused)
{
	struct cache *c = &cache_shared;

	(void)unused;
	for (int i = 0; i < 20000; i++) {
		REQUIRE(cache_begin());
		store_relaxed(&c->inside, true);
		cache_look(c);
		cache_tick_slowly(c);
		cache_reclaim(c, 1, 0);
		ring_unlock(ring_lock(&c->arena));
		cache_leave(c);
	}
	return NULL;
}

/* Each moves the others to another arena while they hold theirs. */
TEST(threads_use_the_shared_cache_at_once)
{
	pthread_t threads[4];

	start_anew();
	cache_shared.arena = &arena_main;
	for (size_t i = 0; i < 4; i++)
		REQUIRE(pthread_create(&threads[i], NULL, share_at_once, NULL) == 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	EXPECT(loam_check());
}
