/* Exponential distances and weights, without libm; see poisson.h. */
#include "observe/poisson.h"

#include "os/check.h"
#include "slab/classes.h"

#define LN2 0.69314718055994530942

/* -ln(x) for 0 < x <= 1, by the series of the inverse hyperbolic tangent of (m - 1) / (m + 1),
   where m is the mantissa: to ten digits. */
static double minus_ln(double x)
{
	int exponent = 0;
	double z, square, sum = 0;

	for (; x < 1; x *= 2)
		exponent++;
	z = (x - 1) / (x + 1);
	square = z * z;
	for (int k = 19; k > 0; k -= 2)
		sum = sum * square + 1.0 / k;
	return exponent * LN2 - 2 * z * sum;
}

/* 1 - exp(-x) for x >= 0, to ten digits of itself however small it is: by its series where x is
   small, and by 1 - exp(-2x) = t (2 - t) where t is 1 - exp(-x). */
static double one_minus_exp(double x)
{
	int doublings = 0;
	double sum = 1;

	if (x > 40)
		return 1;
	for (; x > 1.0 / 16; x /= 2)
		doublings++;
	for (int k = 7; k > 1; k--)
		sum = 1 - x / k * sum;
	for (sum *= x; doublings; doublings--)
		sum *= 2 - sum;
	return sum;
}

/* How many times the mean distance a number of granules is. */
static double in_means(double granules, size_t rate)
{
	return granules * GRANULE / (double)rate;
}

uint64_t poisson_gap(uint64_t random, size_t rate)
{
	double uniform = ((double)(random >> 11) + 0.5) / (double)((uint64_t)1 << 53);

	ASSERT(rate);
	return (uint64_t)(minus_ln(uniform) / in_means(1, rate)) + 1;
}

uint64_t poisson_weight(size_t granules, size_t rate)
{
	ASSERT(granules && rate);
	return (uint64_t)((double)POISSON_ONE / one_minus_exp(in_means((double)granules, rate)) +
			  0.5);
}

/* It is sampled with probability p + q - p q, where p and q are the inverses of a and b. */
uint64_t poisson_weight_of_both(uint64_t a, uint64_t b)
{
	ASSERT(a >= POISSON_ONE && b >= POISSON_ONE);
	return (uint64_t)((double)a * (double)b / (double)(a + b - POISSON_ONE) + 0.5);
}
