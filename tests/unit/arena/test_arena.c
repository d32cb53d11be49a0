/* An arena: when a class is promoted and demoted, what serves it while memory is not mapped,
   upkeep. */
#include "arena/arena.h"

#include "arena/ring.h"
#include "base/bits.h"
#include "heap/top.h"
#include "os/os.h"
#include "os_sim.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "test.h"

#include <string.h>

static struct options before;

/* An arena of its own, which no other test uses; nothing has to be given back. */
static struct arena *begin(void)
{
	static struct arena arenas[32];
	static unsigned used;
	struct arena *a = &arenas[used++];

	REQUIRE(used < 32);
	if (used == 1) {
		slab_start(0x5eed);
		heap_start(0x243f6a8885a308d3);
		zone_start();
		before = options;
	}
	options = before;
	options.retain_floor = 64 * MIB;
	arena_init(a, false, used + 6);
	return a;
}

static enum kind kind_of(const void *mem)
{
	const struct descriptor *tag = pagemap_get(mem);

	return tag ? (enum kind)tag->kind : KIND_NONE;
}

/* As the slow path allocates. */
static void *alloc(struct arena *a, size_t req)
{
	bool zero;
	void *mem = NULL;

	if (arena_use(a, class_of(req)))
		mem = arena_alloc_hot(a, class_of(req), GRANULE, req, &zero);
	return mem ? mem : heap_malloc(&a->chunks, req, &zero);
}

static void give(struct arena *a, void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	if (tag->kind == KIND_HEAP) {
		heap_free(&a->chunks, mem);
	} else {
		struct object *o = mem, *twice = NULL;

		slab_set_marks(o);
		EXPECT_EQ(slabs_give(a->slabs, (struct slab *)tag, &o, 1, &twice), 1);
		EXPECT(!twice);
	}
}

static void use(struct arena *a, size_t req, size_t times)
{
	while (times--)
		give(a, alloc(a, req));
}

static void use_up_blocks(void)
{
	bool clean;

	for (unsigned order = ORDERS; order-- > 0;)
		while (zone_is_ready(order))
			REQUIRE(zone_alloc(order, &clean));
}

/* Room for many small chunks in the heap, and then no block in the zone. */
static void fill_heap_alone(struct arena *a)
{
	char *mem = heap_malloc(&a->chunks, 512 * KIB, NULL);

	REQUIRE(mem);
	heap_free(&a->chunks, mem);
	use_up_blocks();
	REQUIRE(!slab_is_ready(class_of(1000)));
	os_sim_fail_from(0);
}

static void tend(struct arena *a)
{
	REQUIRE(ring_lock_this(a));
	arena_tend(a);
	ring_unlock(a);
}

static void obey(struct arena *a)
{
	REQUIRE(ring_lock_this(a));
	arena_obey_rule(a);
	ring_unlock(a);
}

static void trim(struct arena *a, size_t pad, bool purge)
{
	REQUIRE(ring_lock_this(a));
	arena_trim(a, pad, purge);
	ring_unlock(a);
}

TEST(an_arena_is_ready_once_it_is_set_up)
{
	static struct arena main;
	struct arena *a = begin();
	uint32_t number = a->number;

	EXPECT(CONFIG_ASSERT == 0 || a->lock.rank == LOCK_ARENA);
	EXPECT_EQ(a->lock.word, 0);
	EXPECT(a->chunks.arena == a);
	EXPECT_EQ(a->chunks.number, number);
	EXPECT(!a->chunks.brk);
	EXPECT(!a->slabs);
	EXPECT(arena_check(a));
	arena_init(&main, true, 1);
	EXPECT(main.chunks.brk);
	tend(a);
	trim(a, 0, true);
	EXPECT(arena_check(a));
}

/* --- promotion ------------------------------------------------------------------------------ */

TEST(a_class_is_promoted_by_its_uses)
{
	struct arena *a = begin();
	unsigned sc = class_of(776);
	void *mem;

	use(a, 776, options.promote_after - 1);
	EXPECT(!arena_is_hot(a, sc));
	EXPECT_EQ(a->counts.promotions, 0);
	mem = alloc(a, 776);
	EXPECT(arena_is_hot(a, sc));
	EXPECT_EQ(kind_of(mem), KIND_SLAB);
	EXPECT_EQ(a->counts.promotions, 1);
	EXPECT(!arena_is_hot(a, sc + 1));
	EXPECT(arena_use(a, sc));
	use(a, 776, 100);
	EXPECT_EQ(a->counts.promotions, 1);
	EXPECT(arena_check(a));
	give(a, mem);
}

TEST(each_class_has_its_own_count)
{
	struct arena *a = begin();

	for (size_t req = 16; req <= 1024; req = class_size(class_of(req) + 1))
		use(a, req, options.promote_after - 1);
	EXPECT(!a->slabs);
	use(a, 64, 1);
	EXPECT(arena_is_hot(a, class_of(64)));
	EXPECT_EQ(a->counts.promotions, 1);
}

TEST(where_addresses_are_dear_it_takes_eight_times_as_many)
{
	struct arena *a = begin();

	os_sim_set_memory_limit(OS_MEMORY_SCARCE - 1);
	use(a, 776, 8 * options.promote_after - 1);
	EXPECT(!arena_is_hot(a, class_of(776)));
	use(a, 776, 1);
	EXPECT(arena_is_hot(a, class_of(776)));
	os_sim_set_memory_limit(OS_MEMORY_SCARCE);
	use(a, 500, options.promote_after);
	EXPECT(arena_is_hot(a, class_of(500)));
	os_sim_set_memory_limit(SIZE_MAX);
}

TEST(an_option_says_after_how_many)
{
	struct arena *a = begin();

	options.promote_after = 1;
	EXPECT_EQ(kind_of(alloc(a, 300)), KIND_SLAB);
}

TEST(all_of_fresh_memory_is_zero_and_none_of_the_heaps)
{
	struct arena *a = begin();
	unsigned sc = class_of(2000);
	bool zero = false;
	char *mem;

	zone_purge(SIZE_MAX);
	mem = arena_alloc_hot(a, sc, GRANULE, 2000, &zero);
	EXPECT_EQ(kind_of(mem), KIND_SLAB);
	EXPECT(zero);
	a = begin();
	fill_heap_alone(a);
	zero = true;
	mem = arena_alloc_hot(a, sc, GRANULE, 2000, &zero);
	EXPECT_EQ(kind_of(mem), KIND_HEAP);
	EXPECT(!zero);
}

/* --- while memory is not mapped ------------------------------------------------------------- */

/* PATIENCE times as many uses as it takes to be promoted: the last of them maps. */
TEST(a_class_that_is_due_waits_while_the_heap_has_room)
{
	struct arena *a = begin();
	size_t most = PATIENCE * options.promote_after;

	fill_heap_alone(a);
	for (size_t i = 1; i < most; i++) {
		void *mem = alloc(a, 1000);

		REQUIRE(kind_of(mem) == KIND_HEAP);
		give(a, mem);
	}
	EXPECT_EQ(os_sim_calls(), 0);
	EXPECT(!a->slabs);
	EXPECT_EQ(kind_of(alloc(a, 1000)), KIND_SLAB);
	EXPECT(os_sim_calls() > 0);
	EXPECT(arena_check(a));
}

TEST(a_class_that_needs_another_slab_waits_too)
{
	struct arena *a = begin();
	size_t waited = 0;
	void *mem;

	use(a, 1000, options.promote_after);
	while (a->slabs->current[class_of(1000)]->out < a->slabs->current[class_of(1000)]->capacity)
		alloc(a, 1000);
	fill_heap_alone(a);
	for (; kind_of(mem = alloc(a, 1000)) == KIND_HEAP; waited++)
		give(a, mem);
	EXPECT_EQ(waited, (PATIENCE - 1) * options.promote_after);
	EXPECT_EQ(kind_of(mem), KIND_SLAB);
	EXPECT(arena_check(a));
}

TEST(a_system_that_refused_is_not_asked_at_each_use)
{
	struct arena *a = begin();
	size_t most = PATIENCE * options.promote_after, asked;

	fill_heap_alone(a);
	os_sim_fail_from(1);
	for (size_t i = 0; i < most; i++)
		give(a, alloc(a, 1000));
	asked = os_sim_calls();
	EXPECT(asked > 0);
	for (size_t i = 0; i < most; i++)
		give(a, alloc(a, 1000));
	EXPECT_EQ(os_sim_calls(), asked);
	os_sim_fail_from(0);
	EXPECT_EQ(kind_of(alloc(a, 1000)), KIND_SLAB);
	EXPECT(arena_check(a));
}

TEST(it_does_not_wait_where_the_heap_has_no_room)
{
	struct arena *a = begin();

	use(a, 30000, options.promote_after - 1);
	while (heap_memalign_held(&a->chunks, 16, 30000))
		;
	use_up_blocks();
	EXPECT_EQ(kind_of(alloc(a, 30000)), KIND_SLAB);
	EXPECT(arena_check(a));
}

TEST(what_waits_is_aligned_all_the_same)
{
	struct arena *a = begin();
	void *mem;
	bool zero;

	fill_heap_alone(a);
	for (size_t alignment = 32; alignment <= PAGE_SIZE; alignment *= 2) {
		mem = arena_alloc_hot(a, class_of(alignment), alignment, alignment, &zero);
		EXPECT_EQ(kind_of(mem), KIND_HEAP);
		EXPECT(is_aligned((uintptr_t)mem, alignment));
	}
	EXPECT_EQ(os_sim_calls(), 0);
	/* More than the alignment of a page is had from a slab sooner than from a heap. */
	mem = arena_alloc_hot(a, class_of(2 * PAGE_SIZE), 2 * PAGE_SIZE, 2 * PAGE_SIZE, &zero);
	EXPECT_EQ(kind_of(mem), KIND_SLAB);
	EXPECT(is_aligned((uintptr_t)mem, 2 * PAGE_SIZE));
	EXPECT(arena_check(a));
}

static void use_up_metadata(void)
{
	static struct pool filler = {.size = CACHE_LINE};

	while (pool_is_ready(&filler))
		REQUIRE(pool_alloc(&filler));
}

/* A slab can be had without the system, but not the arena's list of slabs. */
TEST(the_first_class_of_an_arena_waits_for_metadata_too)
{
	struct arena *other = begin(), *a = begin();
	void *mem;

	give(a, heap_malloc(&a->chunks, 1000, NULL));
	use(other, 1000, options.promote_after);
	use_up_metadata();
	tend(other); /* frees the descriptor of its slab */
	REQUIRE(slab_is_ready(class_of(1000)));
	os_sim_fail_from(0);
	use(a, 1000, options.promote_after - 1);
	mem = alloc(a, 1000);
	EXPECT_EQ(kind_of(mem), KIND_HEAP);
	EXPECT_EQ(os_sim_calls(), 0);
	EXPECT_EQ(a->counts.promotions, 0);
	give(a, mem);
	EXPECT(arena_check(a));
}

TEST(without_memory_there_is_no_object_and_nothing_is_lost)
{
	struct arena *a = begin();
	bool zero;

	use_up_blocks();
	use_up_metadata();
	os_sim_fail_from(1);
	EXPECT(!arena_alloc_hot(a, class_of(1000), GRANULE, 1000, &zero));
	EXPECT_EQ(a->counts.promotions, 0);
	EXPECT(arena_check(a));
	os_sim_fail_from(0);
	EXPECT_EQ(kind_of(arena_alloc_hot(a, class_of(1000), GRANULE, 1000, &zero)), KIND_SLAB);
	EXPECT(arena_check(a));
}

/* --- upkeep --------------------------------------------------------------------------------- */

TEST(a_class_is_demoted_when_all_is_back_and_its_uses_begin_anew)
{
	struct arena *a = begin();
	unsigned sc = class_of(776);
	void *mem;

	use(a, 776, options.promote_after);
	mem = alloc(a, 776);
	tend(a);
	EXPECT(arena_is_hot(a, sc));
	EXPECT_EQ(a->counts.demotions, 0);
	give(a, mem);
	use(a, 100, options.promote_after / 2);
	tend(a);
	EXPECT(!arena_is_hot(a, sc));
	EXPECT_EQ(a->counts.demotions, 1);
	use(a, 776, options.promote_after - 1);
	EXPECT(!arena_is_hot(a, sc));
	use(a, 776, 1);
	EXPECT(arena_is_hot(a, sc));
	use(a, 100, options.promote_after - options.promote_after / 2);
	EXPECT(arena_is_hot(a, class_of(100))); /* one that was not hot goes on counting */
	EXPECT(arena_check(a));
}

/* One that is a use short, and one that needs more uses where addresses are dear. */
TEST(a_class_that_is_not_hot_goes_on_counting_however_near_it_is)
{
	struct arena *a = begin();

	use(a, 100, options.promote_after); /* another class is hot */
	use(a, 776, options.promote_after - 1);
	tend(a);
	use(a, 776, 1);
	EXPECT(arena_is_hot(a, class_of(776)));
	os_sim_set_memory_limit(OS_MEMORY_SCARCE - 1);
	use(a, 500, 7 * options.promote_after);
	tend(a);
	EXPECT(!arena_is_hot(a, class_of(500)));
	use(a, 500, options.promote_after);
	EXPECT(arena_is_hot(a, class_of(500)));
	os_sim_set_memory_limit(SIZE_MAX);
	EXPECT(arena_check(a));
}

static struct run *keep_run(struct arena *a)
{
	bool zero;
	void *mem = run_alloc(MIB, 1, &zero);

	REQUIRE(mem);
	runs_keep(&a->runs, (struct run *)pagemap_get(mem));
	EXPECT_EQ(a->runs.count, 1);
	return a->runs.run[0];
}

TEST(what_is_tended_gives_back_kept_runs_and_a_top_that_nobody_uses)
{
	struct arena *a = begin();

	keep_run(a);
	heap_free(&a->chunks, heap_malloc(&a->chunks, 100, NULL));
	EXPECT(a->chunks.system > 0);
	tend(a);
	EXPECT_EQ(a->runs.count, 0);
	EXPECT_EQ(a->chunks.system, 0);
	EXPECT(arena_check(a));
}

/* A big free chunk between chunks in use: its pages can be purged where they lie. */
static char *big_hole(struct arena *a)
{
	char *mem = heap_malloc(&a->chunks, 512 * KIB, NULL);

	REQUIRE(mem && heap_malloc(&a->chunks, 100, NULL));
	memset(mem, 1, 512 * KIB);
	heap_free(&a->chunks, mem);
	return mem;
}

TEST(an_arena_obeys_the_rule)
{
	struct arena *a = begin();

	big_hole(a);
	obey(a);
	EXPECT_EQ(a->chunks.purged_bytes, 0);
	options.retain_floor = 0;
	options.retain_share = 1024;
	retain_forget();
	obey(a);
	EXPECT(a->chunks.purged_bytes > 500 * KIB);
	EXPECT(arena_check(a));
}

TEST(what_is_tended_counts_slabs_that_rest)
{
	struct arena *a = begin();
	void *mems[40];

	os_sim_need_small_pages();
	use(a, 2000, options.promote_after);
	for (int i = 0; i < 40; i++)
		mems[i] = alloc(a, 2000);
	for (int i = 0; i < 12; i++)
		give(a, mems[i]);
	tend(a);
	EXPECT_EQ(a->slabs->retained, 0);
	tend(a);
	EXPECT(a->slabs->retained > 0);
	EXPECT(arena_check(a));
}

TEST(trim_gives_back_pages_of_runs_chunks_and_slabs)
{
	struct arena *a = begin();
	struct slab *s;
	void *mems[40];
	size_t live;

	os_sim_need_small_pages();
	use(a, 2000, options.promote_after);
	for (int i = 0; i < 40; i++)
		mems[i] = alloc(a, 2000);
	s = (struct slab *)pagemap_get(mems[39]);
	big_hole(a);
	keep_run(a);
	for (int i = 0; i < 39; i++)
		give(a, mems[i]);
	live = retain_live;
	trim(a, 0, true);
	EXPECT_EQ(a->runs.count, 0);
	EXPECT(a->chunks.purged_bytes > 500 * KIB);
	EXPECT(s->purged != 0);
	EXPECT(retain_live < live);
	EXPECT(arena_check(a));
}

TEST(trim_leaves_as_much_of_top_as_is_asked_for)
{
	static struct arena of_brk;
	struct arena *a = &of_brk;

	os_sim_need_small_pages();
	begin();
	arena_init(a, true, 1);
	heap_free(&a->chunks, heap_malloc(&a->chunks, 400 * KIB, NULL));
	REQUIRE(heap_malloc(&a->chunks, 100, NULL));
	REQUIRE(a->chunks.top_heap->brk);
	trim(a, 200 * KIB, true);
	EXPECT(top_size(&a->chunks) >= 200 * KIB);
	EXPECT(top_size(&a->chunks) <= 200 * KIB + 2 * PAGE_SIZE);
	trim(a, 0, true);
	EXPECT(top_size(&a->chunks) <= 2 * PAGE_SIZE);
	EXPECT(arena_check(a));
}

TEST(check_sees_a_fault_of_each_part)
{
	struct arena *a = begin();
	void *mem;

	use(a, 1000, options.promote_after);
	mem = heap_malloc(&a->chunks, 100, NULL);
	keep_run(a);
	EXPECT(arena_check(a));
	a->slabs->count[class_of(1000)]++;
	EXPECT(!arena_check(a));
	a->slabs->count[class_of(1000)]--;
	a->runs.kept++;
	EXPECT(!arena_check(a));
	a->runs.kept--;
	a->chunks.in_use++;
	EXPECT(!arena_check(a));
	a->chunks.in_use--;
	EXPECT(arena_check(a));
	heap_free(&a->chunks, mem);
}
