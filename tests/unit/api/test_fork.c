/*
 * Children: with our handler, as after fork(), and without, as after _Fork() and clone().  A
 * thread that is not there in the child may have held any lock, an arena's too, and may have been
 * in the midst of a call.
 */
#include "api/fork.h"

#include "observe/metrics.h"
#include "observe/record.h"
#include "base/options.h"
#include "cache/caches.h"
#include "cache/depot.h"
#include "cache/upkeep.h"
#include "harden/quarantine.h"
#include "observe/profile.h"
#include "pages/huge.h"
#include "pages/metadata.h"
#include "os/os.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "test.h"

#include <loam/loam.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* fork() runs handlers that libc has registered, and not ours: the core registers none. */
static void expect_child(int (*body)(void), bool handler)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		alarm(100);
		if (handler)
			fork_child();
		_exit(body());
	}
	waitpid(child, &status, 0);
	EXPECT_EQ(status, 0);
}

/* Requests of all sizes are served, hold what they are given, and the heap proves sound. */
static int all_is_well(void)
{
	static const size_t sizes[] = {1, 48, 1000, 5000, 50000, 300000, 8000000};
	char *mem;

	for (int round = 0; round < 100; round++)
		for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
			mem = loam_malloc(sizes[i]);
			if (!mem)
				return 1;
			mem[0] = mem[sizes[i] - 1] = 1;
			loam_free(mem);
		}
	return loam_check() ? 0 : 2;
}

static void *allocate(void *unused)
{
	loam_free(loam_malloc(64));
	(void)unused;
	return mine.cache;
}

static int second_thread_is_first(void)
{
	const struct cache *own = mine.cache;
	pthread_t thread;
	void *its;

	for (int i = 0; i < 3; i++) {
		if (pthread_create(&thread, NULL, allocate, NULL) != 0)
			return 10;
		pthread_join(thread, &its);
		if (!its || its == own)
			return 11;
	}
	return all_is_well() || mine.cache != own;
}

/* The thread that forked may go on with its cache before it notices anything itself. */
TEST(a_child_s_second_thread_takes_no_cache_where_it_notices_first)
{
	loam_free(loam_malloc(64));
	expect_child(second_thread_is_first, false);
}

static int threads_notice_at_once(void)
{
	enum { THREADS = 8 };
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, allocate, NULL) != 0)
			return 10;
	if (all_is_well())
		return 11;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return all_is_well();
}

TEST(threads_of_a_child_that_notice_at_once_mend_it_once)
{
	if (test_emulated)
		test_skip("by the numbers of processes, two threads may begin at once");
	loam_free(loam_malloc(64));
	for (int i = 0; i < 20; i++)
		expect_child(threads_notice_at_once, false);
}

static struct lock *const locks[] = {
	&record_lock, &profile_lock,	&quarantine_lock, &sampled_lock, &ring_list_lock,
	&caches_lock, &arena_main.lock, &huge_lock,	  &zone_lock,	 &metadata_lock};

#define LOCKS (sizeof locks / sizeof locks[0])

static bool none_locked(void)
{
	for (size_t i = 0; i < LOCKS; i++)
		if (load_relaxed(&locks[i]->word) && locks[i] != &arena_main.lock)
			return false;
	for (unsigned sc = 0; sc < CLASSES; sc++)
		if (load_relaxed(&depot_shelves[0][sc].lock.word))
			return false;
	return true;
}

/* As of a signal handler that interrupted its thread: it goes on in the child. */
static int child_holds_the_lock(void)
{
	if (!lock_held(&zone_lock))
		return 1;
	lock_release(&zone_lock);
	return none_locked() ? all_is_well() : 2;
}

TEST(a_lock_that_the_forking_thread_holds_stays_its_own)
{
	loam_free(loam_malloc(1));
	lock_acquire(&zone_lock);
	expect_child(child_holds_the_lock, true);
	lock_release(&zone_lock);
}

static int child_is_free_and_well(void)
{
	return none_locked() ? all_is_well() : 9;
}

TEST(a_child_of_one_thread_is_well)
{
	expect_child(child_is_free_and_well, true);
	expect_child(child_is_free_and_well, false);
	EXPECT_EQ(all_is_well(), 0);
}

/* What a thread that the child has not left behind. */
static struct {
	pthread_barrier_t ready, done;
	struct cache *cache;
	struct arena *arena;
	void *object, *chunk, *run, *huge, *block;
	struct zone_sizes zone; /* before the lock was taken */
	struct lock *lock;
	bool inside; /* a call */
} lost;

#define SIZE	  ((size_t)64)
#define RUN_BYTES ((size_t)300000)

/* The thread gets a magazine for the class, with objects in it. */
static void learn(size_t size)
{
	void *mem[5];

	for (int i = 0; i < 1000; i++)
		loam_free(loam_malloc(size));
	for (int i = 0; i < 5; i++)
		mem[i] = loam_malloc(size);
	for (int i = 0; i < 5; i++)
		loam_free(mem[i]);
}

static void take_lock(void)
{
	if (lost.lock)
		lock_acquire(lost.lock);
	if (lost.inside)
		REQUIRE(cache_enter() == lost.cache);
}

static void give_lock(void)
{
	if (lost.inside)
		cache_leave(lost.cache);
	if (lost.lock)
		lock_release(lost.lock);
}

static void *live(void *unused)
{
	learn(SIZE);
	lost.object = loam_malloc(SIZE);
	lost.chunk = loam_malloc(3000);
	lost.run = loam_malloc(RUN_BYTES);
	lost.huge = loam_malloc(8000000);
	memset(lost.chunk, 5, 3000);
	loam_free(loam_malloc(RUN_BYTES)); /* kept by the arena, as it is by that of who forks */
	lost.cache = mine.cache;
	lost.arena = mine.cache->arena;
	zone_sizes(&lost.zone);
	take_lock();
	pthread_barrier_wait(&lost.ready);
	pthread_barrier_wait(&lost.done);
	give_lock();
	loam_free(lost.object);
	loam_free(lost.chunk);
	loam_free(lost.run);
	loam_free(lost.huge);
	return unused;
}

static void beside_a_thread(int (*body)(void), bool handler, struct lock *lock)
{
	pthread_t thread;

	lost.lock = lock;
	pthread_barrier_init(&lost.ready, NULL, 2);
	pthread_barrier_init(&lost.done, NULL, 2);
	pthread_create(&thread, NULL, live, NULL);
	pthread_barrier_wait(&lost.ready);
	expect_child(body, handler);
	pthread_barrier_wait(&lost.done);
	pthread_join(thread, NULL);
	EXPECT_EQ(all_is_well(), 0);
}

static int free_what_is_lost(void)
{
	if (((char *)lost.chunk)[2999] != 5)
		return 5;
	loam_free(lost.object);
	loam_free(lost.chunk);
	loam_free(lost.run);
	loam_free(lost.huge);
	return all_is_well();
}

/* --- the caches of threads that are not there
   -------------------------------------------------- */

static uint32_t objects_of_lost(void)
{
	return magazine_count(cache_magazine(lost.cache, class_of(SIZE)));
}

/* The lost thread's objects are valid and may be freed; those of its magazines go home. */
static int child_has_the_cache(void)
{
	if (!objects_of_lost() || lost.cache->lost || lost.arena->retired)
		return 3;
	cache_reap_all();
	if (objects_of_lost() || robust_try(&lost.cache->holder) != ROBUST_HELD)
		return 4;
	robust_release(&lost.cache->holder);
	return free_what_is_lost();
}

/* The same where no handler has put things right: the first call does. */
static int child_notices_and_has_it(void)
{
	if (robust_try(&lost.cache->holder) != ROBUST_BUSY)
		return 7;
	fork_notice();
	return child_has_the_cache();
}

TEST(the_cache_of_a_lost_thread_is_nobodys)
{
	beside_a_thread(child_has_the_cache, true, NULL);
	beside_a_thread(child_notices_and_has_it, false, NULL);
}

/* Nothing that is in it is used again. */
static int child_never_uses_the_cache(void)
{
	uint32_t objects = objects_of_lost();

	fork_notice();
	cache_reap_all();
	if (!objects || !lost.cache->lost || objects_of_lost() != objects)
		return 3;
	if (robust_try(&lost.cache->holder) == ROBUST_HELD)
		return 4;
	return free_what_is_lost();
}

TEST(the_cache_of_a_thread_that_was_inside_is_lost)
{
	lost.inside = true;
	beside_a_thread(child_never_uses_the_cache, true, NULL);
	beside_a_thread(child_never_uses_the_cache, false, NULL);
	lost.inside = false;
	EXPECT(!lost.cache->lost);
}

/* --- arenas that were locked
   -------------------------------------------------------------------- */

static size_t retained_in_arenas(void)
{
	struct zone_sizes z;
	struct huge_sizes h;

	zone_sizes(&z);
	huge_sizes(&h);
	return retain_retained - h.kept - z.free_dirty;
}

/* Its objects are valid, and may be freed, which has no effect; nothing comes from there. */
static int child_never_uses_the_arena(void)
{
	struct chunk_heap before;
	void *mem[200];

	fork_notice();
	before = arena_main.chunks;
	if (!arena_main.retired || ring_lock_this(&arena_main))
		return 3;
	for (int i = 0; i < 200; i++)
		if (!(mem[i] = loam_malloc((size_t)i * 100)))
			return 4;
	if (memcmp(&before, &arena_main.chunks, sizeof before))
		return 7;
	for (int i = 0; i < 200; i++)
		loam_free(mem[i]);
	loam_malloc_trim(0);
	if (retained_in_arenas() > 256 * KIB)
		return 9;
	return mine.cache->arena == &arena_main ? 8 : free_what_is_lost();
}

TEST(an_arena_that_a_lost_thread_had_locked_is_retired)
{
	beside_a_thread(child_never_uses_the_arena, true, &arena_main.lock);
	beside_a_thread(child_never_uses_the_arena, false, &arena_main.lock);
	EXPECT(!arena_main.retired);
}

/* --- locks
   -------------------------------------------------------------------------------------- */

static int child_is_locked_out_of_nothing(void)
{
	fork_notice();
	return child_is_free_and_well();
}

TEST(a_child_goes_on_whatever_lock_was_held)
{
	for (size_t i = 0; i < LOCKS; i++) {
		beside_a_thread(child_is_locked_out_of_nothing, true, locks[i]);
		beside_a_thread(child_is_locked_out_of_nothing, false, locks[i]);
	}
}

/* What each way into loam finds locked, as the first call of a child that ran no handler. */
static void *in_use[2];

static int child_allocates_a_run(void)
{
	return loam_malloc(RUN_BYTES) ? all_is_well() : 6;
}

static int child_frees_a_run(void)
{
	loam_free(in_use[0]);
	return all_is_well();
}

static int child_frees_a_chunk(void)
{
	loam_free(in_use[1]);
	return all_is_well();
}

static int child_resizes_a_chunk(void)
{
	char *mem = loam_realloc(in_use[1], 4000);

	return mem && mem[2999] == 6 ? all_is_well() : 6;
}

static int child_fills_a_magazine(void)
{
	struct magazine *m = cache_magazine(mine.cache, class_of(SIZE));

	for (uint32_t n = magazine_count(m) + 1; n; n--)
		if (!loam_malloc(SIZE))
			return 6;
	return all_is_well();
}

static void *many[300];

static int child_spills_a_magazine(void)
{
	for (int i = 0; i < 300; i++)
		loam_free(many[i]);
	return all_is_well();
}

static int child_calls_calloc(void)
{
	return loam_calloc(1, 9000000) ? all_is_well() : 8;
}

static int child_trims(void)
{
	loam_malloc_trim(0);
	return all_is_well();
}

TEST(who_waits_for_a_lost_thread_notices)
{
	learn(SIZE);
	in_use[0] = loam_malloc(RUN_BYTES);
	in_use[1] = loam_malloc(3000);
	memset(in_use[1], 6, 3000);
	for (int i = 0; i < 300; i++)
		many[i] = loam_malloc(SIZE);
	beside_a_thread(child_allocates_a_run, false, &arena_main.lock);
	beside_a_thread(child_frees_a_run, false, &arena_main.lock);
	beside_a_thread(child_frees_a_chunk, false, &arena_main.lock);
	beside_a_thread(child_resizes_a_chunk, false, &arena_main.lock);
	beside_a_thread(child_fills_a_magazine, false, &arena_main.lock);
	beside_a_thread(child_spills_a_magazine, false, &depot_shelves[0][class_of(SIZE)].lock);
	beside_a_thread(child_calls_calloc, false, &huge_lock);
	beside_a_thread(child_trims, false, &caches_lock);
	beside_a_thread(child_trims, false, &arena_main.lock);
	loam_free(in_use[0]);
	loam_free(in_use[1]);
	for (int i = 0; i < 300; i++)
		loam_free(many[i]);
}

/* What the parent had free is free here, and all that it mapped serves before more is. */
static int child_uses_the_parents_free_blocks(void)
{
	struct zone_sizes now;
	bool clean;

	fork_notice();
	zone_sizes(&now);
	if (lost.zone.free_dirty < ORDER_BYTES(5) || now.mapped != lost.zone.mapped ||
	    now.free_dirty != lost.zone.free_dirty || now.free_clean != lost.zone.free_clean ||
	    now.regions != lost.zone.regions)
		return 10;
	for (size_t got = 0; got < now.free_dirty + now.free_clean; got += PAGE_SIZE)
		if (!zone_alloc(0, &clean))
			return 11;
	zone_sizes(&now);
	if (now.mapped != lost.zone.mapped || now.free_dirty + now.free_clean)
		return 12;
	zone_free(lost.block, ORDERS - 1, REGION_SIZE);
	zone_sizes(&now);
	return now.free_dirty == REGION_SIZE ? all_is_well() : 13;
}

TEST(a_child_has_the_free_blocks_of_a_zone_that_was_locked)
{
	bool clean;
	void *block = zone_alloc(5, &clean);

	lost.block = zone_alloc(ORDERS - 1, &clean);
	REQUIRE(block && lost.block);
	memset(block, 1, ORDER_BYTES(5));
	zone_free(block, 5, ORDER_BYTES(5));
	beside_a_thread(child_uses_the_parents_free_blocks, false, &zone_lock);
	beside_a_thread(child_uses_the_parents_free_blocks, true, &zone_lock);
	zone_free(lost.block, ORDERS - 1, 0);
}

static void *huge_before;

/* Kept mappings serve, objects that were there can be freed and are kept in turn. */
static int child_uses_the_parents_huge_objects(void)
{
	struct huge_sizes before, now;
	void *mem;

	fork_notice();
	huge_sizes(&before);
	if (!before.kept || !before.count || !huge_check())
		return 14;
	mem = huge_alloc(6 * MIB, PAGE_SIZE, &(bool){false});
	loam_free(huge_before);
	huge_sizes(&now);
	return mem && now.count == before.count && now.kept == before.kept ? all_is_well() : 15;
}

TEST(a_child_has_the_huge_objects_of_a_table_that_was_locked)
{
	size_t floor = options.retain_floor;
	void *kept[3];

	options.retain_floor = GIB;
	for (int i = 0; i < 3; i++)
		kept[i] = loam_malloc(6 * MIB);
	huge_before = loam_malloc(6 * MIB);
	for (int i = 0; i < 3; i++)
		loam_free(kept[i]);
	beside_a_thread(child_uses_the_parents_huge_objects, true, &huge_lock);
	loam_free(huge_before);
	options.retain_floor = floor;
}

static int child_of_child(void)
{
	expect_child(all_is_well, true);
	expect_child(all_is_well, false);
	return test_failures() ? 6 : all_is_well();
}

static char metrics_file[64];
static bool metrics_end;

static void *write_metrics(void *unused)
{
	while (!load_relaxed(&metrics_end))
		metrics_finish();
	return unused;
}

static int child_writes_metrics(void)
{
	char file[80];

	metrics_finish();
	snprintf(file, sizeof file, "%s/%d", test_folder(), getpid());
	return unlink(file) == 0 ? 0 : 1;
}

/* In nearly all of these a thread that is not in the child was writing them. */
TEST(a_child_writes_metrics_though_another_thread_was_at_it)
{
	pthread_t writer;

	snprintf(metrics_file, sizeof metrics_file, "%s/%%p", test_folder());
	metrics_start(metrics_file);
	REQUIRE(pthread_create(&writer, NULL, write_metrics, NULL) == 0);
	for (int i = 0; i < 20; i++)
		expect_child(child_writes_metrics, true);
	store_relaxed(&metrics_end, true);
	pthread_join(writer, NULL);
	upkeep_look = NULL;
}

TEST(children_have_children)
{
	expect_child(child_of_child, true);
	expect_child(child_of_child, false);
}

static bool stop;

/* Small objects go round between the threads, and so through the depot. */
static void *churn(void *arg)
{
	static void *shared[256];

	for (size_t i = 1; !load_relaxed(&stop); i++) {
		char *mem = loam_malloc(i * 7919 % 200000 + 1);
		void *small = loam_malloc(SIZE + 16 * (i % 4));

		mem[0] = 1;
		loam_free(mem);
		loam_free(__atomic_exchange_n(&shared[i * 31 % 256], small, __ATOMIC_ACQ_REL));
	}
	return arg;
}

TEST(children_of_busy_threads_are_well)
{
	enum { THREADS = 3 };
	pthread_t threads[THREADS];

	store_relaxed(&stop, false);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, churn, NULL);
	for (int i = 0; i < 30; i++) {
		expect_child(all_is_well, i % 2);
		sched_yield();
	}
	store_relaxed(&stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT(loam_check());
}
