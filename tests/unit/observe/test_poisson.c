/* Distances and weights of samples against what the formulas say. */
#include "observe/poisson.h"

#include "base/bits.h"
#include "slab/classes.h"
#include "test.h"

#define RATE (512 * KIB)
#define MEAN (RATE / GRANULE) /* granules */

static bool is_near(uint64_t value, double expected, double relative)
{
	double difference = (double)value - expected;

	return difference <= expected * relative && -difference <= expected * relative;
}

TEST(a_weight_is_the_inverse_of_the_chance)
{
	EXPECT(is_near(poisson_weight(MEAN, RATE), 65536 / 0.632120558828557678, 1e-5));
	EXPECT(is_near(poisson_weight(2 * MEAN, RATE), 65536 / 0.864664716763387308, 1e-5));
	EXPECT(is_near(poisson_weight(MEAN / 16, RATE), 65536 / 0.0605869371865242, 1e-6));
	EXPECT(is_near(poisson_weight(MEAN / 8, RATE), 65536 / 0.117503097415404597, 1e-6));
	EXPECT(is_near(poisson_weight(1, RATE), 65536 * (MEAN + 0.5), 1e-8));
	EXPECT_EQ(poisson_weight(30 * MEAN, RATE), POISSON_ONE);
	EXPECT_EQ(poisson_weight(SIZE_MAX / GRANULE, RATE), POISSON_ONE);
	EXPECT_EQ(poisson_weight(1, 1), POISSON_ONE); /* all are sampled */
}

TEST(two_chances_are_as_one_of_the_sum)
{
	static const size_t granules[] = {1, 5, 700, MEAN / 2, 3 * MEAN, 40 * MEAN};

	for (size_t i = 0; i < 6; i++)
		for (size_t k = 0; k < 6; k++) {
			uint64_t a = poisson_weight(granules[i], RATE),
				 b = poisson_weight(granules[k], RATE);
			uint64_t both = poisson_weight(granules[i] + granules[k], RATE);

			EXPECT(is_near(poisson_weight_of_both(a, b), (double)both, 1e-4));
			EXPECT(poisson_weight_of_both(a, b) >= POISSON_ONE);
		}
	EXPECT_EQ(poisson_weight_of_both(POISSON_ONE, POISSON_ONE), POISSON_ONE);
}

TEST(a_distance_is_at_least_one_and_has_an_end)
{
	EXPECT_EQ(poisson_gap(UINT64_MAX, RATE), 1);
	EXPECT(is_near(poisson_gap(0, RATE), 37.42994775 * MEAN, 1e-6)); /* ln(2^54) */
	EXPECT(is_near(poisson_gap((uint64_t)1 << 63, RATE), 0.693147180 * MEAN, 1e-4));
	EXPECT_EQ(poisson_gap((uint64_t)1 << 40, 1), 2);
	EXPECT(is_near(poisson_gap(0, 64 * GIB), 37.42994775 * 64 * GIB / GRANULE, 1e-6));
}

/* 2^20 draws: how many lie below a distance has a deviation of at most 512. Five of it are missed
   in one of 1.7 million runs; there are five distances, and the same draws in every run. */
TEST(distances_are_exponential)
{
	static const double below[] = {0.1, 0.5, 1, 2, 4};
	static const double share[] = {0.0951625819, 0.393469340, 0.632120559, 0.864664717,
				       0.981684361};
	enum { DRAWS = 1 << 20 };
	uint64_t n[5] = {0}, sum = 0;

	for (uint64_t i = 0; i < DRAWS; i++) {
		uint64_t gap = poisson_gap(mix64(i), RATE);

		sum += gap;
		for (int k = 0; k < 5; k++)
			n[k] += (double)gap <= below[k] * MEAN;
	}
	for (int k = 0; k < 5; k++)
		EXPECT((double)n[k] > share[k] * DRAWS - 5 * 512 &&
		       (double)n[k] < share[k] * DRAWS + 5 * 512);
	EXPECT(is_near(sum, (MEAN + 0.5) * DRAWS, 5.0 / 1024));
}
