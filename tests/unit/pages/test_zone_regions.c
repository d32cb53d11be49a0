/* The table of regions beyond its first part. */
#include "os_sim.h"
#include "pages/zone.h"
#include "test.h"

static struct zone_sizes sizes(void)
{
	struct zone_sizes s;

	zone_sizes(&s);
	return s;
}

/* More regions than a part of the table has: every one is found for its blocks, and the newest are purged first. */
TEST(regions_beyond_the_first_part_of_the_table_are_found)
{
	enum { REGIONS = 1100 }; /* addresses alone: nothing touches them */
	static void *held[REGIONS];
	bool clean;

	for (int i = 0; i < REGIONS; i++)
		REQUIRE(held[i] = zone_alloc(ORDER_MAX, &clean));
	EXPECT(zone_check());
	zone_free(held[REGIONS - 1], ORDER_MAX, 0);
	EXPECT_EQ((uintptr_t)zone_alloc(ORDER_MAX, &clean), (uintptr_t)held[REGIONS - 1]);
	for (int i = 0; i < REGIONS; i += 2)
		zone_free(held[i], ORDER_MAX, i > REGIONS / 2 ? PAGE_SIZE : 0);
	EXPECT(zone_check());
	EXPECT(zone_purge(SIZE_MAX) > 0);
	for (int i = 1; i < REGIONS; i += 2)
		zone_free(held[i], ORDER_MAX, 0);
	EXPECT(zone_check());
	zone_unmap_free(false);
	EXPECT_EQ(sizes().mapped, 0);
	EXPECT(zone_check());
}
