/*
 * Children of a fork at each instruction of what is done under a lock: another thread of the child finds
 * the lock held by one that is not there, as it is for the child of a fork beside a thread in its midst.  What
 * it mends must prove sound, no memory may be lost but what that thread had in hand, and all can be used.
 *
 * The processor stops behind each instruction (SIGTRAP).  So that it does not take minutes only some are taken of what has
 * many, beginning somewhere else each time; LOAM_TEST_STEPS is how many.
 */
#include "api/fork.h"
#include "arena/magazine.h"
#include "arena/registry.h"
#include "base/options.h"
#include "harden/quarantine.h"
#include "harden/sampled.h"
#include "pages/huge.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "test.h"

#include <loam/loam.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS_MOST 100

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

static void *live_in_child(void *arg)
{
	int *result = arg;

	fork_notice();
	*result = zone_check() && huge_check() ? memory_is_conserved() : 4;
	if (!*result)
		*result = step.check();
	return NULL;
}

/* A thread of its own, so that what this one holds is another's. */
static _Noreturn void child(void)
{
	pthread_t thread;
	int result = 5;

	alarm(20);
	pthread_create(&thread, NULL, live_in_child, &result);
	pthread_join(thread, NULL);
	_exit(result);
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

static void skip_without_steps(void)
{
	const char *preload = getenv("LD_PRELOAD");

	if (preload && strstr(preload, "vgpreload"))
		test_skip("valgrind does not stop behind instructions");
}

/* Both must leave things as they were; slack: what the operation has in hand at most. */
static void expect_children(void (*op)(void), size_t slack, int (*check)(void))
{
	struct sigaction action = {.sa_handler = on_step};
	static uint64_t state;

	skip_without_steps();
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

static void scattered_block(void)
{
	bool clean;

	zone_scatter(1);
	zone_free(zone_alloc(0, &clean), 0, 0);
	zone_scatter(0);
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
	lock_acquire(&depot_lock);
	lock_acquire(&huge_lock);
	lock_acquire(&zone_lock);
	pthread_barrier_wait(&locked);
	pthread_barrier_wait(&looked_at);
	lock_release(&zone_lock);
	lock_release(&huge_lock);
	lock_release(&depot_lock);
	return unused;
}

/* What takes each of those locks. */
static void allocate_in_handler(int signal)
{
	static const size_t sizes[] = {1000, 50000, 300000, 8000000};

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

	alarm(20);
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

/* --- the depot and the registry --------------------------------------------------------------- */

#define OBJECTS 300
#define SIZE	((size_t)128)

static void *objects[OBJECTS];

static void *allocate_objects(void *unused)
{
	for (int i = 0; i < OBJECTS; i++)
		objects[i] = loam_malloc(SIZE);
	return unused;
}

/* Another thread's objects go into the depot, and come from it. */
static void through_the_depot(void)
{
	for (int i = 0; i < OBJECTS; i++)
		loam_free(objects[i]);
	for (int i = 0; i < OBJECTS; i++)
		objects[i] = loam_malloc(SIZE);
}

TEST(crates_go_through_the_depot)
{
	pthread_t thread;

	for (int i = 0; i < OBJECTS; i++)
		loam_free(loam_malloc(SIZE));
	pthread_create(&thread, NULL, allocate_objects, NULL);
	pthread_join(thread, NULL);
	expect_children(through_the_depot, MIB, all_is_well);
}

/* A class that was never used. */
static void place_given(void)
{
	static unsigned unused = CLASSES;

	magazine_of(arena_main.hot, --unused);
}

/* No two classes have the same place, and all have one. */
static int places_are_distinct(void)
{
	bool taken[CLASSES + 1] = {true};

	for (int i = 0; i < 1000; i++)
		loam_free(loam_malloc(SIZE));
	for (unsigned class = 0; class < CLASSES; class ++) {
		magazine_of(arena_mine->hot, class);
		if (magazine_place[class] > CLASSES || taken[magazine_place[class]])
			return 7;
		taken[magazine_place[class]] = true;
	}
	return all_is_well();
}

TEST(classes_get_places)
{
	for (int i = 0; i < 1000; i++)
		loam_free(loam_malloc(SIZE));
	expect_children(place_given, MIB, places_are_distinct);
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
