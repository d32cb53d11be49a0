/* Mappings whose leaves of the page map are others': what is set aside, and where else there is
   room. */
#include "pages/place.h"

#include "base/bits.h"
#include "os_sim.h"
#include "pages/huge.h"
#include "pages/pagemap.h"
#include "pages/zone.h"
#include "test.h"

#include <string.h>

#define LEAF_BYTES ((size_t)1 << LEAF_SHIFT)
#define FAR	   ((size_t)1 << ROOT_BITS)

static struct descriptor tag = {.kind = KIND_RUN};

/* Addresses with leaves of their own, of which the map alone has heard, and others in the same
   leaves, where nothing is. */
static char *take_leaves(size_t n)
{
	static uintptr_t next = (size_t)3 << 40;
	char *near = (char *)next, *there = near + FAR;

	for (size_t i = 0; i < n; i++)
		REQUIRE(pagemap_reserve(near + i * LEAF_BYTES, PAGE_SIZE));
	next += 16 * n * LEAF_BYTES;
	if (!os_map_at(there, os_page_size()))
		test_skip("no mapping lies at this address here");
	os_unmap(there, os_page_size());
	return there;
}

static bool is_free(char *mem)
{
	bool was_free = os_map_at(mem, os_page_size());

	if (was_free)
		os_unmap(mem, os_page_size());
	return was_free;
}

static bool can_tag(char *mem, size_t nbytes)
{
	bool ok = true;

	pagemap_set(mem, nbytes, &tag);
	for (size_t at = 0; at < nbytes; at += PAGE_SIZE)
		ok &= pagemap_get(mem + at) == &tag && !pagemap_is_others((uintptr_t)mem + at);
	pagemap_set(mem, nbytes, NULL);
	return ok;
}

/* Whether all of it is there, zero and taggable; unmaps it. */
static bool is_good(char *mem, size_t nbytes)
{
	bool ok = mem && !mem[0] && !mem[nbytes - 1] && can_tag(mem, nbytes);

	if (!mem)
		return false;
	memset(mem, 1, nbytes);
	os_unmap(mem, nbytes);
	return ok;
}

TEST(what_is_free_of_others_leaves_is_set_aside)
{
	char *there = take_leaves(3), *mem;

	os_sim_map_at(there + LEAF_BYTES + 5 * MIB);
	mem = place_map(MIB, os_page_size(), MIB, OS_PAGES);
	EXPECT(is_good(mem, MIB));
	EXPECT(mem < there || mem >= there + 3 * LEAF_BYTES);
	EXPECT(!is_free(there) && !is_free(there + 3 * LEAF_BYTES - os_page_size()));
	EXPECT(!is_free(there + LEAF_BYTES + 5 * MIB) && !is_free(there + LEAF_BYTES + 6 * MIB));
	EXPECT(is_free(there - os_page_size()) && is_free(there + 3 * LEAF_BYTES));
}

TEST(what_others_have_there_stays)
{
	char *there = take_leaves(1), *mem, *below = os_map_at(there + MIB, MIB),
	     *above = os_map_at(there + 60 * MIB, MIB);

	REQUIRE(below && above);
	memset(below, 7, MIB);
	memset(above, 7, MIB);
	os_sim_map_at(there + 50 * MIB);
	mem = place_map(MIB, os_page_size(), MIB, OS_PAGES);
	EXPECT(is_good(mem, MIB));
	EXPECT(!is_free(there + 40 * MIB) && !is_free(there + 54 * MIB));
	EXPECT_EQ(below[0] + below[MIB - 1] + above[0] + above[MIB - 1], 4 * 7);
	os_unmap(below, MIB);
	os_unmap(above, MIB);
}

TEST(a_mapping_that_ends_in_others_leaf_collides)
{
	char *there = take_leaves(1);

	os_sim_map_at(there - MIB);
	EXPECT(is_good(place_map(2 * MIB, os_page_size(), 2 * MIB, OS_PAGES), 2 * MIB));
	EXPECT(!is_free(there) && !is_free(there - MIB));
}

TEST(of_a_mapping_whose_first_page_is_tagged_no_more_is_set_aside)
{
	char *there = take_leaves(1), *mem;

	os_sim_map_at(there + LEAF_BYTES - 2 * MIB);
	mem = place_map(300 * MIB, os_page_size(), PAGE_SIZE, OS_HUGE);
	REQUIRE(mem);
	EXPECT(can_tag(mem, PAGE_SIZE));
	EXPECT(!is_free(there) && is_free(there + LEAF_BYTES));
	os_unmap(mem, 300 * MIB);
}

/* The system refuses to reserve addresses, and 40 MiB are left. */
static char *map_in_little_room(char *there, size_t alignment)
{
	char *mem;

	os_sim_map_limit(40 * MIB);
	os_sim_map_at(there);
	mem = place_map(8 * MIB, alignment, 8 * MIB, OS_PAGES);
	os_sim_map_limit(SIZE_MAX);
	EXPECT(!mem || is_aligned((uintptr_t)mem, alignment));
	return mem;
}

TEST(where_nothing_can_be_set_aside_there_is_room_at_a_distance)
{
	char *there = take_leaves(1), *mem = map_in_little_room(there, os_page_size()), *other;

	EXPECT(mem == there - LEAF_BYTES);
	other = map_in_little_room(there, os_page_size());
	EXPECT(other == there + LEAF_BYTES);
	EXPECT(is_good(map_in_little_room(there, 4 * MIB), 8 * MIB));
	EXPECT(is_good(mem, 8 * MIB) && is_good(other, 8 * MIB));
	EXPECT(is_free(there) && is_free(there + 20 * MIB));
}

TEST(a_refusal_is_null_and_keeps_nothing)
{
	for (size_t n = 1; n < 8; n++) {
		char *there = take_leaves(1);
		size_t mapped = os_sim_mapped();

		os_sim_map_at(there);
		os_sim_fail_from(n);
		EXPECT(!place_map(MIB, os_page_size(), MIB, OS_PAGES) || n > 4);
		os_sim_fail_from(0);
		os_sim_map_at(NULL);
		if (n <= 2)
			EXPECT_EQ(os_sim_mapped(), mapped);
	}
}

TEST(zones_and_huge_objects_and_metadata_go_elsewhere)
{
	bool clean, zero = false;

	os_sim_map_at(take_leaves(1) + MIB);
	EXPECT(zone_alloc(ORDER_MAX, &clean));
	os_sim_map_at(take_leaves(1) + MIB);
	EXPECT(huge_alloc(9 * MIB, 16, &zero));
	EXPECT(huge_check() && zone_check());
}

/* --- between guards ------------------------------------------------------------------------- */

TEST(guarded_memory_lies_between_unreadable_pages)
{
	size_t nbytes = 4 * os_page_size();

	for (int i = 0; i < 2; i++) {
		char *mem;

		if (i)
			os_sim_map_at(take_leaves(1) + MIB);
		mem = place_map_guarded(nbytes);
		REQUIRE(mem);
		EXPECT(can_tag(mem, nbytes));
		memset(mem, 'x', nbytes);
		EXPECT(test_is_unreadable(mem - 1) && test_is_unreadable(mem + nbytes));
		EXPECT(!test_is_unreadable(mem) && !test_is_unreadable(mem + nbytes - 1));
	}
}

static char *map_guarded_in(size_t room)
{
	char *mem;

	os_sim_map_limit(room);
	mem = place_map_guarded(4 * MIB);
	os_sim_map_limit(SIZE_MAX);
	if (mem)
		memset(mem, 'x', 4 * MIB);
	return mem;
}

TEST(guards_are_left_out_where_addresses_are_short)
{
	char *mem = place_map(4 * MIB, os_page_size(), 4 * MIB, OS_METADATA);

	REQUIRE(mem);
	os_unmap(mem, 4 * MIB); /* the next lies there, and the page map has what that needs */
	EXPECT(map_guarded_in(4 * MIB + os_page_size()));
	EXPECT(!map_guarded_in(3 * MIB));
}
