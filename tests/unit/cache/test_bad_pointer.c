/* What is said of a pointer that is no object: one report for each place that it can point to. */
#include "cache/bad_pointer.h"

#include "os_sim.h"
#include "pages/metadata.h"
#include "pages/zone.h"
#include "threads.h"

enum { SIZE = 200, CHUNK = 5000, RUN = 160 * 1024, HUGE = 8 << 20 };

static void report(void *mem)
{
	cache_report_bad(mem, pagemap_get(mem), "free");
}

static struct object *an_object(void)
{
	struct object *o;

	start_anew();
	REQUIRE(ring_lock_this(&arena_main));
	take_objects(&arena_main, SIZE, &o, 1);
	ring_unlock(&arena_main);
	o->key = 0;
	return o;
}

TEST(inside_an_object_of_a_slab)
{
	char *o = (char *)an_object();

	EXPECT_ABORT(report, o + 16, ": 16 bytes inside the object of 208 bytes at");
	EXPECT_ABORT(report, o + 16, "(arena 1, ");
	EXPECT_ABORT(report, o + 5, ": 5 bytes inside the object of 208 bytes at");
	EXPECT_ABORT(report, o + 5, ", misaligned (arena 1, ");
}

TEST(behind_the_last_object_of_a_slab)
{
	struct slab *s = (struct slab *)pagemap_get(an_object());

	REQUIRE((size_t)s->capacity * s->size < ORDER_BYTES(s->order));
	EXPECT_ABORT(report, slab_object(s, s->capacity), "no allocator gave it");
}

TEST(inside_a_run_and_at_one_that_is_free)
{
	char *mem = loam_malloc(RUN);
	struct run *run = (struct run *)pagemap_get(mem);

	EXPECT_ABORT(report, mem + 4096, ": 4096 bytes inside the run of 163840 bytes at");
	EXPECT_ABORT(report, mem + 4099, ": 4099 bytes inside the run of 163840 bytes at");
	EXPECT_ABORT(report, mem + 4099, ", misaligned (");
	loam_free(mem);
	REQUIRE(run->kept);
	EXPECT_ABORT(report, mem + 4096, "bytes at ");
	EXPECT_ABORT(report, mem + 4096, ", free");
	EXPECT_ABORT(report, mem, "double free detected");
}

TEST(inside_a_huge_object)
{
	char *mem = loam_malloc(HUGE);

	EXPECT_ABORT(report, mem + 16, ": 16 bytes inside the huge object of 8388608 bytes at");
	/* has no tag */
	EXPECT_ABORT(report, mem + 4 * MIB, ": 4194304 bytes inside the huge object");
	keep_all();
	loam_free(mem);
	EXPECT_ABORT(report, mem, "double free detected"); /* the mapping is kept */
	EXPECT_ABORT(report, mem + 16, "in free memory");
	EXPECT_ABORT(report, mem + 16, "invalid pointer");
	keep_little();
}

TEST(in_loams_own_memory)
{
	EXPECT(learned(SIZE) != NULL);
	EXPECT_ABORT(report, mine.cache->magazines, "in loam's own memory");
	EXPECT_ABORT(report, metadata_alloc(64), "in loam's own memory");
}

TEST(in_a_free_block_of_the_zone)
{
	char *mem = loam_malloc(RUN);

	loam_free(mem);
	REQUIRE(ring_lock_this(&arena_main));
	runs_flush(&arena_main.runs);
	ring_unlock(&arena_main);
	REQUIRE(!pagemap_get(mem));
	EXPECT_ABORT(report, mem, "in free memory");
	EXPECT_ABORT(report, mem, "invalid pointer"); /* no object's start is known there */
}

/* Of these the page map sees the lower bits alone. */
TEST(with_other_upper_bits)
{
	uintptr_t upper = (uintptr_t)0x41 << 56;

	EXPECT_ABORT(report, (void *)((uintptr_t)an_object() | upper), "no allocator gave it");
	EXPECT_ABORT(report, (void *)((uintptr_t)loam_malloc(RUN) | upper), "no allocator gave it");
}

TEST(nowhere)
{
	static char foreign[64] ALIGNED(16);

	EXPECT_ABORT(report, foreign, "no allocator gave it");
	EXPECT_ABORT(report, (void *)(uintptr_t)16, "no allocator gave it");
	EXPECT_ABORT(report, (char *)loam_malloc(CHUNK) + 3, "misaligned");
}
