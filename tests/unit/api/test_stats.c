/* Statistics: the sums are those of what was allocated, and each line prints. */
#include "arena/ring.h"
#include "api/stats.h"

#include "arena/arena.h"
#include "base/bits.h"
#include "base/options.h"
#include "cache/cache.h"
#include "cache/depot.h"
#include "os/os.h"
#include "os_sim.h"
#include "pages/huge.h"
#include "pages/zone.h"
#include "test.h"

#include <errno.h>
#include <limits.h>
#include <loam/loam.h>
#include <pthread.h>
#include <string.h>

static struct loam_stats collect(void)
{
	struct loam_stats s;

	EXPECT_EQ(loam_stats(&s, sizeof s), 0);
	return s;
}

TEST(each_kind_is_counted_where_it_is)
{
	struct loam_stats before, after;
	void *object, *run, *huge;

	for (size_t i = 0; i <= options.promote_after; i++)
		loam_free(loam_malloc(512));
	before = collect();
	object = loam_malloc(512);
	run = loam_malloc(MIB);
	huge = loam_malloc(8 * MIB);
	after = collect();
	EXPECT_EQ(after.slab_objects, before.slab_objects + 1);
	EXPECT_EQ(after.slab_object_bytes, before.slab_object_bytes + 512);
	EXPECT_EQ(after.runs, before.runs + 1);
	EXPECT_EQ(after.run_bytes, before.run_bytes + MIB);
	EXPECT_EQ(after.huge_objects, before.huge_objects + 1);
	EXPECT_EQ(after.huge_bytes, before.huge_bytes + 8 * MIB);
	EXPECT_EQ(after.live_bytes, before.live_bytes + 512 + 9 * MIB);
	EXPECT_EQ(after.runs_made, before.runs_made + 1);
	EXPECT_EQ(after.huge_made, before.huge_made + 1);
	loam_free(object);
	loam_free(run);
	loam_free(huge);
	after = collect();
	EXPECT_EQ(after.live_bytes, before.live_bytes);
	EXPECT_EQ(after.huge_objects, before.huge_objects);
	EXPECT_EQ(after.kept_run_bytes, before.kept_run_bytes + MIB);
}

TEST(a_run_that_is_resized_is_counted_with_its_new_size)
{
	void *run = loam_malloc(MIB);
	size_t before = collect().run_bytes;

	run = loam_realloc(run, MIB / 2);
	EXPECT_EQ(collect().run_bytes, before - MIB / 2);
	run = loam_realloc(run, MIB / 2 + 8192);
	EXPECT_EQ(collect().run_bytes, before - MIB / 2 + 8192);
	loam_free(run);
	EXPECT_EQ(collect().run_bytes, before - MIB);
	loam_malloc_trim(0);
	EXPECT_EQ(collect().run_bytes, before - MIB);
	EXPECT_EQ(collect().kept_run_bytes, 0);
}

TEST(versions_understand_each_other_by_the_size)
{
	uint64_t more[100];
	struct loam_stats now = collect();

	memset(more, 1, sizeof more);
	EXPECT_EQ(loam_stats((struct loam_stats *)more, sizeof more), 0);
	EXPECT_EQ(memcmp(more, &now, sizeof now), 0);
	for (size_t i = sizeof now / 8; i < 100; i++)
		EXPECT_EQ(more[i], 0);
	memset(more, 1, sizeof more);
	EXPECT_EQ(loam_stats((struct loam_stats *)more, 16), 0);
	EXPECT_EQ(more[0], now.live_bytes);
	EXPECT_EQ(more[1], now.cached_bytes);
	EXPECT_EQ(more[2], 0x0101010101010101);
	errno = 0;
	EXPECT_EQ(loam_stats(&now, 0), EINVAL);
	EXPECT_EQ(loam_stats(&now, 12), EINVAL);
	EXPECT_EQ(errno, 0);
}

/* The thread is inside, as where a signal handler interrupted it, and holds every lock. */
TEST(it_is_collected_and_printed_in_the_middle_of_a_call)
{
	struct loam_stats before, within;

	loam_free(loam_malloc(1));
	before = collect();
	REQUIRE(cache_enter());
	lock_acquire(&arena_main.lock);
	lock_acquire(&depot_shelves[0][0].lock);
	lock_acquire(&huge_lock);
	lock_acquire(&zone_lock);
	within = collect();
	stats_print();
	lock_release(&zone_lock);
	lock_release(&huge_lock);
	lock_release(&depot_shelves[0][0].lock);
	lock_release(&arena_main.lock);
	cache_leave(mine.cache);
	EXPECT_EQ(within.live_bytes, before.live_bytes);
	EXPECT_EQ(within.region_bytes, before.region_bytes);
}

TEST(mallinfo_adds_up)
{
	void *mem[100];
	struct mallinfo2 m;
	struct counters cs;

	for (size_t i = 0; i < 100; i++)
		mem[i] = loam_malloc(i * i * 20);
	for (size_t i = 0; i < 100; i += 2)
		loam_free(mem[i]);
	m = loam_mallinfo2();
	EXPECT_EQ(m.arena, m.uordblks + m.fordblks);
	EXPECT(m.uordblks > 0 && m.fordblks > 0);
	counters_collect(&cs);
	REQUIRE(ring_count() == 1 && arena_main.chunks.top);
	EXPECT_EQ(m.ordblks, counter(&cs, free_chunks) + 1);
	for (size_t i = 1; i < 100; i += 2)
		loam_free(mem[i]);
}

static void print_and_abort(void *unused)
{
	(void)unused;
	stats_print();
	os_abort();
}

TEST(a_line_a_floor_is_printed)
{
	EXPECT_ABORT(print_and_abort, NULL, " MiB in use, ");
	EXPECT_ABORT(print_and_abort, NULL, "loam: arena: 1 arenas");
	EXPECT_ABORT(print_and_abort, NULL, "loam: slab: ");
	EXPECT_ABORT(print_and_abort, NULL, "loam: heap: hits: ");
	EXPECT_ABORT(print_and_abort, NULL, "loam: top: grown ");
	EXPECT_ABORT(print_and_abort, NULL, "loam: pages: ");
	EXPECT_ABORT(print_and_abort, NULL, "loam: objects of pages: ");
}

static void print_without_files_and_abort(void *unused)
{
	os_sim_refuse(OS_SIM_FILES, ENOENT);
	print_and_abort(unused);
}

TEST(without_proc_it_is_said_what_is_unknown)
{
	EXPECT_ABORT(print_without_files_and_abort, NULL, "loam: /sim/program, process ");
	EXPECT_ABORT(print_without_files_and_abort, NULL,
		     "MiB (RSS); what it holds now is unknown without /proc\n");
}

/* What the program holds, as mallinfo2 has it. */
static size_t held(void)
{
	struct mallinfo2 m = loam_mallinfo2();

	EXPECT_EQ(m.arena, m.uordblks + m.fordblks);
	return m.uordblks + m.hblkhd;
}

static void *allocate_in_thread(void *mem)
{
	for (size_t i = 0; i < 1000; i++)
		((void **)mem)[i] = loam_malloc(1000);
	return NULL;
}

TEST(what_a_thread_allocates_is_counted_and_what_is_freed_is_not)
{
	static void *mem[1000];
	size_t before = held();
	pthread_t thread;

	pthread_create(&thread, NULL, allocate_in_thread, mem);
	pthread_join(thread, NULL);
	EXPECT(held() >= before + 1000 * 1000);
	EXPECT(held() < before + 1000 * 1000 * 5 / 4);
	for (size_t i = 0; i < 1000; i++)
		loam_free(mem[i]);
	loam_malloc_trim(0);
	loam_malloc_trim(0);
	EXPECT(held() <= before + 4096);
}

/* As another thread's slab is for a moment that it gives back. */
TEST(a_cached_object_whose_slab_has_no_owner_is_passed_over)
{
	struct stats_room room;
	struct counters all;
	void *mem = NULL;
	struct arena *owner;
	struct slab *s;

	for (size_t i = 0; i <= 2 * options.promote_after; i++)
		loam_free(mem = loam_malloc(512));
	s = (struct slab *)pagemap_get(mem);
	REQUIRE(s->tag.kind == KIND_SLAB);
	owner = s->owner;
	s->owner = NULL;
	stats_room_init(&room);
	counters_collect(&all);
	EXPECT(stats_by_arena(room.of, 0, room.most, &all) > 0);
	stats_room_deinit(&room);
	s->owner = owner;
	EXPECT(loam_check());
}

TEST(huge_objects_are_counted_apart)
{
	struct mallinfo2 before = loam_mallinfo2(), with;
	void *huge = loam_malloc(9 * MIB);

	with = loam_mallinfo2();
	EXPECT_EQ(with.hblks, before.hblks + 1);
	EXPECT_EQ(with.hblkhd, before.hblkhd + 9 * MIB);
	EXPECT_EQ(with.uordblks, before.uordblks);
	loam_free(huge);
}

TEST(the_old_structure_stops_at_its_largest_number)
{
	void *huge = loam_malloc(3 * GIB);
	struct mallinfo m = loam_mallinfo();
	struct mallinfo2 m2 = loam_mallinfo2();

	REQUIRE(huge);
	EXPECT_EQ(m.hblkhd, INT_MAX);
	EXPECT_EQ(m.hblks, m2.hblks);
	EXPECT_EQ(m.uordblks, m2.uordblks);
	EXPECT_EQ(m.fordblks, m2.fordblks);
	EXPECT_EQ(m.arena, m2.arena);
	EXPECT_EQ(m.ordblks, m2.ordblks);
	EXPECT_EQ(m.keepcost, m2.keepcost);
	loam_free(huge);
}

TEST(trim_says_whether_it_gave_something_back)
{
	static void *mem[200];

	for (size_t i = 0; i < 200; i++) {
		mem[i] = loam_malloc(9000);
		memset(mem[i], 1, 9000);
	}
	for (size_t i = 0; i < 200; i++)
		loam_free(mem[i]);
	EXPECT_EQ(loam_malloc_trim(0), 1);
	EXPECT_EQ(loam_malloc_trim(0), 0);
	EXPECT(loam_check());
}

static void print_and_end(void *unused)
{
	(void)unused;
	loam_malloc_stats();
	os_abort();
}

TEST(malloc_stats_has_glibcs_lines)
{
	EXPECT_ABORT(print_and_end, NULL, "Arena 0:\nsystem bytes     = ");
	EXPECT_ABORT(print_and_end, NULL, "\nin use bytes     = ");
	EXPECT_ABORT(print_and_end, NULL, "\nTotal (incl. mmap):\n");
	EXPECT_ABORT(print_and_end, NULL, "\nmax mmap regions = ");
	EXPECT_ABORT(print_and_end, NULL, "\nmax mmap bytes   = ");
}

TEST(malloc_info_is_xml_of_every_arena)
{
	static char text[65536];
	FILE *file = fmemopen(text, sizeof text, "w");
	void *mem[9], *huge = loam_malloc(8 * MIB);
	size_t heaps = 0;

	for (int i = 0; i < 9; i++)
		mem[i] = loam_malloc(700);
	for (int i = 0; i < 9; i += 2)
		loam_free(mem[i]);
	EXPECT_EQ(loam_malloc_info(1, file), EINVAL);
	EXPECT_EQ(loam_malloc_info(0, file), 0);
	fclose(file);
	EXPECT(strncmp(text, "<malloc version=\"1\">\n", 21) == 0);
	EXPECT_STR(text, "<heap nr=\"0\">");
	EXPECT_STR(text, "<size from=\"720\" to=\"720\" total=");
	EXPECT_STR(text, "<total type=\"mmap\" count=\"1\" size=\"8388608\"/>");
	EXPECT_STR(text, "</malloc>\n");
	for (char *c = text; (c = strstr(c, "<heap ")); c++)
		heaps++;
	EXPECT_EQ(heaps, collect().arenas);
	for (int i = 1; i < 9; i += 2)
		loam_free(mem[i]);
	loam_free(huge);
}

#define MANY 64

/* Locks an arena until the other side has done so, too. */
struct holder {
	struct arena *arena;
	pthread_t thread;
	pthread_barrier_t barrier;
};

static void *hold_it(void *arg)
{
	struct holder *h = arg;
	bool held = ring_lock_this(h->arena);

	REQUIRE(held);
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

/* Makes arenas until there are MANY, by holding those that there are. */
static void make_many_arenas(void)
{
	static struct holder holders[MANY];
	size_t held = 0;

	options.arena_max = MANY;
	for (struct arena *a = NULL; (a = ring_next(a));)
		hold(&holders[held++], a);
	while (ring_count() < MANY) {
		struct arena *a = &arena_main, *made = ring_lock(&a);

		REQUIRE(made);
		ring_unlock(made);
		hold(&holders[held++], made);
	}
	while (held) {
		pthread_barrier_wait(&holders[--held].barrier);
		pthread_join(holders[held].thread, NULL);
	}
}

static void read_info(char *text, size_t nbytes)
{
	FILE *file = fmemopen(text, nbytes, "w");

	setvbuf(file, NULL, _IONBF, 0);
	EXPECT_EQ(loam_malloc_info(0, file), 0);
	fclose(file);
}

/* The room for all arenas is one mapping, so cached objects are walked over once; without it, by
   the batch, it says the same. */
TEST(many_arenas_take_one_walk)
{
	static char text[1 << 20], by_batches[1 << 20];
	struct stats_room room;
	struct counters all;
	size_t mapped, heaps = 0;

	make_many_arenas();
	mapped = os_sim_mapped();
	stats_room_init(&room);
	counters_collect(&all);
	EXPECT_EQ(room.most, MANY);
	EXPECT_EQ(stats_by_arena(room.of, 0, room.most, &all), MANY);
	stats_room_deinit(&room);
	EXPECT_EQ(os_sim_mapped(), mapped);
	os_sim_fail_from(0);
	read_info(text, sizeof text);
	EXPECT_EQ(os_sim_calls(), 1);
	EXPECT_EQ(os_sim_mapped(), mapped);
	os_sim_fail_from(1);
	read_info(by_batches, sizeof by_batches);
	os_sim_fail_from(0);
	EXPECT(strcmp(text, by_batches) == 0);
	for (char *c = text; (c = strstr(c, "<heap ")); c++)
		heaps++;
	EXPECT_EQ(heaps, MANY);
	options.arena_max = 0;
}

TEST(mallopt_takes_what_it_knows_and_does_not)
{
	size_t before = options.mmap_threshold;

	EXPECT_EQ(loam_mallopt(M_MMAP_THRESHOLD, 64 * 1024), 1);
	EXPECT_EQ(options.mmap_threshold, 64 * KIB);
	EXPECT_EQ(loam_mallopt(-12345, 1), 1);
	options.mmap_threshold = before;
}

/* A header, an entry of the page map, a sum: each by itself. */
TEST(check_notices_a_planted_fault)
{
	uint64_t *volatile chunk = loam_malloc(3000), header = chunk[-1];
	char *run = loam_malloc(MIB), *huge = loam_malloc(8 * MIB);
	struct descriptor *tag = pagemap_get(chunk);
	char *page = (char *)((uintptr_t)chunk & ~(PAGE_SIZE - 1));

	EXPECT(loam_check());
	chunk[-1] ^= 1;
	EXPECT(!loam_check());
	chunk[-1] = header;
	pagemap_set(page, PAGE_SIZE, NULL);
	EXPECT(!loam_check());
	pagemap_set(page, PAGE_SIZE, tag);
	tag = pagemap_get(huge);
	pagemap_set(huge, PAGE_SIZE, NULL);
	EXPECT(!loam_check());
	pagemap_set(huge, PAGE_SIZE, tag);
	EXPECT(loam_check());
	loam_free(run);
	REQUIRE(ring_lock_this(&arena_main));
	arena_trim(&arena_main, 0, true);
	ring_unlock(&arena_main);
	EXPECT(!pagemap_get(run));
	pagemap_set(run, PAGE_SIZE, tag);
	EXPECT(!loam_check());
	pagemap_set(run, PAGE_SIZE, NULL);
	EXPECT(loam_check());
	loam_free(chunk);
	loam_free(huge);
}

TEST(the_version_is_a_number_in_three_parts)
{
	unsigned major, minor, patch;
	char rest;

	EXPECT_EQ(sscanf(loam_version(), "%u.%u.%u%c", &major, &minor, &patch, &rest), 3);
}
