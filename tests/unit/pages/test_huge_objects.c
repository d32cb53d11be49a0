/* Huge objects: mappings of their own, kept under the rule, moved by remapping, found by any
 * address. */
#include "base/bits.h"
#include "os_sim.h"
#include "pages/huge.h"
#include "pages/retain.h"
#include "test.h"
#include "huges.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

TEST(only_the_first_page_is_tagged_and_all_addresses_are_found)
{
	bool zero = false;
	char *mem = huge_alloc(5 * MIB + 1, 16, &zero);

	REQUIRE(mem);
	EXPECT(zero);
	EXPECT_EQ(huge_of(mem)->nbytes, 5 * MIB + os_page_size());
	EXPECT(!pagemap_get(mem + PAGE_SIZE));
	EXPECT(huge_around(mem + 5 * MIB, false) == huge_of(mem));
	EXPECT(!huge_around(mem - 1, false));
	EXPECT(!huge_around(mem + 5 * MIB + os_page_size(), false));
	EXPECT_EQ(sizes().count, 1);
	EXPECT(huge_check());
	huge_free(huge_of(mem));
	EXPECT(!pagemap_get(mem));
	EXPECT_EQ(sizes().count, 0);
	EXPECT_EQ(retain_live, 0);
	EXPECT(huge_check());
}

TEST(alignment_beyond_a_page_is_kept)
{
	bool zero = false;
	char *mem = huge_alloc(5 * MIB, 64 * MIB, &zero);

	EXPECT(is_aligned((uintptr_t)mem, 64 * MIB));
	huge_free(huge_of(mem));
}

TEST(what_cannot_be_unmapped_is_purged_and_serves_again)
{
	char *a, *b, *held;
	size_t mapped;

	huge_purge(SIZE_MAX);
	a = take(10 * MIB);
	b = take(12 * MIB);
	held = take(6 * MIB);
	memset(a, 1, 10 * MIB);
	memset(b, 1, 12 * MIB);
	os_sim_refuse(OS_SIM_UNMAP, ENOMEM);
	mapped = os_sim_mapped();
	huge_free(huge_of(a));
	huge_free(huge_of(b));
	huge_purge(SIZE_MAX);
	EXPECT_EQ(os_sim_mapped(), mapped);
	EXPECT_EQ(sizes().kept, 0);
	EXPECT(huge_check());
	a = take(10 * MIB);
	EXPECT_EQ(os_sim_mapped(), mapped);
	EXPECT_EQ(a[5 * MIB], 0);
	huge_free(huge_of(a));
	os_sim_refuse(OS_SIM_UNMAP, 0);
	huge_purge(SIZE_MAX);
	EXPECT_EQ(os_sim_mapped(), mapped - 22 * MIB);
	huge_free(huge_of(held));
	EXPECT(huge_check());
}

/* So that no call takes long, unless it is to give all back. */
TEST(of_what_was_purged_16_are_tried_a_call)
{
	enum { KEPT = 40 };
	char *mems[2 * KEPT];
	size_t mapped;

	huge_purge(SIZE_MAX);
	for (int i = 0; i < 2 * KEPT; i++)
		mems[i] = take(5 * MIB);
	os_sim_refuse(OS_SIM_UNMAP, ENOMEM);
	for (int i = 0; i < 2 * KEPT; i += 2) /* with others between them */
		huge_free(huge_of(mems[i]));
	huge_purge(SIZE_MAX);
	huge_purge(GIB);
	huge_purge(SIZE_MAX);
	os_sim_refuse(OS_SIM_UNMAP, 0);
	mapped = os_sim_mapped();
	huge_purge(GIB);
	EXPECT_EQ(mapped - os_sim_mapped(), 16 * 5 * MIB);
	huge_purge(SIZE_MAX);
	EXPECT_EQ(mapped - os_sim_mapped(), KEPT * 5 * MIB);
	for (int i = 1; i < 2 * KEPT; i += 2)
		huge_free(huge_of(mems[i]));
	huge_purge(SIZE_MAX);
	EXPECT_EQ(sizes().kept, 0);
	EXPECT(huge_check());
}

/* Purged mappings are not retained, and dirty ones are tried before them. */
TEST(what_was_purged_does_not_hold_up_what_is_dirty)
{
	enum { KEPT = 40 };
	char *mems[2 * KEPT];

	huge_purge(SIZE_MAX);
	for (int i = 0; i < 2 * KEPT; i++)
		mems[i] = take(5 * MIB);
	os_sim_refuse(OS_SIM_UNMAP, ENOMEM);
	for (int i = 2; i < 2 * KEPT; i += 2)
		huge_free(huge_of(mems[i]));
	huge_purge(SIZE_MAX);
	EXPECT_EQ(sizes().kept, 0);
	huge_free(huge_of(mems[0]));
	os_sim_fail_from(0);
	EXPECT_EQ(huge_purge(5 * MIB), 5 * MIB);
	EXPECT_EQ(os_sim_calls(), 1);
	EXPECT_EQ(sizes().kept, 0);
	EXPECT(huge_check());
	os_sim_refuse(OS_SIM_UNMAP, 0);
	for (int i = 1; i < 2 * KEPT; i += 2)
		huge_free(huge_of(mems[i]));
	huge_purge(SIZE_MAX);
	EXPECT(huge_check());
}

TEST(what_the_system_does_not_take_back_is_not_counted_as_given)
{
	char *mem;

	huge_purge(SIZE_MAX);
	mem = take(5 * MIB);
	huge_free(huge_of(mem));
	os_sim_refuse(OS_SIM_UNMAP, ENOMEM);
	os_sim_refuse(OS_SIM_PURGE, EINVAL);
	EXPECT_EQ(huge_purge(GIB), 0);
	EXPECT_EQ(sizes().kept, 5 * MIB);
	os_sim_refuse(OS_SIM_PURGE, 0);
	EXPECT_EQ(huge_purge(GIB), 5 * MIB);
	EXPECT_EQ(sizes().kept, 0);
	os_sim_refuse(OS_SIM_UNMAP, 0);
	EXPECT_EQ(huge_purge(GIB), 0);
	EXPECT(huge_check());
}

/* One that is joined with its neighbour, since it is purged, is not found again. */
TEST(what_cannot_be_unmapped_is_tried_once_though_it_joins_others)
{
	char *held, *place, *lower, *upper, *other;

	huge_purge(SIZE_MAX);
	held = take(600 * MIB);
	other = take(20 * MIB);
	place = take(64 * MIB);
	huge_free(huge_of(place));
	huge_purge(SIZE_MAX);
	os_sim_map_at(place);
	lower = take(20 * MIB);
	os_sim_map_at(place + 20 * MIB);
	upper = take(20 * MIB);
	REQUIRE(lower == place && upper == place + 20 * MIB);
	huge_free(huge_of(other));
	huge_free(huge_of(upper));
	huge_free(huge_of(lower));
	EXPECT_EQ(sizes().kept, 60 * MIB);
	os_sim_refuse(OS_SIM_UNMAP, ENOMEM);
	huge_purge(SIZE_MAX);
	EXPECT_EQ(sizes().kept, 0);
	os_sim_refuse(OS_SIM_UNMAP, 0);
	huge_free(huge_of(held));
	huge_purge(SIZE_MAX);
	EXPECT_EQ(sizes().kept, 0);
	EXPECT(huge_check());
}

TEST(a_freed_mapping_is_kept_under_the_rule_and_reused)
{
	bool zero = false;
	char *held, *a;

	huge_purge(SIZE_MAX);
	retain_forget();
	held = take(200 * MIB);
	a = take(10 * MIB);
	huge_free(huge_of(a));
	EXPECT_EQ(sizes().kept, 10 * MIB);
	EXPECT(huge_alloc(10 * MIB - PAGE_SIZE, 16, &zero) == (void *)a);
	EXPECT(!zero);
	EXPECT_EQ(sizes().kept, 0);
	huge_free(huge_of(held));
	EXPECT(sizes().kept <= options.retain_floor);
	EXPECT_EQ(retain_excess(), 0);
	huge_free(huge_of(a));
	huge_purge(SIZE_MAX);
	EXPECT_EQ(sizes().kept, 0);
	EXPECT_EQ(retain_retained, 0);
	EXPECT(huge_check());
}

TEST(a_freed_mapping_of_a_gib_is_kept_and_a_larger_one_goes)
{
	size_t floor = options.retain_floor, large = GIB + os_page_size(), mapped;
	char *a;

	huge_purge(SIZE_MAX);
	options.retain_floor = 4 * GIB;
	huge_free(huge_of(take(GIB)));
	EXPECT_EQ(sizes().kept, GIB);
	huge_purge(SIZE_MAX);
	a = take(large);
	mapped = os_sim_mapped();
	huge_free(huge_of(a));
	EXPECT_EQ(sizes().kept, 0);
	EXPECT_EQ(os_sim_mapped(), mapped - large);
	options.retain_floor = floor;
	EXPECT(huge_check());
}

TEST(an_object_of_over_a_gib_takes_no_kept_mapping)
{
	size_t floor = options.retain_floor;
	char *mem;

	huge_purge(SIZE_MAX);
	options.retain_floor = GIB;
	huge_free(huge_of(take(20 * MIB)));
	REQUIRE(mem = take(GIB + os_page_size()));
	EXPECT_EQ(sizes().kept, 20 * MIB);
	huge_free(huge_of(mem));
	huge_purge(SIZE_MAX);
	options.retain_floor = floor;
}

/* To clear it all may take longer than the page faults of what is used. */
TEST(zeros_of_over_32_mib_are_no_kept_mapping)
{
	size_t floor = options.retain_floor, large = 32 * MIB + os_page_size();
	char *mem;
	bool zero = true;

	huge_purge(SIZE_MAX);
	options.retain_floor = GIB;
	huge_free(huge_of(take(large)));
	REQUIRE(mem = huge_alloc(large, 16, &zero));
	EXPECT(zero);
	EXPECT_EQ(sizes().kept, large);
	huge_free(huge_of(mem));
	huge_purge(SIZE_MAX);
	zero = true;
	huge_free(huge_of(take(32 * MIB)));
	REQUIRE(mem = huge_alloc(32 * MIB, 16, &zero));
	EXPECT(!zero);
	huge_free(huge_of(mem));
	huge_purge(SIZE_MAX);
	options.retain_floor = floor;
}

/* One of 3 MiB is the oldest of 65, then of 64. */
TEST(the_64_mappings_that_were_kept_last_are_looked_at)
{
	enum { KEPT = 65 };
	size_t floor = options.retain_floor;
	char *mems[KEPT], *place, *other;

	options.retain_floor = GIB;
	huge_purge(SIZE_MAX);
	for (int i = 0; i < KEPT; i++)
		mems[i] = take(MIB);
	for (int i = 0; i < KEPT; i++) /* descriptors are there */
		huge_free(huge_of(mems[i]));
	huge_purge(SIZE_MAX);
	place = take(512 * MIB);
	huge_free(huge_of(place));
	huge_purge(SIZE_MAX);
	for (size_t i = 0; i < KEPT; i++) { /* none beside another */
		os_sim_map_at(place + i * 4 * MIB);
		REQUIRE((mems[i] = take(i ? MIB : 3 * MIB)) == place + i * 4 * MIB);
	}
	for (int i = 0; i < KEPT; i++)
		huge_free(huge_of(mems[i]));
	REQUIRE(other = take(3 * MIB));
	EXPECT(other != mems[0]);
	EXPECT_EQ(sizes().kept, (3 + KEPT - 2) * MIB); /* one of 1 MiB became it */
	EXPECT(take(3 * MIB) == mems[0]);
	EXPECT_EQ(sizes().kept, (KEPT - 2) * MIB);
	huge_free(huge_of(other));
	huge_free(huge_of(mems[0]));
	huge_purge(SIZE_MAX);
	options.retain_floor = floor;
	EXPECT(huge_check());
}

/* Else calloc() in turn with free() holds twice what it needs. */
TEST(zeros_take_a_kept_mapping_that_holds_them)
{
	bool zero = true;
	char *held = take(200 * MIB), *a = take(10 * MIB), *b;

	huge_free(huge_of(a));
	b = huge_alloc(10 * MIB, 16, &zero);
	EXPECT(b == a);
	EXPECT(!zero);
	EXPECT_EQ(sizes().kept, 0);
	huge_free(huge_of(b));
	huge_free(huge_of(held));
	huge_purge(SIZE_MAX);
}

/* What is larger may stay untouched for the most part. */
TEST(zeros_do_not_grow_a_kept_mapping)
{
	bool zero = true;
	char *held = take(200 * MIB), *a = take(10 * MIB), *b;

	huge_free(huge_of(a));
	b = huge_alloc(11 * MIB, 16, &zero);
	EXPECT(b != a);
	EXPECT(zero);
	EXPECT_EQ(sizes().kept, 10 * MIB);
	huge_free(huge_of(b));
	huge_free(huge_of(held));
	huge_purge(SIZE_MAX);
}

/* Not of huge pages, which the kernel would align. */
#define ACROSS (30 * MIB + os_page_size())

static char *reserve(size_t nbytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *mem = mmap(NULL, nbytes, PROT_NONE, flags, -1, 0);

	REQUIRE(mem != MAP_FAILED);
	return mem;
}

/* Makes the next mapping one of the last 10 MiB that a leaf of the page map covers, and the first
   of the next leaf, of which nothing is known yet. */
static char *clear_a_place_across_leaves(void)
{
	size_t leaf = (size_t)1 << LEAF_SHIFT;
	char *area = reserve(3 * leaf);
	char *place = (char *)align_up((uintptr_t)area + 1, leaf) - 10 * MIB;

	munmap(place, ACROSS);
	os_sim_map_at(place);
	return place;
}

TEST(a_kept_mapping_is_split_across_leaves_of_the_page_map)
{
	char *held = take(400 * MIB), *place = clear_a_place_across_leaves(), *a = take(ACROSS);

	EXPECT(a == place);
	huge_free(huge_of(a));
	EXPECT(take(15 * MIB) == a);
	EXPECT(take(14 * MIB) == a + 15 * MIB);
	/* where no leaf is, there is no tag */
	EXPECT(!pagemap_get(a + 15 * MIB + ((size_t)1 << 43)));
	huge_free(huge_of(a + 15 * MIB));
	huge_free(huge_of(a));
	huge_free(huge_of(held));
	huge_purge(SIZE_MAX);
	EXPECT(huge_check());
}

TEST(a_kept_mapping_is_made_to_fit)
{
	size_t regret;
	bool zero = false;
	char *held = take(400 * MIB), *a = take(30 * MIB), *b;

	memset(a, 0x77, 30 * MIB);
	huge_free(huge_of(a));
	EXPECT(take(10 * MIB) == a);
	EXPECT_EQ(sizes().kept, 20 * MIB);
	EXPECT_EQ(huge_of(a)->nbytes, 10 * MIB);
	retain_tally = 64 * MIB;
	regret = retain_regret;
	b = huge_alloc(25 * MIB, 16, &zero);
	EXPECT(!zero);
	EXPECT_EQ(retain_regret - regret, 5 * MIB); /* what is behind 20 is faulted in */
	EXPECT_EQ(sizes().kept, 0);
	EXPECT_EQ(b[20 * MIB - 1], 0x77);
	EXPECT_EQ(b[20 * MIB], 0);
	EXPECT(huge_check());
	huge_free(huge_of(a));
	huge_free(huge_of(b));
	EXPECT_EQ(sizes().kept, 35 * MIB);
	EXPECT(take(20 * MIB) == b);
	EXPECT_EQ(sizes().kept, 15 * MIB);
	huge_free(huge_of(b));
	huge_free(huge_of(held));
	huge_purge(SIZE_MAX);
	EXPECT_EQ(sizes().kept, 0);
	EXPECT_EQ(sizes().nbytes, 0);
	EXPECT_EQ(retain_live, 0);
	EXPECT_EQ(retain_retained, 0);
	EXPECT(huge_check());
}

TEST(a_resize_keeps_contents_wherever_it_leads)
{
	bool zero = false;
	char *mem = huge_alloc(6 * MIB, 16, &zero);

	for (size_t nbytes = 6 * MIB; nbytes < 100 * MIB; nbytes += nbytes / 2) {
		memset(mem, 0x5a, 6 * MIB);
		mem = huge_resize(huge_of(mem), nbytes);
		REQUIRE(mem);
		EXPECT_EQ(mem[6 * MIB - 1], 0x5a);
		EXPECT(huge_of(mem)->nbytes >= nbytes);
		EXPECT(huge_check());
	}
	mem = huge_resize(huge_of(mem), 5 * MIB);
	EXPECT_EQ(mem[5 * MIB - 1], 0x5a);
	EXPECT(huge_check());
	huge_free(huge_of(mem));
}

/* What of 2 GiB that were purged counts as needed when an object is resized. */
static size_t regret_of_resize(char **mem, size_t nbytes)
{
	retain_tally = 2 * GIB;
	retain_regret = 0;
	REQUIRE(*mem = huge_resize(huge_of(*mem), nbytes));
	return retain_regret;
}

/* It would not be kept. */
TEST(what_is_over_a_gib_is_no_regret)
{
	char *mem;

	huge_purge(SIZE_MAX);
	mem = take(10 * MIB);
	EXPECT_EQ(regret_of_resize(&mem, 20 * MIB), 10 * MIB);
	REQUIRE(huge_of(mem)->mapped < GIB);
	EXPECT_EQ(regret_of_resize(&mem, GIB + MIB), 0);
	huge_free(huge_of(mem));
	REQUIRE(mem = huge_alloc_with_room(GIB - 2 * MIB));
	REQUIRE(huge_of(mem)->mapped >= GIB + MIB);
	EXPECT_EQ(regret_of_resize(&mem, GIB), 2 * MIB);
	EXPECT_EQ(regret_of_resize(&mem, GIB + MIB), 0);
	huge_free(huge_of(mem));
	retain_tally = 2 * GIB;
	retain_regret = 0;
	mem = take(GIB + MIB);
	EXPECT_EQ(retain_regret, 0);
	huge_free(huge_of(mem));
	mem = take(GIB);
	EXPECT_EQ(retain_regret, GIB);
	huge_free(huge_of(mem));
	retain_forget();
	huge_purge(SIZE_MAX);
	EXPECT(huge_check());
}

TEST(an_object_with_room_grows_without_a_call_of_the_system)
{
	char *mem = huge_alloc_with_room(6 * MIB);
	struct huge *h = huge_of(mem);

	EXPECT_EQ(h->nbytes, 6 * MIB);
	EXPECT_EQ(h->mapped, 9 * MIB);
	EXPECT_EQ(retain_live, 6 * MIB);
	memset(mem, 0x6b, 6 * MIB);
	os_sim_fail_from(1);
	for (size_t nbytes = 6 * MIB; nbytes <= 9 * MIB; nbytes += 64 * KIB) {
		REQUIRE(huge_resize(h, nbytes) == (void *)mem);
		EXPECT_EQ(retain_live, nbytes);
		EXPECT_EQ(h->nbytes, nbytes);
	}
	EXPECT(!huge_resize(h, 9 * MIB + PAGE_SIZE));
	os_sim_fail_from(0);
	EXPECT_EQ(h->nbytes, 9 * MIB);
	EXPECT(huge_check());
	mem = huge_resize(h, 10 * MIB);
	EXPECT_EQ(h->mapped, 15 * MIB);
	EXPECT_EQ(mem[6 * MIB - 1], 0x6b);
	mem = huge_resize(h, 7 * MIB);
	EXPECT_EQ(h->mapped, 7 * MIB);
	EXPECT_EQ(retain_live, 7 * MIB);
	EXPECT(huge_check());
	huge_free(h);
	huge_purge(SIZE_MAX);
	EXPECT_EQ(retain_live, 0);
	EXPECT_EQ(retain_retained, 0);
}

/* It would be in RAM, and part of no figure. */
TEST(an_object_that_grows_has_no_room_where_memory_is_locked)
{
	char *mem;
	size_t mapped;

	huge_purge(SIZE_MAX);
	os_sim_lock(true);
	REQUIRE(mem = huge_alloc_with_room(6 * MIB));
	EXPECT_EQ(huge_of(mem)->mapped, 6 * MIB);
	mapped = os_sim_mapped();
	REQUIRE(mem = huge_resize(huge_of(mem), 10 * MIB));
	EXPECT_EQ(huge_of(mem)->mapped, 10 * MIB);
	EXPECT(os_sim_mapped() < mapped + 6 * MIB);
	os_sim_lock(false);
	REQUIRE(mem = huge_resize(huge_of(mem), 12 * MIB));
	EXPECT_EQ(huge_of(mem)->mapped, 18 * MIB);
	REQUIRE(mem = huge_resize(huge_of(mem), 6 * MIB));
	os_sim_lock(true);
	EXPECT(huge_resize(huge_of(mem), 10 * MIB) == mem); /* where it was larger before */
	EXPECT_EQ(huge_of(mem)->mapped, 10 * MIB);
	os_sim_lock(false);
	huge_free(huge_of(mem));
	huge_purge(SIZE_MAX);
	EXPECT(huge_check());
}

TEST(an_object_that_grows_has_no_room_where_addresses_are_dear)
{
	char *mem;

	os_sim_set_memory_limit(GIB);
	REQUIRE(mem = huge_alloc_with_room(6 * MIB));
	EXPECT_EQ(huge_of(mem)->mapped, 6 * MIB);
	os_sim_set_memory_limit(SIZE_MAX);
	huge_free(huge_of(mem));
	huge_purge(SIZE_MAX);
}

TEST(one_that_grows_takes_a_kept_mapping_whole)
{
	char *held = take(400 * MIB), *a = take(30 * MIB);
	struct huge *h;

	memset(a, 0x77, 30 * MIB);
	huge_free(huge_of(a));
	EXPECT(huge_alloc_with_room(5 * MIB) == (void *)a);
	h = huge_of(a);
	EXPECT_EQ(h->nbytes, 5 * MIB);
	EXPECT_EQ(sizes().nbytes, 405 * MIB);
	EXPECT_EQ(sizes().kept, 25 * MIB);
	EXPECT_EQ(retain_retained, 25 * MIB);
	EXPECT(huge_resize(h, 20 * MIB) == (void *)a);
	EXPECT_EQ(a[20 * MIB - 1], 0x77);
	EXPECT_EQ(sizes().kept, 10 * MIB);
	EXPECT(huge_check());
	EXPECT_EQ(huge_purge(SIZE_MAX), 10 * MIB);
	EXPECT_EQ(a[20 * MIB - 1], 0x77);
	EXPECT_EQ(a[20 * MIB], 0);
	EXPECT_EQ(sizes().kept, 0);
	EXPECT(huge_check());
	EXPECT(huge_resize(h, 30 * MIB) == (void *)a);
	EXPECT_EQ(a[30 * MIB - 1], 0);
	huge_free(h);
	EXPECT_EQ(sizes().kept, 30 * MIB);
	EXPECT(huge_alloc_with_room(5 * MIB) == (void *)a);
	huge_free(huge_of(a));
	EXPECT_EQ(sizes().kept, 30 * MIB);
	EXPECT(huge_check());
	huge_free(huge_of(held));
	huge_purge(SIZE_MAX);
	EXPECT_EQ(retain_live, 0);
	EXPECT_EQ(retain_retained, 0);
}

/* An object that grows, with MIB of its room in RAM. */
static char *take_with_dirty_room(size_t nbytes)
{
	huge_free(huge_of(take(nbytes + MIB)));
	return huge_alloc_with_room(nbytes);
}

TEST(no_more_rooms_are_purged_than_is_needed)
{
	size_t floor = options.retain_floor;
	char *a, *b;

	huge_purge(SIZE_MAX);
	options.retain_floor = GIB;
	REQUIRE((a = take_with_dirty_room(5 * MIB)) && (b = take_with_dirty_room(7 * MIB)));
	EXPECT_EQ(sizes().kept, 2 * MIB);
	EXPECT_EQ(huge_purge(MIB / 2), MIB / 2);
	EXPECT_EQ(sizes().kept, 2 * MIB - MIB / 2);
	EXPECT_EQ(huge_purge(MIB), MIB);
	EXPECT_EQ(sizes().kept, MIB / 2);
	EXPECT(huge_check());
	memset(a, 1, 6 * MIB - PAGE_SIZE); /* its room is there, and so is the other's */
	memset(b, 1, 8 * MIB - PAGE_SIZE);
	huge_free(huge_of(a));
	huge_free(huge_of(b));
	huge_purge(SIZE_MAX);
	options.retain_floor = floor;
}

TEST(rooms_and_kept_mappings_are_unmapped_where_addresses_are_short)
{
	char *mem = huge_alloc_with_room(20 * MIB), *kept = take(8 * MIB);
	size_t before = os_sim_mapped();

	huge_free(huge_of(kept));
	EXPECT_EQ(huge_unmap_free(), 18 * MIB);
	EXPECT_EQ(os_sim_mapped(), before - 18 * MIB);
	EXPECT(huge_check());
	REQUIRE(mem = huge_resize(huge_of(mem), 25 * MIB));
	huge_free(huge_of(mem));
	huge_purge(SIZE_MAX);
}

TEST(a_refused_resize_leaves_the_object)
{
	bool zero = false;
	char *mem = huge_alloc(6 * MIB, 16, &zero);

	memset(mem, 0x33, 6 * MIB);
	os_sim_fail_from(1);
	EXPECT(!huge_resize(huge_of(mem), 50 * MIB));
	EXPECT(!huge_alloc(7 * MIB, 16, &zero));
	os_sim_fail_from(0);
	EXPECT_EQ(huge_of(mem)->nbytes, 6 * MIB);
	EXPECT_EQ(mem[6 * MIB - 1], 0x33);
	EXPECT(huge_check());
	huge_free(huge_of(mem));
}

/* It may be kept then, or unmapped. */
TEST(what_another_thread_has_just_freed_is_neither_freed_nor_resized)
{
	static const size_t nbytes[] = {8 * MIB, 40 * MIB};

	for (int i = 0; i < 2; i++) {
		struct huge *h = huge_of(take(nbytes[i]));
		struct huge_sizes before;

		EXPECT(huge_free(h));
		before = sizes();
		EXPECT(!huge_free(h));
		EXPECT(!huge_resize(h, 5 * MIB));
		EXPECT(!huge_resize(h, nbytes[i] + MIB));
		EXPECT_EQ(sizes().count, before.count);
		EXPECT_EQ(sizes().kept, before.kept);
		EXPECT(huge_check());
	}
}

static void *resize_again_and_again(void *arg)
{
	struct huge *h = arg;

	for (int i = 0; i < 20000; i++)
		REQUIRE(huge_resize(h, (size_t)(5 + i % 2 * 8) * MIB));
	return NULL;
}

TEST(the_heap_is_sound_while_another_thread_resizes)
{
	pthread_t thread;
	char *mem = take(5 * MIB);

	pthread_create(&thread, NULL, resize_again_and_again, huge_of(mem));
	while (pthread_tryjoin_np(thread, NULL)) {
		REQUIRE(huge_check());
		usleep(1); /* valgrind runs one thread at a time, and would stay with this one */
	}
	EXPECT(huge_check());
}

/* The rest of its addresses is not mapped anew. */
TEST(of_a_mapping_that_is_purged_in_part_the_addresses_serve_on)
{
	char *mem;

	huge_purge(SIZE_MAX);
	mem = take(8 * MIB);
	huge_free(huge_of(mem));
	os_sim_fail_from(0);
	EXPECT_EQ(huge_purge(3 * MIB), 3 * MIB);
	EXPECT_EQ(os_sim_calls(), 1);
	EXPECT_EQ(sizes().kept, 5 * MIB);
	EXPECT(huge_check());
	os_sim_fail_from(0);
	EXPECT(take(8 * MIB) == mem);
	EXPECT_EQ(os_sim_calls(), 0);
	huge_free(huge_of(mem));
	EXPECT_EQ(sizes().kept, 8 * MIB);
	huge_purge(SIZE_MAX);
	EXPECT(huge_check());
}

/* Where that is refused all of it is unmapped. */
TEST(a_mapping_of_which_no_part_can_be_purged_goes_whole)
{
	huge_purge(SIZE_MAX);
	huge_free(huge_of(take(8 * MIB)));
	os_sim_refuse(OS_SIM_PURGE, EINVAL);
	EXPECT_EQ(huge_purge(3 * MIB), 8 * MIB);
	os_sim_refuse(OS_SIM_PURGE, 0);
	EXPECT_EQ(sizes().kept, 0);
	EXPECT(huge_check());
}

/* Keeps n mappings of 20 MiB, none beside another. */
static void keep_many(int n)
{
	char *place = take(64 * (size_t)n * MIB), *mems[8];

	REQUIRE(n <= 8);
	huge_free(huge_of(place));
	huge_purge(SIZE_MAX);
	for (int i = 0; i < n; i++) {
		os_sim_map_at(place + i * 64 * MIB);
		REQUIRE(mems[i] = take(20 * MIB));
	}
	for (int i = 0; i < n; i++)
		huge_free(huge_of(mems[i]));
}

/* However much is over the rule: else a call would take the longer the larger the heap is. */
TEST(a_free_gives_back_as_much_as_it_brings_and_decay_a_step)
{
	size_t floor = options.retain_floor;
	char *mem = take(6 * MIB);

	huge_purge(SIZE_MAX);
	retain_forget();
	options.retain_floor = GIB;
	keep_many(4);
	huge_note_unneeded();
	options.retain_floor = 0;
	huge_free(huge_of(mem));
	EXPECT_EQ(sizes().kept, 80 * MIB);
	huge_note_unneeded();
	EXPECT_EQ(huge_purge_unneeded(), RETAIN_STEP);
	EXPECT_EQ(sizes().kept, 80 * MIB - RETAIN_STEP);
	huge_purge(SIZE_MAX);
	EXPECT_EQ(huge_purge_unneeded(), 0);
	options.retain_floor = floor;
	EXPECT(huge_check());
}

/* All that is unneeded, in steps; the bytes. */
static size_t purge_unneeded(void)
{
	size_t all = 0, step;

	huge_note_unneeded();
	while ((step = huge_purge_unneeded()))
		all += step;
	return all;
}

TEST(of_what_was_kept_all_the_time_goes_what_exceeds_the_rule)
{
	enum { N = 3 };
	size_t floor = options.retain_floor;
	char *kept[N], *place;
	size_t purged;

	huge_purge(SIZE_MAX);
	retain_forget();
	options.retain_floor = GIB;
	place = take(512 * MIB);
	huge_free(huge_of(place));
	huge_purge(SIZE_MAX);
	for (size_t i = 0; i < N; i++) { /* none beside another */
		os_sim_map_at(place + i * 16 * MIB);
		REQUIRE((kept[i] = take(10 * MIB)) == place + i * 16 * MIB);
	}
	for (int i = 0; i < N; i++)
		huge_free(huge_of(kept[i]));
	EXPECT_EQ(purge_unneeded(), 0);
	options.retain_floor = 25 * MIB;
	purged = purge_unneeded();
	EXPECT(purged >= 5 * MIB && purged <= 6 * MIB);
	REQUIRE((place = take(10 * MIB)));
	huge_free(huge_of(place));
	options.retain_floor = 0;
	EXPECT_EQ(purge_unneeded(), 20 * MIB - purged); /* the others were used */
	EXPECT(purge_unneeded() > 9 * MIB);		/* a little is a part of what is live */
	huge_purge(SIZE_MAX);
	options.retain_floor = floor;
	EXPECT(huge_check());
}

/* Else a few MiB hold a GiB of addresses as long as they live. */
TEST(what_was_purged_of_a_large_mapping_is_unmapped)
{
	size_t floor = options.retain_floor, before;
	char *mem;

	huge_purge(SIZE_MAX);
	options.retain_floor = GIB;
	before = os_sim_mapped();
	huge_free(huge_of(take(512 * MIB)));
	for (int i = 0; i < 508; i++)
		EXPECT_EQ(huge_purge(MIB), MIB);
	EXPECT_EQ(sizes().kept, 4 * MIB);
	EXPECT(os_sim_mapped() - before <= 40 * MIB);
	REQUIRE(mem = take(8 * MIB));
	EXPECT(huge_of(mem)->mapped <= 40 * MIB);
	huge_free(huge_of(mem));
	huge_purge(SIZE_MAX);
	options.retain_floor = floor;
	EXPECT(huge_check());
}

/* The rest serves others; the part is enough for some more growth. */
TEST(an_object_that_grows_takes_a_part_of_a_large_mapping)
{
	size_t floor = options.retain_floor;
	char *mem;

	huge_purge(SIZE_MAX);
	options.retain_floor = GIB;
	huge_free(huge_of(take(400 * MIB)));
	REQUIRE(mem = huge_alloc_with_room(2 * MIB));
	EXPECT_EQ(huge_of(mem)->nbytes, 2 * MIB);
	EXPECT_EQ(huge_of(mem)->dirty, 32 * MIB);
	EXPECT_EQ(sizes().kept, 398 * MIB); /* its room, too */
	huge_free(huge_of(mem));
	REQUIRE(mem = huge_alloc_with_room(10 * MIB));
	EXPECT_EQ(huge_of(mem)->dirty, 80 * MIB);
	huge_free(huge_of(mem));
	huge_purge(SIZE_MAX);
	options.retain_floor = floor;
	EXPECT(huge_check());
}

/* Where addresses are limited the program needs them for mappings of its own. */
TEST(where_addresses_are_scarce_a_mapping_of_over_32_mib_goes)
{
	size_t floor = options.retain_floor;

	huge_purge(SIZE_MAX);
	options.retain_floor = GIB;
	os_sim_set_memory_limit(8 * GIB);
	huge_free(huge_of(take(32 * MIB)));
	EXPECT_EQ(sizes().kept, 32 * MIB);
	huge_purge(SIZE_MAX);
	huge_free(huge_of(take(33 * MIB)));
	EXPECT_EQ(sizes().kept, 0);
	os_sim_set_memory_limit(SIZE_MAX);
	options.retain_floor = floor;
}

/* A mapping that would have been kept served none of them. */
TEST(large_zeros_are_no_regret)
{
	bool zero = true;
	char *mem;

	huge_purge(SIZE_MAX);
	retain_tally = GIB;
	retain_regret = 0;
	REQUIRE(mem = huge_alloc(32 * MIB + PAGE_SIZE, 16, &zero));
	EXPECT_EQ(retain_regret, 0);
	huge_free(huge_of(mem));
	huge_purge(SIZE_MAX);
	retain_tally = GIB;
	zero = true;
	REQUIRE(mem = huge_alloc(32 * MIB, 16, &zero));
	EXPECT_EQ(retain_regret, 32 * MIB);
	huge_free(huge_of(mem));
	huge_purge(SIZE_MAX);
	retain_forget();
}

/* It is counted as less for a moment. */
TEST(a_step_of_a_mapping_is_a_low_of_what_it_leaves)
{
	size_t floor = options.retain_floor;

	huge_purge(SIZE_MAX);
	options.retain_floor = GIB;
	huge_free(huge_of(take(64 * MIB)));
	store_relaxed(&retain_low, SIZE_MAX);
	EXPECT_EQ(huge_purge(MIB), MIB);
	EXPECT_EQ(load_relaxed(&retain_low), load_relaxed(&retain_retained));
	EXPECT(load_relaxed(&retain_low) >= 63 * MIB);
	huge_purge(SIZE_MAX);
	EXPECT_EQ(load_relaxed(&retain_low), load_relaxed(&retain_retained));
	options.retain_floor = floor;
}
