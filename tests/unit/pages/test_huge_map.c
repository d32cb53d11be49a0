/* Mappings that grow and move, and are refused it. */
#include "os_sim.h"
#include "pages/huge.h"
#include "pages/retain.h"
#include "test.h"
#include "huges.h"

TEST(a_refused_move_leaves_what_is_behind)
{
	char *held = take(800 * MIB), *a = take(30 * MIB);

	huge_free(huge_of(a));
	EXPECT(huge_alloc_with_room(5 * MIB) == (void *)a);
	os_sim_fail_from(1);
	EXPECT(!huge_resize(huge_of(a), 100 * MIB));
	os_sim_fail_from(0);
	EXPECT_EQ(huge_of(a)->nbytes, 5 * MIB);
	EXPECT(huge_check());
	huge_free(huge_of(a));
	huge_free(huge_of(held));
	huge_purge(SIZE_MAX);
	EXPECT_EQ(retain_retained, 0);
}

/* For a smaller size the system is asked to unmap, and if that is refused as well, all stays. */
TEST(a_smaller_size_is_never_refused)
{
	char *mem = take(100 * MIB);
	size_t mapped;

	os_sim_fail_from(1);
	EXPECT(huge_resize(huge_of(mem), 50 * MIB) == mem);
	EXPECT_EQ(huge_of(mem)->nbytes, 50 * MIB);
	mapped = os_sim_mapped();
	os_sim_refuse(OS_SIM_UNMAP, ENOMEM);
	EXPECT(huge_resize(huge_of(mem), 20 * MIB) == mem);
	EXPECT_EQ(huge_of(mem)->nbytes, 50 * MIB);
	EXPECT_EQ(os_sim_mapped(), mapped);
	os_sim_refuse(OS_SIM_UNMAP, 0);
	os_sim_fail_from(0);
	EXPECT(huge_check());
	huge_free(huge_of(mem));
}

TEST(growth_needs_addresses_for_what_is_added_alone)
{
	char *mem = take(100 * MIB), *behind = mem;

	mem[0] = mem[100 * MIB - 1] = 0x44;
	os_sim_map_limit(60 * MIB);
	for (size_t n = 110 * MIB; n <= 150 * MIB; n += 10 * MIB) {
		REQUIRE(mem = huge_resize(huge_of(mem), n));
		mem[n - 1] = 0x44;
	}
	EXPECT(!huge_resize(huge_of(mem), 300 * MIB));
	os_sim_map_limit(SIZE_MAX);
	EXPECT_EQ(mem[0] + mem[100 * MIB - 1] + mem[150 * MIB - 1], 3 * 0x44);
	EXPECT(huge_around(mem + 149 * MIB, false) == huge_of(mem));
	EXPECT(mem == behind || !pagemap_get(behind));
	EXPECT(huge_check());
	huge_free(huge_of(mem));
}

/* The system moves the object to where it cannot be tagged, and more than what was added cannot be
   had. */
TEST(growth_to_others_leaves_is_refused_and_leaves_the_object)
{
	size_t nbytes = 100 * MIB + os_page_size(), mapped;
	char *mem = take(100 * MIB), *near = (char *)((size_t)3 << 40),
	     *far = near + ((size_t)1 << ROOT_BITS);

	REQUIRE(pagemap_reserve(near, PAGE_SIZE));
	if (!os_map_at(far, os_page_size()))
		test_skip("no mapping lies at this address here");
	os_unmap(far, os_page_size());
	for (size_t at = 0; at < 100 * MIB; at += MIB)
		mem[at] = (char)(at / MIB);
	mapped = os_sim_mapped();
	for (size_t n = 130 * MIB; n; n = n == nbytes ? 0 : nbytes) {
		os_sim_map_limit(n - 100 * MIB + MIB);
		os_sim_move_to(far);
		EXPECT(!huge_resize(huge_of(mem), n));
		os_sim_move_to(NULL);
		os_sim_map_limit(SIZE_MAX);
		for (size_t at = 0; at < 100 * MIB; at += MIB)
			EXPECT_EQ(mem[at], (char)(at / MIB));
		EXPECT_EQ(huge_of(mem)->nbytes, 100 * MIB);
		EXPECT_EQ(os_sim_mapped(), mapped);
	}
	EXPECT(huge_check());
	huge_free(huge_of(mem));
}
