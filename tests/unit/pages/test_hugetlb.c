/* Reserved huge pages: which objects lie in them, how they are kept, resized and given back. */
#include "pages/hugetlb.h"

#include "huges.h"
#include "os_sim.h"
#include "pages/huge_table.h"
#include "pages/retain.h"
#include "test.h"

#include <string.h>

static void begin(size_t reserved)
{
	options.retain_floor = GIB;
	os_sim_reserve(reserved);
	hugetlb_wanted = true;
}

static void end(void)
{
	EXPECT(huge_check());
	huge_unmap_free();
	EXPECT_EQ(sizes().kept, 0);
	EXPECT_EQ(sizes().nbytes, 0);
	os_sim_reserve(0);
	hugetlb_wanted = false;
}

static char *take_zeros(size_t nbytes, bool zero)
{
	return huge_alloc(nbytes, PAGE_SIZE, &zero);
}

TEST(by_default_nothing_is_taken_of_the_reserve)
{
	char *a;

	os_sim_reserve(16 * MIB);
	REQUIRE(a = take_zeros(5 * MIB, true));
	EXPECT_EQ(os_sim_reserved(), 16 * MIB);
	huge_free(huge_of(a));
	end();
}

TEST(objects_lie_in_reserved_pages_while_there_are_some)
{
	char *a, *b, *c;

	begin(16 * MIB);
	REQUIRE(a = take_zeros(5 * MIB, true));
	EXPECT(huge_of(a)->reserved && huge_of(a)->mapped == 6 * MIB);
	EXPECT_EQ(huge_of(a)->nbytes, 5 * MIB);
	REQUIRE(b = take_zeros(11 * MIB, true)); /* 10 are left */
	EXPECT(!huge_of(b)->reserved);
	REQUIRE(c = take_zeros(10 * MIB, false));
	EXPECT(huge_of(c)->reserved);
	EXPECT_EQ(os_sim_reserved(), 0);
	EXPECT(huge_check());
	EXPECT(huge_around(c + 9 * MIB, false) == huge_of(c));
	huge_free(huge_of(a));
	huge_free(huge_of(b));
	huge_free(huge_of(c));
	end();
}

TEST(small_and_far_aligned_ones_and_those_that_grow_do_not)
{
	bool zero = true;
	char *mem[3];

	begin(64 * MIB);
	REQUIRE(mem[0] = huge_alloc(MIB, PAGE_SIZE, &zero));
	REQUIRE(mem[1] = huge_alloc(5 * MIB, 4 * MIB, &zero));
	REQUIRE(mem[2] = huge_alloc_with_room(5 * MIB));
	EXPECT_EQ(os_sim_reserved(), 64 * MIB);
	for (int i = 0; i < 3; i++)
		huge_free(huge_of(mem[i]));
	end();
}

/* Neighbours, which would be joined, and of which a part would be split off. */
TEST(a_kept_one_is_used_again_as_it_is)
{
	char *a, *b, *c;
	bool zero = false;

	begin(16 * MIB);
	REQUIRE(a = take_zeros(8 * MIB, true));
	REQUIRE(b = take_zeros(8 * MIB, true));
	memset(a, 1, 8 * MIB);
	huge_free(huge_of(a));
	huge_free(huge_of(b));
	EXPECT_EQ(sizes().kept, 16 * MIB);
	EXPECT_EQ(os_sim_reserved(), 0);
	REQUIRE(c = take_zeros(5 * MIB, false)); /* too much would be wasted */
	EXPECT(!huge_of(c)->reserved);
	EXPECT(huge_alloc_with_room(8 * MIB) != a);
	c = take_zeros(7 * MIB, false);
	EXPECT(c == a || c == b);
	EXPECT_EQ(huge_of(c)->nbytes, 8 * MIB);
	a = huge_alloc(6 * MIB, PAGE_SIZE, &zero);
	EXPECT(!zero && huge_of(a)->reserved);
	EXPECT(huge_check());
	for (const struct link *l = huge_table.in_use.next; l != &huge_table.in_use;
	     l = huge_table.in_use.next)
		huge_free(huge_of_link((struct link *)l));
	end();
}

TEST(what_is_over_the_rule_goes_back_whole)
{
	char *a;

	begin(16 * MIB);
	REQUIRE(a = take_zeros(5 * MIB, true));
	options.retain_floor = 0;
	retain_forget();
	huge_free(huge_of(a));
	EXPECT_EQ(os_sim_reserved(), 16 * MIB);
	end();
}

/* The last huge page is not wholly used. */
TEST(resized_by_whole_huge_pages)
{
	char *a;

	begin(16 * MIB);
	REQUIRE(a = take_zeros(9 * MIB, true));
	EXPECT(huge_resize(huge_of(a), 10 * MIB) == (void *)a);
	memset(a, 1, 10 * MIB);
	EXPECT(!huge_resize(huge_of(a), 11 * MIB));
	EXPECT(huge_resize(huge_of(a), 5 * MIB + 1) == (void *)a);
	EXPECT_EQ(os_sim_reserved(), 10 * MIB);
	EXPECT_EQ(sizes().kept, 0);
	EXPECT(huge_check());
	EXPECT_EQ(huge_unmap_free(), 0);
	EXPECT(huge_resize(huge_of(a), 6 * MIB) == (void *)a);
	EXPECT_EQ(huge_of(a)->nbytes, 6 * MIB);
	os_sim_refuse(OS_SIM_UNMAP, ENOMEM);
	EXPECT(huge_resize(huge_of(a), MIB) == (void *)a);
	EXPECT_EQ(huge_of(a)->nbytes, 6 * MIB); /* it stays as it is */
	huge_free(huge_of(a));
	EXPECT_EQ(huge_unmap_free(), 0);
	os_sim_refuse(OS_SIM_UNMAP, 0);
	end();
}

static void start(void *reserved)
{
	os_sim_reserve((size_t)reserved);
	hugetlb_start();
	if (!hugetlb_wanted || os_sim_reserved() != (size_t)reserved)
		return;
	abort();
}

TEST(that_there_are_none_is_said_once)
{
	EXPECT_ABORT(start, NULL,
		     "loam: hugetlb=on: no reserved huge page of 2 MiB can be had (sysctl "
		     "vm.nr_hugepages); memory is ordinary\n");
	EXPECT_ABORT(start, (void *)(2 * MIB), "");
}
