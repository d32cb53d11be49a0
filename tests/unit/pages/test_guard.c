/* Guard pages: how many there are at most, and what the system refuses. */
#include "pages/guard.h"

#include "os/mappings.h"
#include "os_sim.h"
#include "pages/huge_table.h"
#include "pages/zone.h"
#include "test.h"

#define GUARDS_MOST (MAPPINGS_BY_DEFAULT / 4)

static struct descriptor tags[GUARDS_MOST + 1];

/* Side by side, they take one mapping: valgrind does not have so many. */
static void *page_of(char *area, size_t i)
{
	return area + i * os_page_size();
}

TEST(only_so_many_are_laid)
{
	size_t nbytes = (GUARDS_MOST + 1) * os_page_size();
	char *area = os_map(nbytes, OS_PAGES);

	REQUIRE(area);
	for (size_t i = 0; i <= GUARDS_MOST; i++) {
		tags[i].kind = KIND_RUN;
		guard_lay(&tags[i], page_of(area, i), os_page_size());
		EXPECT_EQ(tags[i].guarded, i < GUARDS_MOST);
	}
	*(char *)page_of(area, GUARDS_MOST) = 1;
	EXPECT(guard_lift(&tags[7], page_of(area, 7), os_page_size()) && !tags[7].guarded);
	*(char *)page_of(area, 7) = 1;
	guard_lay(&tags[GUARDS_MOST], page_of(area, GUARDS_MOST), os_page_size());
	EXPECT(tags[GUARDS_MOST].guarded);
	for (size_t i = 0; i <= GUARDS_MOST; i++)
		EXPECT(guard_lift(&tags[i], page_of(area, i), os_page_size()));
	os_unmap(area, nbytes);
}

TEST(huge_objects_leave_less_for_guards)
{
	char *page = os_map(os_page_size(), OS_PAGES);
	struct descriptor tag = {.kind = KIND_RUN};

	huge_table.sizes.count = 2 * GUARDS_MOST;
	guard_lay(&tag, page, os_page_size());
	EXPECT(!tag.guarded);
	huge_table.sizes.count = 2 * GUARDS_MOST - 2;
	guard_lay(&tag, page, os_page_size());
	EXPECT(tag.guarded && guard_mappings() == 2 * GUARDS_MOST);
	huge_table.sizes.count = 0;
	EXPECT(guard_lift(&tag, page, os_page_size()) && guard_mappings() == 0);
	os_unmap(page, os_page_size());
}

TEST(a_refusal_leaves_all_as_before)
{
	char *page = os_map(os_page_size(), OS_PAGES);
	struct descriptor tag = {.kind = KIND_RUN};

	os_sim_fail_once(1);
	guard_lay(&tag, page, os_page_size());
	EXPECT(!tag.guarded);
	page[0] = 1;
	guard_lay(&tag, page, os_page_size());
	EXPECT(tag.guarded);
	os_sim_fail_once(1);
	EXPECT(!guard_lift(&tag, page, os_page_size()) && tag.guarded);
	EXPECT(guard_lift(&tag, page, os_page_size()) && !tag.guarded);
	page[0] = 1;
	os_unmap(page, os_page_size());
}

TEST(free_blocks_are_unmapped_for_a_page_that_is_refused)
{
	char *page = os_map(os_page_size(), OS_PAGES);
	struct descriptor tag = {.kind = KIND_RUN};

	zone_start();
	guard_lay(&tag, page, os_page_size());
	os_sim_fail_once(1);
	EXPECT(guard_lift(&tag, page, os_page_size()) && !tag.guarded);
	EXPECT_EQ(zone_unmap_free(true), 0);
	os_unmap(page, os_page_size());
}

TEST(where_the_kernel_allows_few_mappings_few_are_laid)
{
	enum { LAID = 10, ALLOWED = 4 * LAID };
	static const char path[] = "/proc/sys/vm/max_map_count", text[] = "40\n";
	size_t nbytes = (LAID + 1) * os_page_size();
	struct descriptor few[LAID + 1];
	char *area = os_map(nbytes, OS_PAGES);

	REQUIRE(area);
	os_sim_file(path, text, sizeof text - 1);
	mappings_read();
	EXPECT_EQ(mappings_budget(), ALLOWED / 2);
	for (size_t i = 0; i <= LAID; i++) {
		few[i] = (struct descriptor){.kind = KIND_RUN};
		guard_lay(&few[i], page_of(area, i), os_page_size());
		EXPECT_EQ(few[i].guarded, i < LAID);
	}
	for (size_t i = 0; i <= LAID; i++)
		EXPECT(guard_lift(&few[i], page_of(area, i), os_page_size()));
	os_sim_file(path, NULL, 0);
	os_unmap(area, nbytes);
}
