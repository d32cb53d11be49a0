/* Nodes: which one a thread is of, and the blocks that it takes. */
#include "pages/nodes.h"

#include "os_sim.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "pages/zone_regions.h"
#include "test.h"

#include <string.h>

static void run_on(unsigned node)
{
	os_sim_run_on(0, node);
}

static unsigned node_of(const void *block)
{
	return (*pagemap_region(block))->node;
}

static void *take(unsigned node, unsigned order)
{
	bool clean;
	void *block;

	run_on(node);
	REQUIRE(block = zone_alloc(order, &clean));
	return block;
}

static struct zone_sizes sizes(void)
{
	struct zone_sizes s;

	zone_sizes(&s);
	return s;
}

/* The first test: none was seen. */
TEST(nothing_is_asked_until_a_thread_begins_on_another_node)
{
	run_on(3);
	EXPECT_EQ(nodes_here(), 0);
	EXPECT_EQ(node_of(take(3, 0)), 0);
	options.zones = 1;
	nodes_note();
	EXPECT(!nodes_many);
	options.zones = 0;
	run_on(0);
	nodes_note();
	EXPECT(!nodes_many);
	run_on(3);
	nodes_note();
	EXPECT(nodes_many);
	EXPECT_EQ(nodes_here(), 3);
	run_on(NODES_MOST + 2);
	EXPECT_EQ(nodes_here(), 2);
}

TEST(as_many_as_the_option_says_by_processors)
{
	nodes_many = false;
	options.zones = 3;
	os_sim_run_on(0, 1);
	nodes_note();
	EXPECT(nodes_many);
	EXPECT_EQ(nodes_here(), 0);
	os_sim_run_on(5, 1);
	EXPECT_EQ(nodes_here(), 2);
	options.zones = 0;
}

TEST(each_node_takes_blocks_of_its_own_and_gives_back_any)
{
	void *held[3][8];

	nodes_many = true;
	for (unsigned i = 0; i < 8; i++)
		for (unsigned node = 0; node < 3; node++) {
			held[node][i] = take(node, i % 5);
			EXPECT_EQ(node_of(held[node][i]), node);
		}
	EXPECT(zone_check());
	run_on(2);
	for (unsigned i = 0; i < 8; i++)
		zone_free(held[1][i], i % 5, ORDER_BYTES(i % 5));
	EXPECT(zone_check());
	for (unsigned i = 0; i < 8; i++)
		EXPECT_EQ(node_of(take(2, i % 5)), 2);
	for (unsigned i = 0; i < 8; i++) { /* they are there again */
		held[1][i] = take(1, i % 5);
		EXPECT_EQ(node_of(held[1][i]), 1);
	}
	EXPECT(zone_check());
}

/* A part of the table is of one node: the first has more regions than a part holds. */
TEST(numbers_of_regions_of_nodes_do_not_mix)
{
	enum { REGIONS = 700 };
	static void *held[2][REGIONS];

	nodes_many = true;
	for (int i = 0; i < REGIONS; i++)
		for (unsigned node = 0; node < 2; node++)
			held[node][i] = take(node, ORDER_MAX);
	EXPECT(zone_check());
	for (int i = 0; i < REGIONS; i++)
		for (unsigned node = 0; node < 2; node++) {
			EXPECT_EQ(node_of(held[node][i]), node);
			zone_free(held[node][i], ORDER_MAX, 0);
		}
	zone_unmap_free(false);
	EXPECT(zone_check());
}

TEST(what_is_dirty_is_purged_on_all_nodes)
{
	void *held[3];

	nodes_many = true;
	options.retain_floor = GIB;
	zone_purge(SIZE_MAX);
	for (unsigned node = 0; node < 3; node++)
		held[node] = take(node, 4);
	for (unsigned node = 0; node < 3; node++)
		zone_free(held[node], 4, ORDER_BYTES(4));
	EXPECT_EQ(sizes().free_dirty, 3 * ORDER_BYTES(4));
	EXPECT_EQ(zone_purge(SIZE_MAX), 3 * ORDER_BYTES(4));
	EXPECT_EQ(sizes().free_dirty, 0);
	EXPECT(zone_check());
}

TEST(where_memory_is_refused_a_block_of_another_node_is_taken)
{
	void *held = take(1, ORDER_MAX), *block;
	bool clean;

	nodes_many = true;
	zone_free(held, ORDER_MAX, 0);
	zone_unmap_free(false);
	zone_free(take(1, 3), 3, 0);
	EXPECT(!zone_node(5));
	EXPECT(!zone_is_ready(ORDER_MAX) || nodes_here() == 1);
	run_on(5);
	EXPECT(!zone_is_ready(0));
	os_sim_fail_from(1);
	block = zone_alloc(3, &clean);
	os_sim_fail_from(0);
	REQUIRE(block);
	EXPECT(node_of(block) != 5);
	zone_free(block, 3, 0);
	EXPECT_EQ(node_of(take(5, 3)), 5);
	EXPECT(zone_check());
}

/* What was unmapped of a node's region and is mapped again for another one is in that region. */
TEST(a_hole_in_another_nodes_region)
{
	enum { BLOCKS = REGION_SIZE / ORDER_BYTES(8) };
	void *held[BLOCKS];
	bool clean;
	char *hole;

	nodes_many = true;
	zone_unmap_free(false);
	for (int i = 0; i < BLOCKS; i++)
		held[i] = take(7, 8);
	hole = held[1];
	zone_free(held[1], 8, 0);
	zone_unmap_free(true);
	run_on(0);
	while (zone_is_ready(8))
		REQUIRE(zone_alloc(8, &clean));
	os_sim_map_at(hole);
	held[1] = zone_alloc(8, &clean);
	os_sim_map_at(NULL);
	REQUIRE(held[1]);
	EXPECT(held[1] != hole || node_of(hole) == 7);
	EXPECT(zone_check());
}

/* As the child of a fork finds it. */
TEST(the_sets_of_all_nodes_are_made_anew)
{
	void *held[3];

	nodes_many = true;
	for (unsigned node = 0; node < 3; node++)
		held[node] = take(node, 3);
	zone_node(1)->orders[CLEAN] = 0;
	memset(zone_node(2)->with, 0, sizeof zone_node(2)->with);
	EXPECT(!zone_check());
	zone_recover();
	EXPECT(zone_check());
	for (unsigned node = 0; node < 3; node++)
		zone_free(held[node], 3, 0);
	EXPECT(zone_check());
}
