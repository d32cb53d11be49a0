/* How much of the zone's dirty blocks goes back at once. */
#include "base/bits.h"
#include "os_sim.h"
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

/* From its end, so that no call takes longer than it must. */
TEST(of_a_large_block_no_more_is_purged_than_is_asked_for)
{
	size_t floor = options.retain_floor;
	char *block;
	bool clean;

	zone_purge(SIZE_MAX);
	options.retain_floor = GIB;
	REQUIRE(block = zone_alloc(ORDER_MAX, &clean));
	zone_free(block, ORDER_MAX, ORDER_BYTES(ORDER_MAX));
	os_sim_fail_from(0);
	for (size_t left = REGION_SIZE; left; left -= MIB) {
		EXPECT_EQ(sizes().free_dirty, left);
		EXPECT_EQ(zone_purge(MIB), MIB);
		EXPECT(zone_check());
	}
	EXPECT_EQ(os_sim_calls(), 4);
	EXPECT_EQ(zone_purge(MIB), 0);
	REQUIRE(zone_alloc(ORDER_MAX, &clean) == block);
	EXPECT(clean);
	zone_free(block, ORDER_MAX, 0);
	options.retain_floor = floor;
}

/* However much is over the rule. */
TEST(a_free_purges_four_times_what_it_brings)
{
	enum { BLOCKS = 6 };
	size_t floor = options.retain_floor, before;
	void *blocks[BLOCKS], *small;
	bool clean;

	zone_purge(SIZE_MAX);
	options.retain_floor = GIB;
	REQUIRE(small = zone_alloc(4, &clean));
	for (int i = 0; i < BLOCKS; i++)
		REQUIRE(blocks[i] = zone_alloc(ORDER_MAX, &clean));
	for (int i = 0; i < BLOCKS; i++)
		zone_free(blocks[i], ORDER_MAX, ORDER_BYTES(ORDER_MAX));
	retain_forget();
	options.retain_floor = 0;
	before = sizes().free_dirty;
	zone_free(small, 4, ORDER_BYTES(4));
	EXPECT_EQ(sizes().free_dirty, before - 3 * ORDER_BYTES(4));
	options.retain_floor = floor;
	EXPECT(zone_check());
}
