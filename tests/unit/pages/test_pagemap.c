/* The page map: what is tagged is found, what is not reads as NULL, whatever is asked. */
#include "os/os.h"
#include "os_sim.h"
#include "pages/pagemap.h"
#include "test.h"

#include <string.h>
#include <sys/utsname.h>

static struct descriptor one = {.kind = KIND_RUN}, two = {.kind = KIND_HEAP};

static char *const low = (char *)0x7000000000; /* nothing is there: the map does not look */

TEST(nothing_is_tagged_at_first)
{
	EXPECT(!pagemap_get(NULL));
	EXPECT(!pagemap_get(&one));
	EXPECT(!pagemap_get((void *)0x7fffffffffff));
	EXPECT(!pagemap_get((void *)UINTPTR_MAX));
	EXPECT(!pagemap_get((void *)0x8000000000000001));
}

TEST(tags_are_found_by_any_address_in_their_pages)
{
	os_start();
	REQUIRE(pagemap_reserve(low, 3 * PAGE_SIZE));
	pagemap_set(low, PAGE_SIZE, &one);
	pagemap_set(low + PAGE_SIZE, 2 * PAGE_SIZE, &two);
	EXPECT(pagemap_get(low) == &one);
	EXPECT(pagemap_get(low + PAGE_SIZE - 1) == &one);
	EXPECT(pagemap_get(low + PAGE_SIZE) == &two);
	EXPECT(pagemap_get(low + 3 * PAGE_SIZE - 1) == &two);
	EXPECT(!pagemap_get(low + 3 * PAGE_SIZE));
	EXPECT(!pagemap_get(low - 1));
	pagemap_set(low, 3 * PAGE_SIZE, NULL);
	EXPECT(!pagemap_get(low));
}

TEST(a_range_over_two_leaves_is_tagged_whole)
{
	char *border = (char *)((size_t)3 << LEAF_SHIFT);

	REQUIRE(pagemap_reserve(border - PAGE_SIZE, 2 * PAGE_SIZE));
	pagemap_set(border - PAGE_SIZE, 2 * PAGE_SIZE, &one);
	EXPECT(pagemap_get(border - 1) == &one);
	EXPECT(pagemap_get(border) == &one);
	EXPECT(!pagemap_get(border + PAGE_SIZE));
	pagemap_set(border - PAGE_SIZE, 2 * PAGE_SIZE, NULL);
}

TEST(regions_are_noted_by_window)
{
	struct region *r = (struct region *)&two;

	*pagemap_region(low) = r;
	EXPECT(*pagemap_region(low + REGION_SIZE - 1) == r);
	EXPECT(!*pagemap_region(low + REGION_SIZE));
	*pagemap_region(low) = NULL;
}

/* Kernels map from the top of user space downward. */
TEST(the_first_addresses_that_a_kernel_maps_are_tagged)
{
	struct utsname system;
	bool is_aarch64 = uname(&system) == 0 && strcmp(system.machine, "aarch64") == 0;
	char *first = (char *)(is_aarch64 ? 0xfffff7ff0000 : 0x7ffff7ff0000);

	REQUIRE(pagemap_reserve(first, PAGE_SIZE));
	pagemap_set(first, PAGE_SIZE, &one);
	EXPECT(pagemap_get(first) == &one);
	EXPECT(!pagemap_get(first - ((uintptr_t)1 << (ROOT_BITS - 1))));
	pagemap_set(first, PAGE_SIZE, NULL);
}

TEST(addresses_beyond_user_space_cannot_be_reserved)
{
	EXPECT(!pagemap_reserve((void *)((uintptr_t)1 << ADDRESS_BITS), PAGE_SIZE));
	EXPECT(!pagemap_reserve((void *)(((uintptr_t)1 << ADDRESS_BITS) - PAGE_SIZE),
				2 * PAGE_SIZE));
}

TEST(without_memory_for_a_leaf_nothing_is_reserved)
{
	char *far = (char *)((size_t)77 << LEAF_SHIFT);

	os_sim_fail_from(1);
	EXPECT(!pagemap_reserve(far, PAGE_SIZE));
	os_sim_fail_from(0);
	EXPECT(pagemap_reserve(far, PAGE_SIZE));
}

TEST(without_memory_for_a_table_nothing_is_reserved)
{
	/* its leaf is there */
	char *near = (char *)((size_t)77 << LEAF_SHIFT) + ((size_t)3 << TABLE_SHIFT);

	os_sim_fail_from(1);
	EXPECT(pagemap_reserve((char *)((size_t)77 << LEAF_SHIFT), PAGE_SIZE));
	EXPECT(!pagemap_reserve(near, PAGE_SIZE));
	os_sim_fail_from(0);
	EXPECT(!pagemap_get(near));
	EXPECT(pagemap_reserve(near - PAGE_SIZE, 2 * PAGE_SIZE));
	pagemap_set(near - PAGE_SIZE, 2 * PAGE_SIZE, &one);
	EXPECT(pagemap_get(near - 1) == &one && pagemap_get(near) == &one);
	EXPECT(!pagemap_get(near + PAGE_SIZE) && !pagemap_get(near - 2 * PAGE_SIZE));
}

TEST(tables_around_one_that_is_there_are_added)
{
	char *first = (char *)((size_t)79 << LEAF_SHIFT),
	     *second = first + ((size_t)1 << TABLE_SHIFT);
	size_t all = (size_t)1 << LEAF_SHIFT;

	REQUIRE(pagemap_reserve(second, PAGE_SIZE));
	pagemap_set(second, PAGE_SIZE, &one);
	REQUIRE(pagemap_reserve(first, all));
	EXPECT(pagemap_get(second) == &one);
	pagemap_set(first, all, &two);
	EXPECT(pagemap_get(first) == &two && pagemap_get(second) == &two &&
	       pagemap_get(first + all - 1) == &two);
	pagemap_set(first, all, NULL);
}

/* Addresses that share a leaf with others: what is there stays, and they are not loam's. */
TEST(of_two_places_with_one_leaf_the_second_is_refused)
{
	char *there = (char *)((size_t)81 << LEAF_SHIFT), *other = there + ((size_t)1 << ROOT_BITS);

	REQUIRE(pagemap_reserve(there, PAGE_SIZE));
	pagemap_set(there, PAGE_SIZE, &one);
	*pagemap_region(there) = (struct region *)&two;
	EXPECT(!pagemap_reserve(other, PAGE_SIZE));
	EXPECT(pagemap_has_region(there) && !pagemap_has_region(other));
	EXPECT(pagemap_get(there) == &one);
	*pagemap_region(there) = NULL;
}
