/*
 * Children of a fork at each instruction of what a thread does, with a lock or without: another
 * thread of the child finds the lock and the cache held by one that is not there, as it is for the
 * child of a fork beside a thread in its midst.  What it mends must prove sound, no memory may be
 * lost but what that thread had in hand, or in its cache or its arena where it was changing those,
 * and all can be used.
 *
 * The processor stops behind each instruction (SIGTRAP).  So that it does not take minutes only
 * some are taken of what has many, beginning somewhere else each time; LOAM_TEST_STEPS is how many.
 */
#include "api/fork.h"
#include "base/options.h"
#include "cache/array.h"
#include "cache/caches.h"
#include "cache/depot.h"
#include "cache/upkeep.h"
#include "harden/quarantine.h"
#include "observe/profile.h"
#include "os/alone.h"
#include "pages/huge.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/zone_regions.h"
#include "test.h"

#include <loam/loam.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS_MOST 60

/* What is in use, and what retain.h was told beyond it. */
struct figures {
	intptr_t zone_used, live_more, retained_more;
};

static struct {
	bool counts_only;
	unsigned long steps, stride, first; /* behind each stride-th step, from the first on */
	int (*check)(void);
	struct figures before;
	size_t slack; /* bytes that the operation has in hand at most */
	int failed;   /* exit status of the first child that did not do well */
	unsigned long failed_at;
} step;

static struct figures figures(void)
{
	struct zone_sizes z;
	struct huge_sizes h;
	intptr_t used;

	zone_sizes(&z);
	huge_sizes(&h);
	used = (intptr_t)(z.mapped - z.free_clean - z.free_dirty);
	return (struct figures){
		.zone_used = used,
		.live_more = (intptr_t)(retain_live - h.nbytes) - used,
		.retained_more = (intptr_t)(retain_retained - h.kept - z.free_dirty),
	};
}

static bool near(const char *what, intptr_t now, intptr_t before)
{
	intptr_t slack = (intptr_t)step.slack;

	if (now - before <= slack && before - now <= slack)
		return true;
	dprintf(2, "%s: %jd, before the operation %jd\n", what, (intmax_t)now, (intmax_t)before);
	return false;
}

static int all_is_well(void)
{
	static const size_t sizes[] = {48, 128, 1000, 5000, 50000, 300000, 8000000};

	for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
		size_t nbytes = sizes[i / 2];
		char *mem = loam_malloc(nbytes);

		if (!mem)
			return 1;
		mem[0] = mem[nbytes - 1] = 1;
		loam_free(mem);
	}
	return loam_check() ? 0 : 2;
}

static int memory_is_conserved(void)
{
	struct figures now = figures();

	return near("bytes in use", now.zone_used, step.before.zone_used) &&
			       near("live beyond", now.live_more, step.before.live_more) &&
			       near("retained beyond", now.retained_more, step.before.retained_more)
		       ? 0
		       : 3;
}

static int live_in_child(void)
{
	int result;

	fork_notice();
	result = zone_check() && huge_check() ? memory_is_conserved() : 4;
	return result ? result : step.check();
}

static void *fork_again(void *arg)
{
	int *status = arg;
	pid_t pid = _Fork();

	if (pid == 0) {
		alarm(100);
		_exit(live_in_child());
	}
	waitpid(pid, status, 0);
	return NULL;
}

/* By a thread of its own, which is alone in its child: what this one holds is another's. */
static _Noreturn void child(void)
{
	pthread_t thread;
	int status = -1;

	alarm(100);
	pthread_create(&thread, NULL, fork_again, &status);
	pthread_join(thread, NULL);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 5);
}

static void fork_here(void)
{
	int status = -1;
	pid_t pid = _Fork();

	if (pid == 0)
		child();
	waitpid(pid, &status, 0);
	if (status == 0 || step.failed)
		return;
	step.failed = status;
	step.failed_at = step.steps;
}

static void on_step(int signal)
{
	(void)signal;
	step.steps++;
	if (!step.counts_only && !step.failed && step.steps >= step.first &&
	    (step.steps - step.first) % step.stride == 0)
		fork_here();
}

/* The flag that makes the processor stop behind each instruction. */
static void step_begin(void)
{
	__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
}

static void step_end(void)
{
	__asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}

static unsigned long steps_wanted(void)
{
	const char *text = getenv("LOAM_TEST_STEPS");

	return text ? strtoul(text, NULL, 10) : STEPS_MOST;
}

static void *end_at_once(void *unused)
{
	(void)unused;
	return NULL;
}

/* Without a second thread none but the first could fork, so it takes no locks (os/alone.h). */
static void stop_being_alone(void)
{
	pthread_t thread;

	if (!is_alone())
		return;
	REQUIRE(pthread_create(&thread, NULL, end_at_once, NULL) == 0);
	pthread_join(thread, NULL);
	EXPECT(!is_alone());
}

static void skip_without_steps(void)
{
	if (test_on_valgrind())
		test_skip("valgrind does not stop behind instructions");
}

/* Both must leave things as they were; slack: what the operation has in hand at most. */
static void expect_children(void (*op)(void), size_t slack, int (*check)(void))
{
	struct sigaction action = {.sa_handler = on_step};
	static uint64_t state;

	skip_without_steps();
	stop_being_alone();
	if (!state)
		state = test_seed();
	sigaction(SIGTRAP, &action, NULL);
	op();
	step.counts_only = true;
	step.steps = 0;
	step_begin();
	op();
	step_end();
	step.stride = step.steps / steps_wanted() + 1;
	step.first = 1 + test_random(&state) % step.stride;
	step.counts_only = false;
	step.steps = step.failed_at = 0;
	step.failed = 0;
	step.slack = slack;
	step.check = check;
	step.before = figures();
	step_begin();
	op();
	step_end();
	EXPECT(step.steps > 50);
	EXPECT_EQ(step.failed, 0);
	EXPECT_EQ(step.failed_at, 0);
	EXPECT(loam_check());
}

/* --- the zone ------------------------------------------------------------------------------- */

static void block_of_each_kind(void)
{
	bool clean;
	void *small = zone_alloc(0, &clean), *large = zone_alloc(6, &clean);

	zone_free(small, 0, PAGE_SIZE);
	zone_free(large, 6, 3 * PAGE_SIZE);
}

TEST(blocks_are_taken_and_given_back)
{
	loam_free(loam_malloc(1));
	expect_children(block_of_each_kind, ORDER_BYTES(6) + ORDER_BYTES(0), all_is_well);
}

static void pages_that_grow(void)
{
	bool clean;
	void *mem = zone_alloc_with_room(5, 6, &clean);

	if (zone_extend_pages(mem, 5, 23))
		zone_free_pages(mem, 23);
}

TEST(pages_are_cut_and_extended)
{
	expect_children(pages_that_grow, ORDER_BYTES(6), all_is_well);
}

static char *stretch_held;

static void stretch(void)
{
	bool clean;
	void *mem = zone_alloc_pages(20, 0, &clean);

	CHECK(mem == stretch_held + 3 * PAGE_SIZE);
	zone_free_pages(mem, 20);
}

TEST(stretches_are_taken_and_given_back)
{
	bool clean;

	loam_free(loam_malloc(1));
	stretch_held = zone_alloc(6, &clean);
	zone_purge(SIZE_MAX);
	zone_free_pages(stretch_held + 3 * PAGE_SIZE, 26);
	expect_children(stretch, ORDER_BYTES(5), all_is_well);
}

static void runs_of_another(void)
{
	void *mem[RUNS_SLOTS + 1];
	struct arena *own = mine.cache->arena;

	for (unsigned i = 0; i <= RUNS_SLOTS; i++)
		mem[i] = loam_malloc(50000);
	mine.cache->arena = own == &arena_main ? ring_all : &arena_main;
	mine.cache->ticks = 0; /* so that nothing is due meanwhile */
	for (unsigned i = 0; i <= RUNS_SLOTS; i++)
		loam_free(mem[i]);
	mine.cache->arena = own;
}

TEST(runs_go_from_arena_to_arena)
{
	loam_free(loam_malloc(50000));
	ring_join(1000);
	EXPECT(ring_all != &arena_main);
	expect_children(runs_of_another, 17 * 13 * PAGE_SIZE * 2, all_is_well);
	EXPECT(ring_surplus != NULL);
}

static void scattered_block(void)
{
	bool clean;

	zone_scatter(1);
	zone_free(zone_alloc(0, &clean), 0, 0);
	zone.scatter = 0;
}

TEST(the_upper_half_of_a_block_is_taken)
{
	expect_children(scattered_block, ORDER_BYTES(0), all_is_well);
}

static void dirty_and_purged(void)
{
	bool clean;
	char *mem = zone_alloc(4, &clean);

	memset(mem, 1, ORDER_BYTES(4));
	zone_free(mem, 4, ORDER_BYTES(4));
	zone_purge(SIZE_MAX);
}

TEST(dirty_blocks_are_purged)
{
	expect_children(dirty_and_purged, ORDER_BYTES(4), all_is_well);
}

/* All that is mapped is unmapped, and mapped when it is wanted. */
static void unmapped_and_mapped(void)
{
	bool clean;

	zone_unmap_free(true);
	zone_free(zone_alloc(8, &clean), 8, 0);
}

TEST(regions_come_and_go)
{
	expect_children(unmapped_and_mapped, ORDER_BYTES(10), all_is_well);
}

/* --- a signal handler in the child ----------------------------------------------------------- */

static pthread_barrier_t locked, looked_at;

static void *hold_locks(void *unused)
{
	lock_acquire(&ring_list_lock);
	lock_acquire(&caches_lock);
	lock_acquire(&arena_main.lock);
	lock_acquire(&depot_shelves[0][class_of(1000)].lock);
	lock_acquire(&huge_lock);
	lock_acquire(&zone_lock);
	pthread_barrier_wait(&locked);
	pthread_barrier_wait(&looked_at);
	lock_release(&zone_lock);
	lock_release(&huge_lock);
	lock_release(&depot_shelves[0][class_of(1000)].lock);
	lock_release(&arena_main.lock);
	lock_release(&caches_lock);
	lock_release(&ring_list_lock);
	return unused;
}

/* What takes each of those locks. */
static void allocate_in_handler(int signal)
{
	static const size_t sizes[] = {1000, 20000, 50000, 300000, 8000000};

	(void)signal;
	if (++step.steps % step.stride != step.first)
		return;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		char *mem = loam_malloc(sizes[i]);

		if (mem)
			mem[0] = mem[sizes[i] - 1] = 1;
		loam_free(mem);
	}
}

static _Noreturn void recover_with_handlers(unsigned long first)
{
	struct sigaction action = {.sa_handler = allocate_in_handler};

	alarm(100);
	step.steps = 0;
	step.first = first;
	sigaction(SIGTRAP, &action, NULL);
	step_begin();
	fork_recover();
	step_end();
	_exit(all_is_well());
}

TEST(a_signal_handler_may_interrupt_the_recovery)
{
	pthread_t thread;
	int status;

	skip_without_steps();
	loam_free(loam_malloc(8000000));
	pthread_barrier_init(&locked, NULL, 2);
	pthread_barrier_init(&looked_at, NULL, 2);
	pthread_create(&thread, NULL, hold_locks, NULL);
	pthread_barrier_wait(&locked);
	step.stride = 64;
	for (unsigned long first = 0; first < step.stride; first++) {
		pid_t pid = fork();

		if (pid == 0)
			recover_with_handlers(first);
		waitpid(pid, &status, 0);
		EXPECT_EQ(status, 0);
	}
	pthread_barrier_wait(&looked_at);
	pthread_join(thread, NULL);
}

/* --- huge objects --------------------------------------------------------------------------- */

#define HUGE_BYTES (5 * MIB)

static void huge_objects(void)
{
	char *a, *b;

	a = loam_malloc(HUGE_BYTES);
	b = loam_malloc(HUGE_BYTES + 1);
	a = loam_realloc(a, 2 * HUGE_BYTES);
	loam_free(b);
	loam_free(a);
	huge_purge(HUGE_BYTES);
}

TEST(huge_objects_come_and_go)
{
	void *stays = loam_malloc(HUGE_BYTES);

	expect_children(huge_objects, 4 * HUGE_BYTES, all_is_well);
	loam_free(stays);
	huge_purge(SIZE_MAX);
}

static void huge_with_room(void)
{
	char *mem = huge_alloc_with_room(HUGE_BYTES);
	struct huge *h = (struct huge *)pagemap_get(mem);

	mem = huge_resize(h, HUGE_BYTES + MIB);
	mem = huge_resize(h, HUGE_BYTES);
	huge_unmap_free();
	huge_free((struct huge *)pagemap_get(mem));
	huge_unmap_free();
}

TEST(rooms_are_grown_into_and_cut)
{
	expect_children(huge_with_room, 2 * HUGE_BYTES, all_is_well);
}

/* --- pools ---------------------------------------------------------------------------------- */

struct thing {
	char bytes[300];
};

static struct pool things = POOL_INIT(struct thing);

static void three_things(void)
{
	void *a = pool_alloc(&things), *b = pool_alloc(&things);

	pool_free(&things, a);
	pool_free(&things, b);
	metadata_alloc(20000);
}

/* What a pool hands out is zero, and nobody else's. */
static int pools_are_well(void)
{
	static struct thing *got[100];

	for (int i = 0; i < 100; i++) {
		got[i] = pool_alloc(&things);
		if (!got[i] || got[i]->bytes[0] || got[i]->bytes[299])
			return 6;
		memset(got[i], 1, sizeof *got[i]);
	}
	for (int i = 0; i < 100; i++)
		pool_free(&things, got[i]);
	return all_is_well();
}

TEST(objects_of_pools_come_and_go)
{
	expect_children(three_things, 0, pools_are_well);
}

static void three_arrays(void)
{
	struct object **a = array_alloc(20), **b = array_alloc(20), **c = array_alloc(20);

	array_free(a, 20);
	array_free(c, 20);
	array_free(b, 20);
}

/* No array is handed out twice. */
static int arrays_are_well(void)
{
	static struct object **got[100];

	for (int i = 0; i < 100; i++) {
		got[i] = array_alloc(20);
		if (!got[i])
			return 6;
		for (int k = 0; k < 32; k++)
			got[i][k] = (struct object *)got[i];
	}
	for (int i = 0; i < 100; i++)
		for (int k = 0; k < 32; k++)
			if (got[i][k] != (struct object *)got[i])
				return 7;
	return all_is_well();
}

TEST(arrays_come_and_go)
{
	expect_children(three_arrays, 0, arrays_are_well);
}

/* --- objects of a class: magazines, the depot, slabs
   --------------------------------------------- */

#define OBJECTS 300
#define HELD	50

/* The class of the test's objects; some are in use all the time, and bear their own addresses. */
static size_t size;
static void *kept[HELD], *objects[OBJECTS];
static struct cache *forking;

static void mark(void **mem)
{
	for (size_t i = 0; i < size / sizeof *mem; i++)
		mem[i] = mem;
}

static bool is_marked(void **mem)
{
	for (size_t i = 0; i < size / sizeof *mem; i++)
		if (mem[i] != mem)
			return false;
	return true;
}

static void hold_some(size_t nbytes)
{
	size = nbytes;
	for (int i = 0; i < 1000; i++)
		loam_free(loam_malloc(size));
	for (int i = 0; i < HELD; i++)
		mark(kept[i] = loam_malloc(size));
	forking = mine.cache;
}

static void let_go(void)
{
	for (int i = 0; i < HELD; i++)
		loam_free(kept[i]);
}

/* What is handed out is in use nowhere else: all that the child can have of what was there, and
   more. */
static int none_is_handed_out_twice(void)
{
	static void *got[2000];

	for (int i = 0; i < 2000; i++)
		mark(got[i] = loam_malloc(size));
	for (int i = 0; i < 2000; i++)
		if (!is_marked(got[i]))
			return 6;
	for (int i = 0; i < 2000; i++)
		loam_free(got[i]);
	for (int i = 0; i < HELD; i++)
		if (!is_marked(kept[i]))
			return 7;
	for (int i = 0; i < HELD; i++)
		loam_free(kept[i]); /* of which none is free already */
	cache_flush(mine.cache);
	cache_empty_depot();
	return loam_check() ? 0 : 8;
}

/* The child takes the cache over with what is in it. */
static int objects_are_adopted(void)
{
	if (!forking->lost) {
		if (robust_try(&forking->holder) != ROBUST_HELD || !cache_check(forking))
			return 9;
		mine.cache = forking;
		cache_open_doors(forking);
	}
	return none_is_handed_out_twice();
}

/* All of it goes home, where it is looked at. */
static int objects_go_home(void)
{
	cache_reap_all();
	cache_empty_depot();
	if (!loam_check())
		return 10;
	return none_is_handed_out_twice();
}

static void through_the_fast_path(void)
{
	for (int i = 0; i < 3; i++)
		objects[i] = loam_malloc(size);
	for (int i = 0; i < 3; i++)
		loam_free(objects[i]);
}

/* There the cache is whole at each step. */
static int the_cache_is_whole(void)
{
	struct magazine *m = cache_magazine(forking, class_of(size));
	uint32_t n = magazine_count(m);

	if (forking->lost || n < 3 || !cache_check(forking))
		return 11;
	cache_reap_all();
	return magazine_count(m) ? 12 : none_is_handed_out_twice();
}

TEST(objects_go_through_magazines)
{
	hold_some(128);
	for (int i = 0; i < 10; i++)
		objects[i] = loam_malloc(size);
	for (int i = 0; i < 10; i++)
		loam_free(objects[i]);
	expect_children(through_the_fast_path, 0, the_cache_is_whole);
	expect_children(through_the_fast_path, 0, objects_are_adopted);
	let_go();
}

/* Another thread's objects go into the depot, and come from it. */
static void *allocate_objects(void *unused)
{
	for (int i = 0; i < OBJECTS; i++)
		objects[i] = loam_malloc(size);
	return unused;
}

static void fill_and_spill(void)
{
	for (int i = 0; i < OBJECTS; i++)
		loam_free(objects[i]);
	for (int i = 0; i < OBJECTS; i++)
		objects[i] = loam_malloc(size);
}

static void objects_of_another_thread(size_t nbytes)
{
	pthread_t thread;

	hold_some(nbytes);
	pthread_create(&thread, NULL, allocate_objects, NULL);
	pthread_join(thread, NULL);
	expect_children(fill_and_spill, MIB, objects_go_home);
	expect_children(fill_and_spill, MIB, objects_are_adopted);
	for (int i = 0; i < OBJECTS; i++)
		loam_free(objects[i]);
	let_go();
}

TEST(crates_go_through_the_depot)
{
	objects_of_another_thread(128);
}

static uint32_t n_objects;

/* What the next arrays hold is no crate's. */
static void dirty_arrays(void)
{
	struct object **a = array_alloc(8), **b = array_alloc(16);

	memset(a, 0x11, 8 * sizeof *a);
	memset(b, 0x11, 16 * sizeof *b);
	array_free(a, 8);
	array_free(b, 16);
}

static void crate_put_and_taken(void)
{
	dirty_arrays();
	depot_put((unsigned)class_of(size), (struct object **)objects, 5);
	depot_put((unsigned)class_of(size), (struct object **)objects + 5, 10);
	n_objects = depot_take((unsigned)class_of(size), (struct object **)objects, 10);
	n_objects += depot_take((unsigned)class_of(size), (struct object **)objects + 10, 10);
}

TEST(crates_are_put_and_taken)
{
	hold_some(128);
	for (int i = 0; i < 15; i++)
		slab_set_marks(objects[i] = loam_malloc(size));
	expect_children(crate_put_and_taken, MIB, objects_go_home);
	EXPECT_EQ(n_objects, 15);
	cache_give_home((struct object **)objects, 15);
	let_go();
}

/* The depot takes none that shares lines of cache with others. */
TEST(small_objects_go_home_to_their_slabs)
{
	objects_of_another_thread(32);
}

/* A cache whose thread is gone: another thread gives home what is in it. */
static struct cache *orphan;

static void *leave(void *unused)
{
	hold_some(size);
	orphan = mine.cache;
	return unused;
}

static void flushed_for_another(void)
{
	struct magazine *m = cache_magazine(orphan, class_of(size));

	for (int i = 0; i < 5; i++) {
		struct object *o = loam_malloc(size);

		magazine_push(m, o, slab_mark(o));
	}
	cache_reap_all();
}

TEST(caches_of_threads_that_are_gone_are_flushed)
{
	pthread_t thread;

	size = 128;
	loam_free(loam_malloc(1));
	pthread_create(&thread, NULL, leave, NULL);
	pthread_join(thread, NULL);
	for (int i = 0; i < 1000; i++)
		loam_free(loam_malloc(size));
	forking = orphan;
	expect_children(flushed_for_another, MIB, objects_are_adopted);
	expect_children(flushed_for_another, MIB, objects_go_home);
	let_go();
}

/* --- arenas
   ------------------------------------------------------------------------------------- */

static void *chunks[10];

static void chunks_come_and_go(void)
{
	void *a = loam_malloc(20000), *b = loam_malloc(9000), *c;

	loam_free(a);
	c = loam_memalign(256, 12000);
	b = loam_realloc(b, 15000);
	loam_free(c);
	loam_free(b);
}

/* Chunks in use are whole, and can be freed, whether their arena is used on or not. */
static int chunks_are_well(void)
{
	for (int i = 0; i < 10; i++) {
		char *mem = chunks[i];

		if (mem[0] != i || mem[15999] != i)
			return 6;
		if (i % 2)
			mem = loam_realloc(mem, 20000);
		if (!mem || mem[15999] != i)
			return 7;
		loam_free(mem);
	}
	loam_malloc_trim(0);
	return all_is_well();
}

TEST(chunks_come_and_go_in_an_arena)
{
	for (int i = 0; i < 10; i++)
		memset(chunks[i] = loam_malloc(16000), i, 16000);
	expect_children(chunks_come_and_go, MIB, chunks_are_well);
	for (int i = 0; i < 10; i++)
		loam_free(chunks[i]);
}

static void runs_come_and_go(void)
{
	void *a = loam_malloc(300000), *b = loam_malloc(200000);

	loam_free(a);
	loam_free(b);
	a = loam_malloc(300000);
	a = loam_realloc(a, 100000);
	loam_free(a);
	loam_malloc_trim(0);
}

TEST(runs_come_and_go_in_an_arena)
{
	expect_children(runs_come_and_go, 2 * MIB, all_is_well);
}

static void arena_is_trimmed(void)
{
	for (int i = 0; i < OBJECTS; i++)
		objects[i] = loam_malloc(size);
	for (int i = 0; i < OBJECTS; i++)
		loam_free(objects[i]);
	loam_malloc_trim(0);
}

TEST(arenas_are_trimmed)
{
	hold_some(512);
	expect_children(arena_is_trimmed, 2 * MIB, objects_go_home);
	let_go();
}

/* As if other threads had all of them locked. */
static void lock_all(uintptr_t word)
{
	for (struct arena *a = NULL; (a = ring_next(a));)
		store_relaxed(&a->lock.word, word);
}

static void arena_is_made(void)
{
	struct arena *a = &arena_main;

	lock_all(2);
	if (ring_lock(&a))
		ring_unlock(a);
	lock_all(LOCK_FREE);
}

/* Each has its number, and they can be used, or others made. */
static int ring_is_well(void)
{
	size_t n = ring_count();

	for (const struct arena *a = NULL; (a = ring_next(a)); n--)
		if (a->number != n)
			return 6;
	return n ? 7 : all_is_well();
}

TEST(arenas_are_made)
{
	size_t before = ring_count();

	options.arena_max = 32;
	expect_children(arena_is_made, MIB, ring_is_well);
	EXPECT_EQ(ring_count(), before + 3);
}

/* --- caches
   ------------------------------------------------------------------------------------- */

#define CACHES 2

static int caches_before;

static void bind_some(void)
{
	struct mine before = mine;

	for (int i = 0; i < CACHES; i++) {
		mine.cache = NULL;
		cache_leave(cache_enter());
	}
	mine = before;
}

/* All are on the list and free to be taken, but for one that was just entered. */
static int caches_are_well(void)
{
	int n = 0, lost = 0;

	for (struct cache *c = NULL; (c = cache_next(c)); n++) {
		if (c->lost)
			lost++;
		else if (robust_try(&c->holder) != ROBUST_HELD)
			return 6;
		else
			robust_release(&c->holder);
	}
	if (n < caches_before || lost > 1)
		return 7;
	return all_is_well();
}

static int count_caches(void)
{
	int n = 0;

	for (struct cache *c = NULL; (c = cache_next(c));)
		n++;
	return n;
}

TEST(caches_are_made_and_taken_over)
{
	loam_free(loam_malloc(1));
	for (int i = 0; i < 20; i++)
		bind_some(); /* those of threads that are gone, too */
	caches_before = count_caches();
	expect_children(bind_some, MIB, caches_are_well);
	EXPECT_EQ(count_caches(), caches_before + 3 * CACHES);
}

/* --- harden ----------------------------------------------------------------------------------- */

static size_t left;

static void count_leaving(void *mem, size_t nbytes)
{
	(void)mem;
	left += nbytes;
}

static void quarantined(void)
{
	static char mem[3][64];

	for (int i = 0; i < 3; i++)
		quarantine_put(mem[i], sizeof mem[i], count_leaving);
}

/* No object leaves twice, and at most what was on its way is not there. */
static int quarantine_is_well(void)
{
	size_t held = quarantine_flush(count_leaving);

	return held <= 3 * 64 && held >= 64 ? 0 : 8;
}

TEST(objects_go_into_quarantine_and_out)
{
	REQUIRE(quarantine_start(128));
	expect_children(quarantined, 0, quarantine_is_well);
}

static void sample(void)
{
	void *mem[3];

	for (int i = 0; i < 3; i++)
		mem[i] = sampled_alloc(16, 100);
	for (int i = 0; i < 3; i++)
		if (mem[i])
			sampled_free(mem[i], pagemap_get(mem[i]), "free");
}

/* Objects are still sampled: as many as there are slots, but for the one on its way. */
static int samples_are_well(void)
{
	int got = 0;

	for (int i = 0; i < 1100; i++)
		got += sampled_alloc(16, 100) != NULL;
	return got >= 1020 && got <= 1024 ? 0 : 9;
}

TEST(slots_of_sampled_objects_come_and_go)
{
	options.guard = 1;
	sampled_start();
	expect_children(sample, 0, samples_are_well);
}

/* --- observe ---------------------------------------------------------------------------------- */

static char *profiled[2];

static void profile_some(void)
{
	for (int i = 0; i < 2; i++)
		profile_allocated(profiled[i], 100);
	profile_resized(profiled[0], profiled[0], 200, 50);
	for (int i = 0; i < 2; i++)
		profile_freed(profiled[i]);
}

/* Sums are those of the samples, and the table takes more. */
static int profile_is_well(void)
{
	struct sum sum = {0};
	uint64_t n = 0;

	if (!cache_begin())
		return 10;
	lock_acquire(&profile_lock);
	for (struct site *site = samples.sites; site; site = site->next_all) {
		sum.objects += site->live.objects;
		sum.asked += site->live.asked;
	}
	for (size_t i = 0; i < SAMPLE_HEADS; i++)
		for (struct sample *s = samples.heads[i]; s; s = s->next)
			n++;
	lock_release(&profile_lock);
	cache_end();
	if (n > 2 || n != samples.in_use || sum.objects != samples.live.objects ||
	    sum.asked != samples.live.asked)
		return 11;
	profile_some();
	return samples.in_use == 0 ? 0 : 12;
}

TEST(samples_of_a_profile_come_and_go)
{
	for (int i = 0; i < 2; i++)
		profiled[i] = loam_malloc(100);
	profile_start(16);
	expect_children(profile_some, 0, profile_is_well);
}
