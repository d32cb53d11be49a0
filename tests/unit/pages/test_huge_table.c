/* The table of huge objects: kept mappings side by side, what huge_check() sees, and as the child
   of a fork finds it. */
#include "os_sim.h"
#include "pages/huge.h"
#include "pages/huge_table.h"
#include "pages/retain.h"
#include "test.h"
#include "huges.h"

TEST(kept_mappings_side_by_side_become_one)
{
	char *held = take(800 * MIB), *a = take(30 * MIB);

	huge_free(huge_of(a));
	for (int i = 0; i < 3; i++)
		EXPECT(take(10 * MIB) == a + (size_t)i * 10 * MIB);
	huge_free(huge_of(a));
	huge_free(huge_of(a + 20 * MIB));
	EXPECT_EQ(sizes().kept, 20 * MIB);
	huge_free(huge_of(a + 10 * MIB));
	EXPECT_EQ(sizes().kept, 30 * MIB);
	EXPECT(take(30 * MIB) == a);
	EXPECT(huge_check());
	huge_free(huge_of(a));
	huge_free(huge_of(held));
	huge_purge(SIZE_MAX);
}

static size_t count_kept(void)
{
	size_t n = 0;

	list_for_each (l, &huge_table.kept)
		n++;
	return n;
}

/* How many mappings are kept after two that lie side by side from there on were freed, of which the
   lower one may pass for a reserved one. */
static size_t kept_side_by_side(char *place, size_t lower_bytes, size_t upper_bytes, bool reserved)
{
	char *lower, *upper;

	huge_purge(SIZE_MAX);
	os_sim_map_at(place);
	lower = take(lower_bytes);
	os_sim_map_at(place + lower_bytes);
	upper = take(upper_bytes);
	REQUIRE(lower == place && upper == place + lower_bytes);
	huge_of(lower)->reserved = reserved;
	huge_free(huge_of(lower));
	huge_free(huge_of(upper));
	EXPECT_EQ(sizes().kept, lower_bytes + upper_bytes);
	EXPECT(huge_check());
	return count_kept();
}

TEST(kept_mappings_become_none_of_over_a_gib_or_of_both_kinds)
{
	size_t floor = options.retain_floor;
	char *place = take(2 * GIB);

	options.retain_floor = 4 * GIB;
	huge_free(huge_of(place));
	EXPECT_EQ(kept_side_by_side(place, GIB / 2, GIB / 2, false), 1);
	EXPECT_EQ(kept_side_by_side(place, GIB / 2, GIB / 2 + MIB, false), 2);
	EXPECT_EQ(kept_side_by_side(place, GIB / 2, GIB / 2, true), 2);
	options.retain_floor = floor;
	huge_purge(SIZE_MAX);
	EXPECT_EQ(sizes().kept, 0);
}

TEST(check_sees_what_is_wrong)
{
	char *mem = take(6 * MIB);
	struct huge *h = huge_of(mem);

	h->nbytes += PAGE_SIZE;
	EXPECT(!huge_check());
	h->nbytes -= PAGE_SIZE;
	pagemap_set(mem, PAGE_SIZE, NULL);
	EXPECT(!huge_check());
	pagemap_set(mem, PAGE_SIZE, &h->tag);
	h->reserved = true; /* G4: of 6 MiB */
	EXPECT(huge_check());
	h->mapped += PAGE_SIZE;
	EXPECT(!huge_check());
	h->mapped -= PAGE_SIZE;
	h->reserved = false;
	EXPECT(huge_check());
	huge_free(h);
	huge_purge(SIZE_MAX);
}

/* A table that another thread was changing, as the child of a fork finds it. */
TEST(lists_and_sums_are_made_anew)
{
	char *held = take(800 * MIB), *kept = take(8 * MIB); /* so much may be kept */

	huge_free(huge_of(kept));
	huge_table.in_use.prev = huge_table.kept.prev = NULL; /* lists are whole forwards alone */
	huge_table.sizes.count = huge_table.sizes.nbytes = huge_table.sizes.kept = 0;
	huge_recover();
	EXPECT(huge_check());
	EXPECT_EQ(huge_table.sizes.count, 1);
	EXPECT_EQ(huge_table.sizes.kept, 8 * MIB);
	huge_free(huge_of(held));
	EXPECT(huge_check());
	huge_purge(SIZE_MAX);
}

TEST(an_object_that_was_being_freed_is_kept)
{
	char *held = take(800 * MIB), *mem = take(6 * MIB);

	pagemap_set(mem, PAGE_SIZE, NULL);
	EXPECT(!huge_check());
	huge_recover();
	EXPECT(huge_check());
	EXPECT_EQ(huge_table.sizes.kept, 6 * MIB);
	EXPECT(take(6 * MIB) == mem);
	huge_free(huge_of(mem));
	huge_free(huge_of(held));
	EXPECT(huge_check());
}

TEST(one_of_over_a_gib_that_was_being_freed_is_not)
{
	char *mem = take(GIB + MIB);

	huge_purge(SIZE_MAX);
	pagemap_set(mem, PAGE_SIZE, NULL);
	huge_recover();
	EXPECT(huge_check());
	EXPECT_EQ(huge_table.sizes.kept, 0);
	EXPECT_EQ(huge_table.sizes.count, 0);
}
