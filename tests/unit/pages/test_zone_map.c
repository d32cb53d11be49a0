/* Memory of a zone: pieces where regions are refused, and what is unmapped. */
#include "base/options.h"
#include "os/mappings.h"
#include "os_sim.h"
#include "pages/huge_table.h"
#include "pages/retain.h"
#include "pages/zone_regions.h"
#include "test.h"

#include <inttypes.h>
#include <stdio.h>

static struct zone_sizes sizes(void)
{
	struct zone_sizes s;

	zone_sizes(&s);
	return s;
}

TEST(what_is_wholly_free_can_be_unmapped)
{
	bool clean;
	void *block = zone_alloc(0, &clean), *large = zone_alloc(ORDER_MAX, &clean);
	size_t mapped = os_sim_mapped();

	zone_free(large, ORDER_MAX, 0);
	EXPECT(zone_unmap_free(false) > 0);
	EXPECT(os_sim_mapped() < mapped);
	EXPECT_EQ(sizes().regions, 1);
	EXPECT(zone_check());
	zone_free(block, 0, PAGE_SIZE);
	zone_unmap_free(false);
	EXPECT_EQ(sizes().regions, 0);
	EXPECT_EQ(sizes().mapped, 0);
	EXPECT(zone_check());
}

TEST(free_blocks_between_others_are_unmapped_where_wanted)
{
	enum { BLOCKS = 64, ORDER = 5 };
	void *held[BLOCKS];
	struct zone_sizes before;
	bool clean;

	for (int i = 0; i < BLOCKS; i++)
		REQUIRE(held[i] = zone_alloc(ORDER, &clean));
	for (int i = 0; i < BLOCKS; i += 2)
		zone_free(held[i], ORDER, ORDER_BYTES(ORDER));
	before = sizes();
	REQUIRE(before.free_dirty);
	os_sim_refuse(OS_SIM_UNMAP, ENOMEM);
	EXPECT_EQ(zone_unmap_free(true), 0);
	os_sim_refuse(OS_SIM_UNMAP, 0);
	EXPECT_EQ(sizes().mapped, before.mapped);
	EXPECT_EQ(sizes().free_dirty, before.free_dirty); /* and none reads as zero */
	EXPECT(zone_check());
	EXPECT(zone_unmap_free(true) >= BLOCKS / 2 * ORDER_BYTES(ORDER));
	EXPECT_EQ(sizes().free_dirty, 0);
	EXPECT(zone_check());
	for (int i = 0; i < BLOCKS; i += 2)
		REQUIRE(held[i] = zone_alloc(ORDER, &clean));
	for (int i = 0; i < BLOCKS; i++)
		zone_free(held[i], ORDER, 0);
	EXPECT(zone_check());
	zone_unmap_free(false);
	EXPECT_EQ(sizes().mapped, 0);
}

TEST(a_quarter_is_mapped_where_a_step_is_refused)
{
	bool clean;
	void *block;

	zone_unmap_free(false);
	os_sim_fail_once(1);
	block = zone_alloc(2, &clean);
	REQUIRE(block);
	EXPECT_EQ(sizes().mapped, MIB / 4);
	EXPECT(zone_check());
	zone_free(block, 2, 0);
	EXPECT(zone_check());
	zone_unmap_free(false);
	EXPECT(zone_check());
}

/* Else a process that grows and shrinks for long would seem to have used up its mappings. */
TEST(what_is_unmapped_is_no_step_any_more)
{
	bool clean;
	size_t steps;

	zone_unmap_free(true);
	steps = sizes().steps;
	for (int i = 0; i < 100; i++) {
		zone_free(zone_alloc(ORDER_MAX, &clean), ORDER_MAX, 0);
		zone_unmap_free(true);
	}
	EXPECT_EQ(sizes().steps, steps);
	EXPECT(zone_check());
}

/* Nor where it comes and goes beside a block that stays. */
TEST(a_region_counts_no_more_steps_than_it_has_room_for)
{
	char *region, *held, *block;
	bool clean;

	REQUIRE(region = zone_alloc(ORDER_MAX, &clean));
	zone_free(region, ORDER_MAX, 0);
	zone_unmap_free(true);
	os_sim_set_memory_limit(64 * MIB); /* so that little is mapped at once */
	os_sim_map_at(region);
	REQUIRE((held = zone_alloc(0, &clean)) == region);
	for (int i = 0; i < 200; i++) {
		os_sim_map_at(region + 2 * MIB);
		REQUIRE(block = zone_alloc(8, &clean));
		zone_free(block, 8, 0);
		zone_unmap_free(true);
	}
	EXPECT_EQ(sizes().regions, 1);
	EXPECT_EQ(sizes().steps, REGION_SIZE / (64 * KIB));
	zone_free(held, 0, 0);
	os_sim_set_memory_limit(SIZE_MAX);
	zone_unmap_free(true);
	EXPECT(zone_check());
}

/* What is mapped for the first page under a limit. */
static size_t first_step(size_t limit)
{
	size_t mapped;
	bool clean;
	void *page;

	zone_unmap_free(true);
	REQUIRE(sizes().mapped == 0);
	os_sim_set_memory_limit(limit);
	REQUIRE(page = zone_alloc(0, &clean));
	mapped = sizes().mapped;
	os_sim_set_memory_limit(SIZE_MAX);
	zone_free(page, 0, 0);
	zone_unmap_free(true);
	return mapped;
}

TEST(a_mebibyte_is_mapped_first_or_a_64th_of_the_limit_and_64_kib_at_least)
{
	EXPECT_EQ(first_step(SIZE_MAX), MIB);
	EXPECT_EQ(first_step(64 * MIB), MIB);
	EXPECT_EQ(first_step(64 * MIB - 1), 512 * KIB);
	EXPECT_EQ(first_step(16 * MIB), 256 * KIB);
	EXPECT_EQ(first_step(4 * MIB), 64 * KIB);
	EXPECT_EQ(first_step(MIB), 64 * KIB);
}

TEST(half_of_what_is_mapped_is_mapped_next_up_to_64_mib)
{
	enum { BLOCKS = 80 };
	static void *held[BLOCKS];
	size_t before, step;
	bool clean;

	zone_unmap_free(true);
	for (int i = 0; i < BLOCKS; i++) {
		before = sizes().mapped;
		REQUIRE(held[i] = zone_alloc(ORDER_MAX, &clean));
		for (step = REGION_SIZE; step < 64 * MIB && 4 * step <= before;)
			step *= 2;
		EXPECT(sizes().mapped == before || sizes().mapped == before + step);
	}
	for (int i = 0; i < BLOCKS; i++)
		zone_free(held[i], ORDER_MAX, 0);
	zone_unmap_free(true);
}

TEST(memory_is_scarce_while_it_is_limited_locked_or_refused)
{
	bool clean;

	zone_unmap_free(false);
	EXPECT(!zone_is_scarce());
	os_sim_set_memory_limit(GIB);
	EXPECT(zone_is_scarce());
	os_sim_set_memory_limit(SIZE_MAX);
	os_sim_fail_from(1);
	EXPECT(!zone_alloc(ORDER_MAX, &clean));
	EXPECT(zone_is_scarce());
	os_sim_fail_from(0);
	zone_free(zone_alloc(ORDER_MAX, &clean), ORDER_MAX, 0);
	EXPECT(!zone_is_scarce());
	zone_unmap_free(false);
}

/* A region that is mapped is in RAM as a whole, so little is mapped ahead, and none is clean. */
TEST(what_is_mapped_while_memory_is_locked_counts_as_dirty)
{
	enum { BLOCKS = 15 }; /* not 16: mapping several regions a step would give the same sum */
	void *held[BLOCKS], *before;
	size_t mapped, retained = retain_retained;
	bool clean;

	options.retain_floor = GIB;
	before = zone_alloc(0, &clean);
	REQUIRE(before);
	EXPECT(sizes().free_clean > 0);
	mapped = sizes().mapped;
	os_sim_lock(true);
	for (int i = 0; i < BLOCKS; i++) {
		REQUIRE(held[i] = zone_alloc(ORDER_MAX, &clean));
		EXPECT_EQ(clean, false);
	}
	EXPECT_EQ(sizes().free_clean, 0); /* not of what was mapped before either */
	EXPECT_EQ(sizes().mapped, mapped + BLOCKS * REGION_SIZE);
	EXPECT_EQ(retain_retained - retained, sizes().free_dirty);
	for (int i = 0; i < BLOCKS; i++)
		zone_free(held[i], ORDER_MAX, 0);
	EXPECT_EQ(sizes().free_clean, 0);
	EXPECT(zone_check());
	EXPECT(zone_purge(SIZE_MAX) >= BLOCKS * REGION_SIZE);
	os_sim_lock(false);
	zone_free(before, 0, 0);
	zone_unmap_free(false);
	REQUIRE(before = zone_alloc(0, &clean));
	EXPECT(clean);
	EXPECT(zone_check());
}

/* Of a region that is mapped piece by piece, what was not yet mapped while memory was locked. */
TEST(what_is_mapped_after_memory_was_locked_is_clean)
{
	enum { BLOCKS = 8 };
	void *blocks[BLOCKS], *before, *locked;
	size_t retained;
	bool clean;

	zone_unmap_free(true);
	REQUIRE(before = zone_alloc(0, &clean));
	os_sim_lock(true);
	REQUIRE(locked = zone_alloc(ORDER_MAX, &clean));
	os_sim_lock(false);
	retained = retain_retained;
	for (int i = 0; i < BLOCKS; i++) {
		REQUIRE(blocks[i] = zone_alloc(8, &clean));
		EXPECT(clean);
	}
	EXPECT_EQ(retain_retained, retained);
	EXPECT(zone_check());
	for (int i = 0; i < BLOCKS; i++)
		zone_free(blocks[i], 8, 0);
	zone_free(locked, ORDER_MAX, 0);
	zone_free(before, 0, 0);
	zone_unmap_free(true);
}

TEST(locked_blocks_that_cannot_be_purged_are_unmapped)
{
	enum { BLOCKS = 32 };
	void *blocks[BLOCKS];
	size_t mapped, floor = options.retain_floor;
	bool clean;

	options.retain_floor = MIB;
	retain_forget();
	zone_unmap_free(true);
	os_sim_lock(true);
	os_sim_refuse(OS_SIM_PURGE, EINVAL);
	for (int i = 0; i < BLOCKS; i++)
		REQUIRE((blocks[i] = zone_alloc(8, &clean)) != NULL);
	mapped = os_sim_mapped();
	for (int i = 1; i < BLOCKS; i++)
		zone_free(blocks[i], 8, ORDER_BYTES(8));
	EXPECT(retain_retained <= 8 * MIB);
	EXPECT(os_sim_mapped() + (BLOCKS - 1) * ORDER_BYTES(8) <= mapped + 8 * MIB);
	EXPECT(zone_check());
	for (int i = 1; i < BLOCKS; i++)
		REQUIRE((blocks[i] = zone_alloc(8, &clean)) != NULL);
	for (int i = 0; i < BLOCKS; i++)
		zone_free(blocks[i], 8, ORDER_BYTES(8));
	os_sim_refuse(OS_SIM_PURGE, 0);
	os_sim_lock(false);
	options.retain_floor = floor;
	EXPECT(zone_check());
}

TEST(where_there_are_many_mappings_small_blocks_stay_mapped)
{
	enum { PAGES = 4096, LEFT = MAPPINGS_BY_DEFAULT / 2 / 32 };
	static char *pages[PAGES];
	size_t unmapped;
	bool clean;
	void *region;

	os_sim_need_small_pages();
	for (int i = 0; i < PAGES; i++)
		REQUIRE((pages[i] = zone_alloc(0, &clean)) != NULL);
	REQUIRE(region = zone_alloc(ORDER_MAX, &clean));
	for (int i = 0; i < PAGES; i += 2)
		zone_free(pages[i], 0, PAGE_SIZE);
	zone_unmap_free(false);
	huge_table.sizes.count = 40000;
	unmapped = zone_unmap_free(true);
	EXPECT_EQ(sizes().stretches, LEFT);
	zone_free(region, ORDER_MAX, 0);
	EXPECT(zone_unmap_free(true) >= REGION_SIZE); /* without a hole */
	EXPECT_EQ(sizes().stretches, LEFT);
	huge_table.sizes.count = 0;
	EXPECT(unmapped < PAGES / 2 * PAGE_SIZE);
	EXPECT(zone_unmap_free(true) >= (PAGES / 2 - LEFT) * PAGE_SIZE);
	for (int i = 1; i < PAGES; i += 2)
		zone_free(pages[i], 0, PAGE_SIZE);
	EXPECT(zone_check());
}

TEST(where_the_kernel_allows_few_mappings_small_blocks_stay_mapped)
{
	enum { BLOCKS = 512, HOLES = 100 };
	static const char path[] = "/proc/sys/vm/max_map_count", text[] = "200\n";
	static char *pages[BLOCKS];
	size_t before, unmapped;
	bool clean;

	os_sim_need_small_pages();
	zone_unmap_free(false);
	for (int i = 0; i < BLOCKS; i++)
		REQUIRE((pages[i] = zone_alloc(0, &clean)) != NULL);
	for (int i = 0; i < BLOCKS; i += 2)
		zone_free(pages[i], 0, PAGE_SIZE);
	before = sizes().mapped;
	os_sim_file(path, text, sizeof text - 1);
	mappings_read();
	unmapped = zone_unmap_free(true);
	os_sim_file(path, NULL, 0);
	EXPECT(unmapped < before - BLOCKS * PAGE_SIZE + HOLES * PAGE_SIZE);
	EXPECT(sizes().free_dirty >= (BLOCKS / 2 - HOLES) * PAGE_SIZE);
	mappings_read();
	EXPECT(zone_unmap_free(true) >= (BLOCKS / 2 - HOLES) * PAGE_SIZE);
	for (int i = 1; i < BLOCKS; i += 2)
		zone_free(pages[i], 0, PAGE_SIZE);
	EXPECT(zone_check());
}

/* --- how many mappings these are -------------------------------------------------------------- */

static bool is_zone(uintptr_t page)
{
	const struct region *r =
		pagemap_has_region((void *)page) ? *pagemap_region((void *)page) : NULL;

	return r && bit_test(r->owned, region_page_of(r, (void *)page));
}

static bool has_zone(uintptr_t from, uintptr_t to)
{
	while (from < to && !is_zone(from))
		from += PAGE_SIZE;
	return from < to;
}

/* The mappings with pages of the zone that the kernel counts. */
static size_t mapped_by_kernel(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	uintptr_t from, to;
	char line[512];
	size_t n = 0;

	REQUIRE(file);
	while (fgets(line, sizeof line, file))
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2 && to - from < GIB)
			n += has_zone(from, to);
	fclose(file);
	return n;
}

/* What else was mapped lies in holes, and the kernel joins it with both neighbours. */
static void expect_as_kernel_counts(void)
{
	size_t others = 16, counted = sizes().stretches, real = mapped_by_kernel();

	EXPECT(real <= counted + sizes().steps);
	EXPECT(counted <= real + others);
}

TEST(mappings_are_counted_as_the_kernel_counts_them)
{
	enum { HELD = 3000, ROUNDS = 12 };
	static void *held[HELD];
	static unsigned orders[HELD];
	uint64_t seed = test_seed();
	size_t before;
	bool clean;

	os_sim_need_small_pages();
	zone_unmap_free(false);
	before = sizes().stretches;
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < HELD; i++) {
			uint64_t random = test_random(&seed);

			if (held[i] && random % 3) {
				zone_free(held[i], orders[i], PAGE_SIZE);
				held[i] = NULL;
			} else if (!held[i]) {
				orders[i] = (unsigned)lowest_bit(random >> 8 | 1 << 5);
				REQUIRE((held[i] = zone_alloc(orders[i], &clean)) != NULL);
			}
		}
		zone_unmap_free(true);
		EXPECT(round == 0 || sizes().stretches > 100);
		expect_as_kernel_counts();
		EXPECT(zone_check());
	}
	for (int i = 0; i < HELD; i++)
		if (held[i])
			zone_free(held[i], orders[i], PAGE_SIZE);
	expect_as_kernel_counts();
	zone_unmap_free(false);
	EXPECT(sizes().stretches <= before);
	EXPECT(zone_check());
}
