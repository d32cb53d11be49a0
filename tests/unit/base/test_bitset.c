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

TEST(an_empty_set_has_no_ends)
{
	fresh();
	EXPECT_EQ(bitset_lowest(&set), BITSET_MOST);
	EXPECT_EQ(bitset_highest(&set), BITSET_MOST);
}

TEST(one_member_is_both_ends_wherever_it_is)
{
	fresh();
	for (size_t n = 0; n < BITSET_MOST; n++) {
		bitset_add(&set, n);
		EXPECT(bitset_has(&set, n));
		EXPECT_EQ(bitset_lowest(&set), n);
		EXPECT_EQ(bitset_highest(&set), n);
		bitset_remove(&set, n);
		EXPECT(!bitset_has(&set, n));
		EXPECT_EQ(bitset_highest(&set), BITSET_MOST);
	}
}

TEST(a_random_set_agrees_with_its_shadow)
{
	uint64_t state = test_seed();

	fresh();
	for (int i = 0; i < 20000; i++) {
		size_t n = test_random(&state) % BITSET_MOST, lowest = 0, highest = BITSET_MOST;

		if (test_random(&state) % 400 < (i / 2000 % 2 ? 300u : 100u)) { /* it fills, and empties */
			bitset_add(&set, n);
			shadow[n] = true;
		} else {
			bitset_remove(&set, n);
			shadow[n] = false;
		}
		while (lowest < BITSET_MOST && !shadow[lowest])
			lowest++;
		while (highest > 0 && !shadow[highest - 1])
			highest--;
		EXPECT_EQ(bitset_has(&set, n), shadow[n]);
		EXPECT_EQ(bitset_lowest(&set), lowest);
		EXPECT_EQ(bitset_highest(&set), highest ? highest - 1 : BITSET_MOST);
	}
}
