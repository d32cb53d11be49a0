/* Huge pages: what is advised in each mode, and what a refusal does. */
#include "pages/thp.h"

#include "os_sim.h"
#include "pages/huge.h"
#include "pages/metadata.h"
#include "pages/zone.h"
#include "test.h"

#include <string.h>

static struct os_sim_advice advice[16];

static void begin(enum options_thp mode)
{
	os_sim_need_small_pages();
	options.thp = mode;
	options.retain_floor = GIB;
	zone_unmap_free(false);
	os_sim_note_advice(advice, 16);
}

/* A block of a zone, a huge object, loam's own memory. */
static void map_each(char **ret_block, char **ret_huge)
{
	bool clean, zero = true;

	REQUIRE((*ret_block = zone_alloc(ORDER_MAX, &clean)) != NULL);
	REQUIRE((*ret_huge = huge_alloc(5 * MIB, PAGE_SIZE, &zero)) != NULL);
	REQUIRE(metadata_alloc(32 * MIB)); /* an area of its own */
}

static void unmap_each(char *block, char *huge)
{
	zone_free(block, ORDER_MAX, 0);
	huge_free(huge_around(huge, false));
	huge_unmap_free();
	EXPECT(zone_check());
	zone_unmap_free(false);
	options.thp = THP_AUTO;
}

static bool is_advice(size_t i, const char *mem, size_t nbytes, bool wanted)
{
	return advice[i].mem == mem && advice[i].nbytes == nbytes && advice[i].wanted == wanted;
}

TEST(by_default_and_by_system_nothing_is_advised)
{
	char *block, *huge;

	for (int i = 0; i < 2; i++) {
		begin(i ? THP_SYSTEM : THP_AUTO);
		map_each(&block, &huge);
		EXPECT_EQ(os_sim_advised(), 0);
		unmap_each(block, huge);
	}
}

TEST(always_asks_for_zones_and_huge_objects)
{
	char *block, *huge;

	begin(THP_ALWAYS);
	map_each(&block, &huge);
	EXPECT_EQ(os_sim_advised(), 2);
	EXPECT(is_advice(0, block, REGION_SIZE, true));
	EXPECT(is_advice(1, huge, 5 * MIB, true));
	unmap_each(block, huge);
}

TEST(never_refuses_for_all)
{
	char *block, *huge;

	begin(THP_NEVER);
	map_each(&block, &huge);
	EXPECT_EQ(os_sim_advised(), 3);
	EXPECT(is_advice(0, block, REGION_SIZE, false));
	EXPECT(is_advice(1, huge, 5 * MIB, false));
	EXPECT_EQ(advice[2].wanted, false);
	EXPECT_EQ(advice[2].nbytes, 32 * MIB);
	unmap_each(block, huge);
}

TEST(purges_are_held_back_where_pages_are_small)
{
	options.thp = THP_ALWAYS;
	EXPECT_EQ(thp_holds(), os_page_size() == PAGE_SIZE);
	options.thp = THP_AUTO;
	EXPECT(!thp_holds());
}

/* The last test: a refusal stands. */
TEST(a_system_without_huge_pages_is_asked_once)
{
	char *block, *huge;

	begin(THP_ALWAYS);
	os_sim_refuse(OS_SIM_HUGE_PAGES, EINVAL);
	map_each(&block, &huge);
	EXPECT_EQ(os_sim_advised(), 1);
	EXPECT(!thp_holds());
	memset(huge, 1, 5 * MIB);
	os_sim_refuse(OS_SIM_HUGE_PAGES, 0);
	unmap_each(block, huge);
}
