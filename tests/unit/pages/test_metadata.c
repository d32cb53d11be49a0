/* Pools: zeroed objects on lines of their own, reused by type, marked as loam's, never lost. */
#include "base/bits.h"
#include "base/list.h"
#include "os_sim.h"
#include "pages/metadata.h"
#include "pages/pagemap.h"
#include "test.h"

#include <string.h>

struct thing {
	char bytes[200];
};

static struct pool things = POOL_INIT(struct thing);
static struct pool others = POOL_INIT(struct link);

static bool is_zero(const void *mem, size_t nbytes)
{
	for (size_t i = 0; i < nbytes; i++)
		if (((const char *)mem)[i])
			return false;
	return true;
}

/* Takes objects until another area is mapped for them: its bytes. */
static size_t next_area(void)
{
	size_t before = load_relaxed(&metadata_bytes);

	while (load_relaxed(&metadata_bytes) == before)
		REQUIRE(pool_alloc(&things));
	return load_relaxed(&metadata_bytes) - before;
}

/* The first test: nothing was mapped yet. */
TEST(each_area_is_twice_the_one_before_from_128_kib_to_4_mib_unless_addresses_are_dear)
{
	EXPECT_EQ(next_area(), 128 * KIB);
	os_sim_set_memory_limit(OS_MEMORY_SCARCE - 1);
	EXPECT_EQ(next_area(), 256 * KIB);
	EXPECT_EQ(next_area(), 256 * KIB);
	os_sim_set_memory_limit(OS_MEMORY_SCARCE);
	for (size_t nbytes = 256 * KIB; nbytes < 4 * MIB; nbytes *= 2)
		EXPECT_EQ(next_area(), nbytes);
	os_sim_set_memory_limit(SIZE_MAX);
	EXPECT_EQ(next_area(), 4 * MIB);
	EXPECT_EQ(next_area(), 4 * MIB);
}

TEST(objects_are_zero_and_on_lines_of_their_own)
{
	struct thing *a = pool_alloc(&things), *b = pool_alloc(&things);

	REQUIRE(a && b);
	EXPECT(is_aligned((uintptr_t)a, CACHE_LINE));
	EXPECT(is_aligned((uintptr_t)b, CACHE_LINE));
	EXPECT((size_t)((char *)b - (char *)a) >= things.size);
	EXPECT(is_zero(a, sizeof *a));
	EXPECT_EQ(pagemap_get(a)->kind, KIND_METADATA);
}

TEST(what_is_freed_is_reused_by_its_type_and_zero_again)
{
	struct thing *a = pool_alloc(&things);

	memset(a, 0xff, sizeof *a);
	pool_free(&things, a);
	EXPECT(pool_alloc(&others) != (void *)a);
	EXPECT(pool_alloc(&things) == a);
	EXPECT(is_zero(a, things.size));
}

TEST(many_objects_need_few_mappings)
{
	os_sim_fail_from(0);
	for (int i = 0; i < 10000; i++)
		REQUIRE(pool_alloc(&things));
	EXPECT(os_sim_calls() < 20);
	EXPECT(load_relaxed(&metadata_bytes) >= 10000 * sizeof(struct thing));
}

TEST(tables_are_zero)
{
	char *table = metadata_alloc(5 * MIB);

	REQUIRE(table);
	EXPECT(is_zero(table, 5 * MIB));
	EXPECT_EQ(pagemap_get(table + 3 * MIB)->kind, KIND_METADATA);
}

TEST(a_refusal_is_no_object_and_loses_nothing)
{
	os_sim_fail_from(1);
	while (pool_alloc(&things))
		;
	EXPECT(!metadata_alloc(100 * MIB));
	os_sim_fail_from(0);
	EXPECT(pool_alloc(&things) != NULL);
}

/* A call that can do without waits until others are refused as well. */
TEST(where_an_area_is_full_8_calls_in_turn_get_none)
{
	for (int i = 0; i < 2; i++) {
		os_sim_fail_from(1);
		while (pool_alloc(&things))
			;
		os_sim_fail_from(0);
		for (int calls = 0; calls < PATIENCE; calls++)
			EXPECT(!pool_alloc_patiently(&things));
		EXPECT(pool_alloc_patiently(&things) != NULL);
	}
}
