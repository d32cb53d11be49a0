/* What zone_check() sees of the page map. */
#include "os_sim.h"
#include "pages/zone.h"
#include "test.h"

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

TEST(check_sees_a_hot_word_on_a_page_of_no_slab)
{
	struct descriptor tag = {.kind = KIND_HEAP};
	bool clean;
	char *block = zone_alloc(1, &clean);

	pagemap_set(block, ORDER_BYTES(1), &tag);
	pagemap_set_hot(block + PAGE_SIZE, PAGE_SIZE, 1);
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

	zone_free(block, 2, 0);
	pagemap_set_hot(block, PAGE_SIZE, 1);
	EXPECT(!zone_check());
	pagemap_set_hot(block, PAGE_SIZE, 0);
	EXPECT(zone_check());
}
