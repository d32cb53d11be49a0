/* The zone: blocks of all orders, exact pages, purging under the rule, refusal at any call. */
#include "base/bits.h"
#include "os_sim.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "pages/zone_regions.h"
#include "test.h"

#include <string.h>

static struct zone_sizes sizes(void)
{
	struct zone_sizes s;

	zone_sizes(&s);
	return s;
}

TEST(blocks_are_aligned_to_their_size_and_read_as_zero_when_clean)
{
	void *blocks[ORDERS];
	bool clean;

	for (unsigned o = 0; o < ORDERS; o++) {
		blocks[o] = zone_alloc(o, &clean);
		REQUIRE(blocks[o]);
		EXPECT(is_aligned((uintptr_t)blocks[o], ORDER_BYTES(o)));
		EXPECT(clean);
		EXPECT_EQ(*(char *)blocks[o], 0);
	}
	EXPECT(zone_check());
	for (unsigned o = 0; o < ORDERS; o++)
		zone_free(blocks[o], o, ORDER_BYTES(o));
	EXPECT(zone_check());
	EXPECT_EQ(retain_live, 0);
}

TEST(an_address_in_a_free_block_is_told)
{
	bool clean;
	char *used = zone_alloc(2, &clean), *freed = zone_alloc(2, &clean), local;

	REQUIRE(used && freed);
	zone_free(freed, 2, PAGE_SIZE);
	EXPECT(zone_is_free(freed));
	EXPECT(zone_is_free(freed + 4 * PAGE_SIZE - 1));
	EXPECT(!zone_is_free(used));
	EXPECT(!zone_is_free(&local));
	EXPECT(!zone_is_free(NULL));
	EXPECT(!zone_is_free(freed + ((uintptr_t)1 << ADDRESS_BITS)));
	lock_acquire(&zone_lock); /* as a signal handler finds it */
	EXPECT(!zone_is_free(freed));
	lock_release(&zone_lock);
	zone_free(used, 2, PAGE_SIZE);
}

TEST(what_was_not_touched_stays_clean)
{
	size_t before;
	bool clean;
	void *block;

	zone_purge(SIZE_MAX);
	before = sizes().free_dirty;
	EXPECT_EQ(before, 0);
	block = zone_alloc(4, &clean);
	zone_free(block, 4, PAGE_SIZE + 1);
	EXPECT_EQ(sizes().free_dirty, 2 * PAGE_SIZE);
	block = zone_alloc(0, &clean);
	EXPECT(!clean);
	zone_free(block, 0, 0);
	EXPECT(zone_check());
}

TEST(no_more_is_retained_than_the_rule_allows)
{
	enum { BLOCKS = 64 };
	void *blocks[BLOCKS];
	size_t purged, tally;
	bool clean;

	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = zone_alloc(8, &clean);
	purged = sizes().purged;
	tally = retain_tally;
	for (int i = 0; i < BLOCKS; i++) {
		memset(blocks[i], 1, ORDER_BYTES(8));
		zone_free(blocks[i], 8, ORDER_BYTES(8));
		EXPECT(retain_excess() == 0);
		EXPECT_EQ(retain_retained, sizes().free_dirty);
	}
	EXPECT(zone_check());
	EXPECT(sizes().purged > purged);
	EXPECT_EQ(retain_tally - tally, sizes().purged - purged);
}

/* Others wait for the lock. */
TEST(one_call_purges_no_more_than_the_largest_block)
{
	enum { BLOCKS = 6 };
	size_t floor = options.retain_floor;
	void *blocks[BLOCKS];
	bool clean;

	zone_purge(SIZE_MAX);
	options.retain_floor = 64 * MIB;
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = zone_alloc(10, &clean);
	for (int i = 0; i < BLOCKS; i++)
		zone_free(blocks[i], 10, ORDER_BYTES(10));
	EXPECT_EQ(sizes().free_dirty, BLOCKS * ORDER_BYTES(10));
	EXPECT_EQ(zone_purge(64 * MIB), ORDER_BYTES(10));
	EXPECT_EQ(sizes().free_dirty, (BLOCKS - 1) * ORDER_BYTES(10));
	EXPECT_EQ(zone_purge(SIZE_MAX), (BLOCKS - 1) * ORDER_BYTES(10));
	options.retain_floor = floor;
	EXPECT(zone_check());
}

TEST(a_purge_that_is_refused_loses_nothing)
{
	bool clean;
	char *block = zone_alloc(10, &clean);

	memset(block, 7, ORDER_BYTES(10));
	os_sim_refuse(OS_SIM_PURGE, EINVAL);
	zone_free(block, 10, ORDER_BYTES(10));
	EXPECT(zone_check());
	os_sim_refuse(OS_SIM_PURGE, 0);
	for (int i = 0; i < 300; i++)
		zone_purge(SIZE_MAX);
	EXPECT_EQ(sizes().free_dirty, 0);
	EXPECT(zone_check());
}

/* So that one that is refused for long costs few calls. */
TEST(after_a_purge_that_was_refused_256_calls_try_none)
{
	size_t floor = options.retain_floor;
	bool clean;
	void *block;

	zone_purge(SIZE_MAX);
	options.retain_floor = GIB;
	REQUIRE(block = zone_alloc(ORDER_MAX, &clean));
	zone_free(block, ORDER_MAX, ORDER_BYTES(ORDER_MAX));
	os_sim_refuse(OS_SIM_PURGE, EINVAL);
	os_sim_fail_from(0);
	EXPECT_EQ(zone_purge(MIB), 0);
	EXPECT_EQ(os_sim_calls(), 1);
	os_sim_refuse(OS_SIM_PURGE, 0);
	for (int i = 0; i < 256; i++)
		EXPECT_EQ(zone_purge(MIB), 0);
	EXPECT_EQ(os_sim_calls(), 1);
	EXPECT_EQ(zone_purge(REGION_SIZE), ORDER_BYTES(ORDER_MAX));
	EXPECT_EQ(os_sim_calls(), 2);
	options.retain_floor = floor;
	EXPECT(zone_check());
}

TEST(pages_are_cut_exactly_and_extended_in_place)
{
	bool clean;
	char *mem = zone_alloc_pages(5, 0, &clean), *other;

	EXPECT(zone_check());
	EXPECT_EQ(retain_live, 5 * PAGE_SIZE);
	EXPECT(zone_extend_pages(mem, 5, 13));
	EXPECT_EQ(retain_live, 13 * PAGE_SIZE);
	other = zone_alloc_pages(1024, 0, &clean);
	EXPECT(is_aligned((uintptr_t)other, REGION_SIZE));
	EXPECT(!zone_extend_pages(other, 1024, 1025));
	zone_free_pages(mem, 13);
	zone_free_pages(other, 1024);
	mem = zone_alloc_pages(3, 6, &clean);
	EXPECT(is_aligned((uintptr_t)mem, ORDER_BYTES(6)));
	zone_free_pages(mem, 3);
	EXPECT(zone_check());
	EXPECT_EQ(retain_live, 0);
}

TEST(pages_in_ram_are_taken_though_they_are_no_block)
{
	bool clean;
	char *mem = zone_alloc(6, &clean), *stretch = mem + 3 * PAGE_SIZE, *other;

	REQUIRE(mem);
	zone_purge(SIZE_MAX);
	zone_free_pages(stretch, 26); /* blocks of 1, 4, 8, 8, 4 and 1 pages */
	other = zone_alloc_pages(20, 5, &clean);
	EXPECT(clean); /* no 20 of them begin at a multiple of 32 */
	EXPECT_EQ((uintptr_t)zone_alloc_pages(20, 0, &clean), (uintptr_t)stretch);
	EXPECT(!clean);
	EXPECT(zone_check());
	EXPECT_EQ(retain_live, (size_t)(64 - 26 + 20 + 20) * PAGE_SIZE);
	zone_free_pages(stretch, 20);
	zone_free_pages(other, 20);
	zone_free_pages(mem, 3);
	zone_free_pages(mem + 29 * PAGE_SIZE, 35);
	EXPECT_EQ(retain_live, 0);
}

TEST(a_short_piece_is_put_where_one_was_though_the_pages_behind_it_are_in_use)
{
	bool clean;
	char *mem = zone_alloc(6, &clean);

	REQUIRE(mem);
	zone_purge(SIZE_MAX);
	zone_free_pages(mem, 16);
	EXPECT_EQ((uintptr_t)zone_alloc_pages(16, 6, &clean), (uintptr_t)mem);
	EXPECT(!clean);
	zone_free_pages(mem, 64);
	EXPECT_EQ(retain_live, 0);
}

TEST(one_page_is_taken_where_it_splits_the_smallest_block)
{
	bool clean;
	char *mem = zone_alloc(6, &clean), *page;

	REQUIRE(mem);
	page = mem + 33 * PAGE_SIZE;
	zone_purge(SIZE_MAX);
	zone_free_pages(mem + 8 * PAGE_SIZE, 8);
	zone_free_pages(page, 1);
	EXPECT_EQ((uintptr_t)zone_alloc(0, &clean), (uintptr_t)page);
	zone_free_pages(mem, 8);
	zone_free_pages(mem + 16 * PAGE_SIZE, 48);
	EXPECT_EQ(retain_live, 0);
}

TEST(a_block_in_ram_is_taken_before_one_that_is_so_in_part)
{
	char *held, *whole;
	bool clean;

	zone_purge(SIZE_MAX);
	held = zone_alloc(8, &clean);
	REQUIRE(held && clean);
	whole = held + 128 * PAGE_SIZE;
	zone_free(held, 6, PAGE_SIZE);
	zone_free(whole, 6, ORDER_BYTES(6));
	EXPECT_EQ((uintptr_t)zone_alloc(6, &clean), (uintptr_t)whole);
	EXPECT_EQ((uintptr_t)zone_alloc(6, &clean), (uintptr_t)held);
	zone_free_pages(held, 256);
	EXPECT_EQ(retain_live, 0);
}

TEST(pages_beside_dirty_ones_are_taken_before_clean_blocks_and_their_faults_are_told)
{
	bool clean;
	char *mem, *stretch;

	if (os_page_size() > ORDER_BYTES(2))
		test_skip("a block of four pages is no hardware page");
	mem = zone_alloc(6, &clean);
	REQUIRE(mem);
	stretch = mem + 3 * PAGE_SIZE;
	zone_purge(SIZE_MAX);
	zone_free_pages(stretch, 26);
	zone_purge(SIZE_MAX);
	REQUIRE(zone_extend_pages(mem, 3, 16));
	zone_free_pages(stretch, 13); /* 13 of 26 are in RAM again */
	retain_tally = 64 * PAGE_SIZE;
	retain_regret = 0;
	EXPECT_EQ((uintptr_t)zone_alloc_pages(20, 0, &clean), (uintptr_t)stretch);
	EXPECT(!clean);
	EXPECT_EQ(retain_regret, 7 * PAGE_SIZE);
	zone_free_pages(stretch, 20);
	zone_free_pages(mem, 3);
	zone_free_pages(mem + 29 * PAGE_SIZE, 35);
	EXPECT_EQ(retain_live, 0);
}

TEST(a_refusal_at_any_call_loses_nothing)
{
	for (size_t n = 1; n < 12; n++) {
		void *block;
		bool clean;

		zone_unmap_free(false);
		os_sim_fail_from(n);
		block = zone_alloc(3, &clean);
		EXPECT(zone_check());
		if (block)
			zone_free(block, 3, 0);
		os_sim_fail_from(0);
		block = zone_alloc(3, &clean);
		EXPECT(block != NULL);
		zone_free(block, 3, 0);
	}
}

static void count(struct descriptor *tag, char *mem, size_t nbytes, void *arg)
{
	(void)mem;
	if (tag->kind == KIND_RUN)
		*(size_t *)arg += nbytes;
}

TEST(tagged_stretches_are_visited)
{
	struct descriptor tag = {.kind = KIND_RUN};
	size_t seen = 0;
	bool clean;
	void *block = zone_alloc(2, &clean);

	pagemap_set(block, ORDER_BYTES(2), &tag);
	zone_visit(count, &seen);
	EXPECT_EQ(seen, ORDER_BYTES(2));
	EXPECT(zone_check());
	pagemap_set(block, ORDER_BYTES(2), NULL);
	zone_free(block, 2, 0);
}

TEST(any_order_of_calls_keeps_the_zone_sound)
{
	enum { HELD = 200 };
	static struct {
		void *mem;
		size_t npages;
	} held[HELD];
	uint64_t state = test_seed();
	bool clean;

	for (int i = 0; i < 20000; i++) {
		uint64_t r = test_random(&state);
		int k = (int)(r >> 32) % HELD;
		k = k < 0 ? -k : k;

		if (held[k].mem) {
			zone_free_pages(held[k].mem, held[k].npages);
			held[k].mem = NULL;
		} else {
			held[k].npages = 1 + (r >> 8) % (r % 7 ? 40 : 1024);
			held[k].mem =
				zone_alloc_pages(held[k].npages, r % 3 ? 0 : r >> 20 & 7, &clean);
			REQUIRE(held[k].mem);
			if (clean)
				REQUIRE(!*(char *)held[k].mem);
			*(char *)held[k].mem = 1;
		}
		if (i % 500 == 0)
			REQUIRE(zone_check());
	}
	for (int k = 0; k < HELD; k++)
		if (held[k].mem)
			zone_free_pages(held[k].mem, held[k].npages);
	EXPECT(zone_check());
	EXPECT_EQ(retain_live, 0);
}

TEST(room_is_free_pages_behind)
{
	bool clean;
	char *mem = zone_alloc_with_room(33, 8, &clean), *other;

	REQUIRE(mem);
	EXPECT(is_aligned((uintptr_t)mem, ORDER_BYTES(8)));
	EXPECT_EQ(retain_live, 33 * PAGE_SIZE);
	EXPECT(zone_extend_pages(mem, 33, 256));
	other = zone_alloc_with_room(300, 8, &clean);
	EXPECT(is_aligned((uintptr_t)other, ORDER_BYTES(9)));
	EXPECT_EQ(retain_live, 556 * PAGE_SIZE);
	zone_free_pages(mem, 256);
	zone_free_pages(other, 300);
	EXPECT(zone_check());
	EXPECT_EQ(retain_live, 0);
}

TEST(what_grows_is_not_put_where_it_just_fits)
{
	bool clean;
	char *held = zone_alloc(8, &clean), *tight = held + 3 * PAGE_SIZE, *mem;

	REQUIRE(held);
	zone_purge(SIZE_MAX);
	zone_free_pages(tight, 200);
	mem = zone_alloc_with_room(200, 8, &clean);
	EXPECT(zone_extend_pages(mem, 200, 210));
	zone_free_pages(mem, mem == tight ? 200 : 210);
	zone_free_pages(held, 3);
	zone_free_pages(held + 203 * PAGE_SIZE, 53);
	EXPECT_EQ(retain_live, 0);
}

/* Bytes that are mapped for room of 1 MiB. */
static size_t mapped_for_room(void)
{
	size_t before = sizes().mapped, mapped;
	bool clean;
	void *mem;

	REQUIRE(mem = zone_alloc_with_room(64, 8, &clean));
	mapped = sizes().mapped - before;
	zone_free_pages(mem, 64);
	return mapped;
}

TEST(for_room_more_is_mapped_only_where_half_is_in_use_and_addresses_are_not_dear)
{
	void *blocks[4];
	bool clean;

	zone_unmap_free(true);
	REQUIRE(sizes().mapped == 0);
	for (int i = 0; i < 4; i++)
		REQUIRE(blocks[i] = zone_alloc(7, &clean));
	REQUIRE(sizes().mapped == 4 * ORDER_BYTES(7)); /* two steps of 1 MiB */
	zone_free(blocks[0], 7, 0);
	zone_free(blocks[2], 7, 0);
	EXPECT_EQ(mapped_for_room(), 0); /* half is free, though in pieces that are too small */
	REQUIRE(blocks[2] = zone_alloc(7, &clean));
	os_sim_set_memory_limit(GIB);
	EXPECT_EQ(mapped_for_room(), 0);
	os_sim_set_memory_limit(SIZE_MAX);
	EXPECT_EQ(mapped_for_room(), MIB);
	for (int i = 1; i < 4; i++)
		zone_free(blocks[i], 7, 0);
	zone_unmap_free(true);
	EXPECT(zone_check());
	EXPECT_EQ(retain_live, 0);
}

TEST(dirty_blocks_come_before_clean_stretches)
{
	enum { REGIONS = 17 };
	char *held[REGIONS], *mem;
	bool clean;

	zone_unmap_free(false); /* so that regions are in the table as they are taken */
	for (int i = 0; i < REGIONS; i++)
		REQUIRE(held[i] = zone_alloc(ORDER_MAX, &clean));
	for (int i = 0; i < REGIONS - 1; i++) {
		zone_free(held[i], 6, 0);
		zone_free(held[i] + 128 * PAGE_SIZE, 4, ORDER_BYTES(4));
	}
	zone_free(held[REGIONS - 1], 5, ORDER_BYTES(5));
	mem = zone_alloc_pages(20, 0, &clean);
	EXPECT(!clean);
	EXPECT_EQ((uintptr_t)mem, (uintptr_t)held[REGIONS - 1]);
	zone_free_pages(mem, 20);
	for (int i = 0; i < REGIONS - 1; i++) {
		zone_free_pages(held[i] + 64 * PAGE_SIZE, 64);
		zone_free_pages(held[i] + 144 * PAGE_SIZE, REGION_PAGES - 144);
	}
	zone_free_pages(held[REGIONS - 1] + 32 * PAGE_SIZE, REGION_PAGES - 32);
	EXPECT_EQ(retain_live, 0);
}

TEST(where_there_is_no_room_the_least_will_do)
{
	bool clean;
	void *held[64], *mem;
	size_t n = 0;

	/* What was mapped is cut up: no block of 1 MiB is left, and no more can be had. */
	zone_unmap_free(false);
	held[n++] = zone_alloc(8, &clean);
	os_sim_fail_from(1);
	while (n < 64 && (held[n] = zone_alloc(8, &clean)))
		n++;
	REQUIRE(held[0] && n < 64);
	zone_free(held[--n], 8, 0);
	held[n] = zone_alloc(7, &clean);
	mem = zone_alloc_with_room(64, 8, &clean);
	EXPECT(mem != NULL);
	os_sim_fail_from(0);
	EXPECT(zone_check());
	zone_free_pages(mem, 64);
	zone_free(held[n], 7, 0);
	while (n)
		zone_free(held[--n], 8, 0);
	EXPECT(zone_check());
	EXPECT_EQ(retain_live, 0);
}

TEST(scattered_blocks_lie_anywhere_and_are_no_stretches)
{
	char *mem, *other, *one;
	size_t low = 0;
	bool clean;

	zone_unmap_free(true);
	REQUIRE(sizes().mapped == 0);
	REQUIRE(mem = zone_alloc(6, &clean));
	zone_free_pages(mem + 3 * PAGE_SIZE, 26); /* blocks of 8 pages at most */
	zone_scatter(1);
	REQUIRE(other = zone_alloc_pages(20, 0, &clean));
	EXPECT(is_aligned((uintptr_t)other, ORDER_BYTES(5))); /* cut from a block */
	zone_free_pages(other, 20);
	zone_free_pages(mem, 3);
	zone_free_pages(mem + 29 * PAGE_SIZE, 35);
	zone_purge(SIZE_MAX);
	for (int i = 0; i < 8; i++) {
		REQUIRE(one = zone_alloc(0, &clean));
		low += one == mem; /* where it is without chance */
		zone_free(one, 0, 0);
	}
	EXPECT(low < 8);
	zone.scatter = 0;
	EXPECT_EQ(retain_live, 0);
}

TEST(what_is_extended_into_pages_that_are_not_in_ram_is_told)
{
	bool clean;
	char *mem;

	os_sim_need_small_pages();
	REQUIRE(mem = zone_alloc(6, &clean));
	zone_free_pages(mem + 16 * PAGE_SIZE, 48);
	zone_purge(SIZE_MAX);
	retain_tally = 64 * PAGE_SIZE;
	retain_regret = 0;
	REQUIRE(zone_extend_pages(mem, 16, 40));
	EXPECT_EQ(retain_regret, 24 * PAGE_SIZE);
	zone_free_pages(mem + 32 * PAGE_SIZE, 8);
	retain_regret = 0;
	REQUIRE(zone_extend_pages(mem, 32, 48));
	EXPECT_EQ(retain_regret, 8 * PAGE_SIZE); /* the other 8 are in RAM */
	zone_free_pages(mem, 48);
	EXPECT_EQ(retain_live, 0);
}
