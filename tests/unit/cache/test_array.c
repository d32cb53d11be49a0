/* Arrays of pointers: of any size up to the most, empty at first, reused by size. */
#include "cache/array.h"

#include "os_sim.h"
#include "pages/metadata.h"
#include "test.h"

#include <string.h>

static bool is_empty(struct object **array, uint32_t words)
{
	for (uint32_t i = 0; i < words; i++)
		if (array[i])
			return false;
	return true;
}

/* What needs a mapping is refused a few times first. */
static struct object **new_array(uint32_t words)
{
	struct object **array = NULL;

	for (int tries = 0; !array && tries <= PATIENCE; tries++)
		array = array_alloc(words);
	REQUIRE(array);
	return array;
}

/* Each is written to its end; the next one must not have been. */
TEST(every_size_has_room_and_is_empty)
{
	struct object **before = NULL;

	for (uint32_t words = 1; words <= ARRAY_MOST; words++) {
		struct object **array = new_array(words);

		EXPECT(is_empty(array, words));
		if (before)
			EXPECT_EQ((uintptr_t)before[words - 2], 1);
		memset(array, 0xff, words * sizeof *array);
		array[words - 1] = (struct object *)1;
		before = array;
	}
}

TEST(an_array_is_used_again)
{
	const uint32_t sizes[] = {1, 8, 9, 16, 17, 513, ARRAY_MOST};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct object **array = new_array(sizes[i]);

		memset(array, 0xff, sizes[i] * sizeof *array);
		array_free(array, sizes[i]);
		EXPECT(array_alloc(sizes[i]) == array);
	}
}

/* 8, 16, 32 ... words. */
TEST(sizes_are_powers_of_two)
{
	struct object **array = new_array(9);

	array_free(array, 9);
	EXPECT(array_alloc(8) != array);
	EXPECT(array_alloc(17) != array);
	EXPECT(array_alloc(16) == array);
}

TEST(without_memory_there_is_none)
{
	int taken = 0;

	os_sim_fail_from(1);
	while (taken < 10000 && array_alloc(ARRAY_MOST))
		taken++;
	EXPECT(taken < 10000);
	os_sim_fail_from(0);
	new_array(ARRAY_MOST);
}
