/* The set of numbers against a plain array, at its edges and at random. */
#include "base/bitset.h"
#include "test.h"

#include <string.h>

static struct bitset set;
static bool shadow[BITSET_MOST];

static void fresh(void)
{
	memset(&set, 0, sizeof set);
	memset(shadow, 0, sizeof shadow);
}

static size_t shadow_from(size_t n)
{
	while (n < BITSET_MOST && !shadow[n])
		n++;
	return n;
}

TEST(an_empty_set_has_no_ends)
{
	fresh();
	EXPECT_EQ(bitset_from(&set, 0), BITSET_MOST);
	EXPECT_EQ(bitset_from(&set, BITSET_MOST - 1), BITSET_MOST);
	EXPECT_EQ(bitset_from(&set, BITSET_MOST), BITSET_MOST);
	EXPECT_EQ(bitset_highest(&set), BITSET_MOST);
}

TEST(one_member_is_both_ends_wherever_it_is)
{
	static const size_t numbers[] = {
		0, 1, 63, 64, 4095, 4096, BITSET_MOST - 64, BITSET_MOST - 1};

	fresh();
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		size_t n = numbers[i];

		bitset_add(&set, n);
		EXPECT_EQ(bitset_from(&set, 0), n);
		EXPECT_EQ(bitset_from(&set, n), n);
		EXPECT_EQ(bitset_from(&set, n + 1), BITSET_MOST);
		EXPECT_EQ(bitset_highest(&set), n);
		bitset_remove(&set, n);
		EXPECT_EQ(bitset_highest(&set), BITSET_MOST);
	}
}

TEST(a_random_set_agrees_with_its_shadow)
{
	uint64_t state = test_seed();

	fresh();
	for (int i = 0; i < 4000; i++) {
		size_t n = test_random(&state) % BITSET_MOST, highest = BITSET_MOST;

		if (i % 4 == 3 && (n = shadow_from(n)) < BITSET_MOST) {
			bitset_remove(&set, n);
			shadow[n] = false;
		} else if (i % 4 != 3) {
			bitset_add(&set, n);
			shadow[n] = true;
		}
		n = test_random(&state) % BITSET_MOST;
		EXPECT_EQ(bitset_from(&set, n), shadow_from(n));
		for (size_t h = BITSET_MOST; h-- > 0 && highest == BITSET_MOST;)
			highest = shadow[h] ? h : highest;
		EXPECT_EQ(bitset_highest(&set), highest);
	}
}
