/* What is given back and reused before NULL is returned. */
#include "arena/reclaim.h"
#include "base/bits.h"
#include "os_sim.h"
#include "test.h"

#include <loam/loam.h>

/* Before NULL is returned all that is free serves: here a free chunk that cannot go back for what lies behind it. */
TEST(what_the_heap_has_serves_any_size_when_the_system_refuses)
{
	void *mem[100], *large;

	for (int i = 0; i < 100; i++)
		REQUIRE(mem[i] = loam_malloc(50000));
	for (int i = 0; i < 99; i++)
		loam_free(mem[i]);
	os_sim_fail_from(1);
	large = loam_malloc(3 * MIB);
	EXPECT(large != NULL);
	loam_free(large);
	large = loam_calloc(3, MIB);
	EXPECT(large && !((char *)large)[MIB]);
	loam_free(large);
	large = loam_aligned_alloc(16 * KIB, 3 * MIB);
	EXPECT(large && is_aligned((uintptr_t)large, 16 * KIB));
	large = loam_realloc(large, 4 * MIB);
	EXPECT(large == NULL);
	os_sim_fail_from(0);
	loam_free(mem[99]);
	EXPECT(loam_check());
}

/* And kept runs, free blocks, and huge objects that are kept. */
TEST(what_is_kept_is_given_back_for_another_size)
{
	void *mem[40], *large;

	for (int i = 0; i < 40; i++)
		REQUIRE(mem[i] = loam_malloc(i % 2 ? 600000 : 5 * MIB));
	for (int i = 0; i < 40; i++)
		loam_free(mem[i]);
	os_sim_map_limit(0);
	large = loam_malloc(5500000);
	EXPECT(large != NULL);
	loam_free(large);
	large = loam_aligned_alloc(8 * MIB, MIB);
	EXPECT(large != NULL);
	loam_free(large);
	os_sim_map_limit(SIZE_MAX);
	EXPECT(loam_check());
}

/* Here small objects, in slabs and magazines, and then any other size. */
TEST(what_many_small_objects_had_is_had_as_one)
{
	enum { OBJECTS = 40000 };
	static void *mem[OBJECTS];
	void *large;

	for (int i = 0; i < OBJECTS; i++)
		REQUIRE(mem[i] = loam_malloc(200));
	for (int i = 0; i < OBJECTS; i++)
		loam_free(mem[i]);
	os_sim_map_limit(0);
	EXPECT((large = loam_malloc(5 * MIB)) != NULL);
	loam_free(large);
	os_sim_map_limit(SIZE_MAX);
	EXPECT(loam_check());
}
