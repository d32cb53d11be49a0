/* A zone that another thread was changing, as the child of a fork finds it. */
#include "os_sim.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "pages/zone_regions.h"
#include "test.h"

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
	zone.orders[DIRTY] = 0;
	zone.with[CLEAN][ORDER_MAX] = (struct bitset){0};
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
	zone.slots = 0;
	*pagemap_region(block) = NULL;
	zone_recover();
	EXPECT(zone_check());
	zone_free(block, 0, PAGE_SIZE);
	EXPECT(zone_check());
}
