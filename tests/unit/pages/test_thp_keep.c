/* Huge pages: which purges are held back, and what goes in their place. */
#include "pages/thp_keep.h"

#include "os_sim.h"
#include "pages/zone_regions.h"
#include "test.h"

#include <string.h>

enum {
	ORDER = 6, /* blocks of 64 pages: eight are a huge page */
	BLOCKS = 16,
	HALF = BLOCKS / 2
};

#define BLOCK_BYTES ORDER_BYTES(ORDER)

static char *blocks[BLOCKS];

static void begin(enum options_thp mode)
{
	os_sim_need_small_pages();
	options.thp = mode;
	options.retain_floor = GIB;
	zone.look_pause = 0;
	zone_unmap_free(false);
}

/* All blocks of a region, each written. */
static void fill_region(void)
{
	bool clean;
	void *region = zone_alloc(ORDER_MAX, &clean);

	REQUIRE(region);
	zone_free(region, ORDER_MAX, 0);
	for (int i = 0; i < BLOCKS; i++) {
		REQUIRE((blocks[i] = zone_alloc(ORDER, &clean)) != NULL);
		REQUIRE(blocks[i] == blocks[0] + (size_t)i * BLOCK_BYTES);
		memset(blocks[i], 1, BLOCK_BYTES);
	}
	REQUIRE((uintptr_t)blocks[0] % REGION_SIZE == 0);
}

static void free_blocks(int first, int count)
{
	for (int i = first; i < first + count; i++) {
		zone_free(blocks[i], ORDER, BLOCK_BYTES);
		blocks[i] = NULL;
	}
}

static void end(void)
{
	for (int i = 0; i < BLOCKS; i++)
		if (blocks[i])
			free_blocks(i, 1);
	EXPECT(zone_check());
	zone_unmap_free(false);
	options.thp = THP_AUTO;
}

TEST(a_huge_page_more_than_half_in_use_is_not_split)
{
	begin(THP_ALWAYS);
	fill_region();
	free_blocks(1, 3);
	EXPECT_EQ(zone_purge(MIB), 0);
	EXPECT_EQ(blocks[0][0], 1);
	EXPECT_EQ(zone_purge(MIB), 0);
	free_blocks(5, 1);
	EXPECT_EQ(zone_purge(MIB), 4 * BLOCK_BYTES);
	EXPECT_EQ(zone_purge(MIB), 0);
	end();
}

TEST(in_other_modes_it_is)
{
	static const enum options_thp modes[] = {THP_AUTO, THP_NEVER, THP_SYSTEM};

	for (int i = 0; i < 3; i++) {
		begin(modes[i]);
		fill_region();
		free_blocks(1, 3);
		EXPECT_EQ(zone_purge(MIB), 3 * BLOCK_BYTES);
		end();
	}
}

/* The largest block lies in the newest huge page, which is mostly in use. */
TEST(a_block_of_another_huge_page_goes_in_its_place)
{
	begin(THP_ALWAYS);
	fill_region();
	free_blocks(HALF + 2, 2);
	free_blocks(0, 1);
	free_blocks(2, 1);
	free_blocks(4, 1);
	free_blocks(6, 1);
	EXPECT_EQ(zone_purge(4 * MIB), 4 * BLOCK_BYTES);
	EXPECT_EQ(zone_purge(4 * MIB), 0);
	end();
}

TEST(a_page_of_another_huge_page_goes_in_its_place)
{
	begin(THP_ALWAYS);
	fill_region();
	free_blocks(1, 4);
	EXPECT_EQ(zone_purge(MIB), 4 * BLOCK_BYTES);
	free_blocks(HALF + 2, 1);
	zone_free_pages(blocks[0] + 5 * PAGE_SIZE, 1);
	EXPECT_EQ(zone_purge(MIB), PAGE_SIZE);
	zone_free_pages(blocks[0], 5);
	zone_free_pages(blocks[0] + 6 * PAGE_SIZE, (1 << ORDER) - 6);
	blocks[0] = NULL;
	end();
}

/* Of frees that find none, each 256th looks; what needs no look goes at once. */
TEST(a_look_in_vain_is_not_repeated_at_once)
{
	begin(THP_ALWAYS);
	fill_region();
	free_blocks(HALF + 2, 2);
	EXPECT_EQ(zone_purge(MIB), 0);
	free_blocks(0, 1);
	free_blocks(2, 1);
	free_blocks(4, 1);
	free_blocks(6, 1);
	for (int i = 0; i < 256; i++)
		EXPECT_EQ(zone_purge(MIB), 0);
	EXPECT_EQ(zone_purge(MIB), 4 * BLOCK_BYTES);
	end();
}

/* What goes where so many regions come first of which each huge page is mostly in use. */
static size_t purged_behind(int n)
{
	enum { MOST = 64 };
	char *others[MOST];
	size_t purged;
	bool clean;

	begin(THP_ALWAYS);
	fill_region();
	for (int i = 0; i < HALF; i += 2)
		free_blocks(i, 1);
	for (int i = 0; i < n; i++) {
		REQUIRE((others[i] = zone_alloc(ORDER_MAX, &clean)) != NULL);
		zone_free(others[i], ORDER, BLOCK_BYTES);
	}
	purged = zone_purge(MIB);
	for (int i = 0; i < n; i++)
		zone_free_pages(others[i] + BLOCK_BYTES, REGION_PAGES - (1 << ORDER));
	end();
	return purged;
}

/* So that no thread has the lock for long. */
TEST(a_look_visits_64_regions)
{
	EXPECT_EQ(purged_behind(63), HALF / 2 * BLOCK_BYTES);
	EXPECT_EQ(purged_behind(64), 0);
}

TEST(whole_huge_pages_go)
{
	begin(THP_ALWAYS);
	fill_region();
	free_blocks(HALF, HALF);
	EXPECT_EQ(zone_purge(4 * MIB), HALF * BLOCK_BYTES);
	end();
}

TEST(nothing_is_held_back_from_a_purge_of_all_nor_under_a_limit)
{
	begin(THP_ALWAYS);
	fill_region();
	free_blocks(1, 1);
	EXPECT_EQ(zone_purge(MIB), 0);
	EXPECT_EQ(zone_purge(SIZE_MAX), BLOCK_BYTES);
	free_blocks(3, 1);
	EXPECT_EQ(zone_purge(MIB), 0);
	options.limit = GIB;
	EXPECT_EQ(zone_purge(MIB), BLOCK_BYTES);
	options.limit = 0;
	end();
}
