/* The table of regions: beyond its first part, what zone_check() sees, and as the child of a fork
   finds it. */
#include "os_sim.h"
#include "pages/nodes.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "pages/zone_regions.h"
#include "test.h"

static struct zone_sizes sizes(void)
{
	struct zone_sizes s;

	zone_sizes(&s);
	return s;
}

/* More regions than a part of the table has: every one is found for its blocks, and the newest are
   purged first. */
TEST(regions_beyond_the_first_part_of_the_table_are_found)
{
	enum { REGIONS = 1100 }; /* addresses alone: nothing touches them */
	static void *held[REGIONS];
	struct pages one = {.count = 1};
	bool clean;

	for (int i = 0; i < REGIONS; i++)
		REQUIRE(held[i] = zone_alloc(ORDER_MAX, &clean));
	EXPECT(zone_check());
	zone_free(held[REGIONS - 1], ORDER_MAX, 0);
	EXPECT_EQ((uintptr_t)zone_alloc(ORDER_MAX, &clean), (uintptr_t)held[REGIONS - 1]);
	for (int i = 0; i < REGIONS; i += 2)
		zone_free(held[i], ORDER_MAX, i > REGIONS / 2 ? PAGE_SIZE : 0);
	EXPECT(zone_check());
	EXPECT_EQ((uintptr_t)zone_find(zone_node(0), 1, &one),
		  (uintptr_t)*pagemap_region(held[REGIONS / 2 + 2]));
	EXPECT(zone_purge(SIZE_MAX) > 0);
	for (int i = 1; i < REGIONS; i += 2)
		zone_free(held[i], ORDER_MAX, 0);
	EXPECT(zone_check());
	zone_unmap_free(false);
	EXPECT_EQ(sizes().mapped, 0);
	EXPECT(zone_check());
}

/* That of one that was unmapped; and nobody searches the numbers below it. */
TEST(a_new_region_takes_the_lowest_number_that_is_free)
{
	enum { REGIONS = 4 };
	unsigned slots[REGIONS];
	char *held[REGIONS];
	bool clean;

	zone_unmap_free(false);
	for (int i = 0; i < REGIONS; i++) {
		REQUIRE(held[i] = zone_alloc(ORDER_MAX, &clean));
		slots[i] = (*pagemap_region(held[i]))->slot;
		EXPECT(zone_node(0)->free_from >= slots[i]);
	}
	for (int i = 1; i < REGIONS; i++)
		EXPECT(slots[i] > slots[i - 1]);
	for (int i = REGIONS - 2; i > 0; i--)
		zone_free(held[i], ORDER_MAX, 0);
	zone_unmap_free(false);
	for (int i = 1; i < REGIONS - 1; i++) {
		REQUIRE(held[i] = zone_alloc(ORDER_MAX, &clean));
		EXPECT_EQ((*pagemap_region(held[i]))->slot, slots[i]);
	}
	for (int i = 0; i < REGIONS; i++)
		zone_free(held[i], ORDER_MAX, 0);
	zone_unmap_free(false);
	EXPECT(zone_check());
}

/* In this order: dirty pages in a region further on, any pages beside dirty ones, nothing. */
TEST(a_stretch_is_looked_for_in_sixteen_regions)
{
	enum { LOOKS = 16, REGIONS = LOOKS + 1 };
	char *held[REGIONS];
	struct pages three = {.count = 3};
	bool clean;

	zone_unmap_free(false); /* so that regions are in the table as they are taken */
	for (int i = 0; i < REGIONS; i++)
		REQUIRE(held[i] = zone_alloc(ORDER_MAX, &clean));
	EXPECT(!zone_find(zone_node(0), 1, &three));
	for (int i = 0; i < REGIONS; i++) {
		zone_free(held[i] + 8 * PAGE_SIZE, 2,
			  i < REGIONS - 1 ? 2 * PAGE_SIZE : 4 * PAGE_SIZE);
	}
	EXPECT_EQ((uintptr_t)zone_find(zone_node(0), 1, &three),
		  (uintptr_t)*pagemap_region(held[0]));
	EXPECT_EQ(three.first, 8);
	REQUIRE(zone_extend_pages(held[0] + 4 * PAGE_SIZE, 4, 8));
	EXPECT_EQ((uintptr_t)zone_find(zone_node(0), 1, &three),
		  (uintptr_t)*pagemap_region(held[REGIONS - 1]));
	for (int i = 0; i < REGIONS; i++) {
		zone_free_pages(held[i], i ? 8 : 12);
		zone_free_pages(held[i] + 12 * PAGE_SIZE, REGION_PAGES - 12);
	}
	EXPECT(zone_check());
}

/* Their dirty holes are too small for any aligned stretch. */
TEST(regions_that_cannot_have_an_aligned_stretch_are_not_looked_at)
{
	enum { LOOKS = 16, REGIONS = LOOKS + 2 };
	struct pages pages = {.count = 16};
	char *held[REGIONS];
	bool clean;

	zone_unmap_free(false);
	for (int i = 0; i < REGIONS; i++)
		REQUIRE(held[i] = zone_alloc(ORDER_MAX, &clean));
	for (int i = 1; i < REGIONS; i++)
		zone_free(held[i] + 8 * PAGE_SIZE, 3, PAGE_SIZE);
	zone_free(held[0] + 64 * PAGE_SIZE, 4, 0); /* clean, where nothing is dirty */
	zone_free(held[1] + 64 * PAGE_SIZE, 4, 0);
	EXPECT(!zone_find(zone_node(0), 16, &pages));
	zone_free(held[REGIONS - 1] + 32 * PAGE_SIZE, 4, ORDER_BYTES(4));
	EXPECT_EQ((uintptr_t)zone_find(zone_node(0), 16, &pages),
		  (uintptr_t)*pagemap_region(held[REGIONS - 1]));
	EXPECT_EQ(pages.first, 32);
	pages.count = 4;
	EXPECT_EQ((uintptr_t)zone_find(zone_node(0), 64, &pages),
		  (uintptr_t)*pagemap_region(held[1])); /* no dirty block is large enough */
	EXPECT_EQ(pages.first, 64);
	zone_free_pages(held[0], 64);
	zone_free_pages(held[0] + 80 * PAGE_SIZE, REGION_PAGES - 80);
	for (int i = 1; i < REGIONS; i++)
		zone_free_pages(held[i], 8);
	for (int i = 2; i < REGIONS - 1; i++)
		zone_free_pages(held[i] + 16 * PAGE_SIZE, REGION_PAGES - 16);
	zone_free_pages(held[1] + 16 * PAGE_SIZE, 48);
	zone_free_pages(held[1] + 80 * PAGE_SIZE, REGION_PAGES - 80);
	zone_free_pages(held[REGIONS - 1] + 16 * PAGE_SIZE, 16);
	zone_free_pages(held[REGIONS - 1] + 48 * PAGE_SIZE, REGION_PAGES - 48);
	zone_purge(SIZE_MAX);
	EXPECT(zone_check());
}

TEST(check_sees_a_tag_that_is_no_descriptor_in_use)
{
	struct descriptor tag = {.kind = KIND_RUN};
	bool clean;
	char *block = zone_alloc(1, &clean);

	pagemap_set(block, ORDER_BYTES(1), &tag);
	EXPECT(zone_check());
	tag.kind = KIND_NONE;
	EXPECT(!zone_check());
	tag.kind = KINDS;
	EXPECT(!zone_check());
	pagemap_set(block, ORDER_BYTES(1), NULL);
	zone_free(block, 1, 0);
}

static void *take_on_node_1(void)
{
	bool clean;
	void *block;

	nodes_many = true;
	os_sim_run_on(0, 1);
	block = zone_alloc(2, &clean);
	os_sim_run_on(0, 0);
	nodes_many = false;
	return block;
}

TEST(check_sees_a_region_that_is_not_where_it_should_be_noted)
{
	bool clean;
	void *block = zone_alloc(2, &clean);
	struct region *r = *pagemap_region(block);

	EXPECT(zone_check());
	r->slot ^= 1; /* Z1 */
	EXPECT(!zone_check());
	r->slot ^= 1;
	*pagemap_region(block) = NULL; /* Z2 */
	EXPECT(!zone_check());
	*pagemap_region(block) = r;
	bit_clear(zone.first.with[CLEAN][2].words, 0); /* Z3: of a block that the split left */
	EXPECT(!zone_check());
	bit_set(zone.first.with[CLEAN][2].words, 0);
	EXPECT(zone_check());
	zone_free(block, 2, 0);
	REQUIRE(block = take_on_node_1());
	(*pagemap_region(block))->node = 0; /* Z6 */
	EXPECT(!zone_check());
	(*pagemap_region(block))->node = 1;
	EXPECT(zone_check());
	zone_free(block, 2, 0);
}

TEST(check_sees_a_tag_on_a_free_page)
{
	static struct descriptor tag = {.kind = KIND_RUN};
	bool clean;
	void *block = zone_alloc(2, &clean);

	zone_free(block, 2, 0);
	pagemap_set(block, PAGE_SIZE, &tag); /* Z5 */
	EXPECT(!zone_check());
	pagemap_set(block, PAGE_SIZE, NULL);
	EXPECT(zone_check());
}

TEST(check_sees_a_hot_word_on_a_page_of_no_slab)
{
	struct descriptor tag = {.kind = KIND_SLAB};
	bool clean;
	char *block = zone_alloc(1, &clean);

	pagemap_set(block, ORDER_BYTES(1), &tag);
	pagemap_set_hot(block + PAGE_SIZE, PAGE_SIZE, 1);
	tag.kind = KIND_HEAP;
	EXPECT(!zone_check());
	tag.kind = KIND_SLAB;
	EXPECT(zone_check());
	pagemap_set_hot(block, ORDER_BYTES(1), 0);
	pagemap_set(block, ORDER_BYTES(1), NULL);
	zone_free(block, 1, 0);
}

TEST(check_sees_a_hot_word_on_a_free_page)
{
	bool clean;
	void *block = zone_alloc(2, &clean);
	uintptr_t address = (uintptr_t)block;

	zone_free(block, 2, 0);
	pagemap_leaf(&pagemap, address)->hot[pagemap_index(address)] = 1;
	EXPECT(!zone_check());
	pagemap_set_hot(block, PAGE_SIZE, 0);
	EXPECT(zone_check());
}

/* A zone that another thread was changing, as the child of a fork finds it. */
TEST(sets_and_sums_are_made_anew)
{
	size_t live, retained;
	void *held[8];
	bool clean;

	for (int i = 0; i < 8; i++)
		REQUIRE(held[i] = zone_alloc(3, &clean));
	for (int i = 0; i < 8; i += 2)
		zone_free(held[i], 3, PAGE_SIZE);
	live = retain_live;
	retained = retain_retained;
	zone.first.orders[DIRTY] = 0;
	zone.first.with[CLEAN][ORDER_MAX] = (struct zone_set){0};
	zone.sizes.regions++;
	EXPECT(!zone_check());
	zone_recover();
	EXPECT(zone_check());
	EXPECT_EQ(retain_live, live);
	EXPECT_EQ(retain_retained, retained);
	for (int i = 1; i < 8; i += 2)
		zone_free(held[i], 3, 0);
	EXPECT(zone_check());
}

TEST(a_region_that_was_being_noted_or_forgotten_is_found)
{
	bool clean;
	void *block = zone_alloc(0, &clean);

	REQUIRE(block);
	zone.slots++; /* a number that no region has */
	*pagemap_region(block) = NULL;
	zone_recover();
	EXPECT(zone_check());
	zone_free(block, 0, PAGE_SIZE);
	EXPECT(zone_check());
}

TEST(an_aligned_stretch_need_be_no_whole_block)
{
	struct pages pages = {.count = 3};
	bool clean;
	char *held;

	zone_purge(SIZE_MAX);
	REQUIRE(held = zone_alloc(ORDER_MAX, &clean));
	zone_free_pages(held + 8 * PAGE_SIZE, 3);
	EXPECT_EQ((uintptr_t)zone_find(zone_node(0), 4, &pages), (uintptr_t)*pagemap_region(held));
	EXPECT_EQ(pages.first, 8);
	zone_free_pages(held, 8);
	zone_free_pages(held + 11 * PAGE_SIZE, REGION_PAGES - 11);
	EXPECT(zone_check());
}
