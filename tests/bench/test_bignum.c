/*
 * The bignums of bench/macro: known values, the identities of arithmetic at random, and that they
 * free all that they allocate.
 */
#include "bignum.h"
#include "test.h"

enum { TRIALS = 3000, MAX_LIMBS = 12 };

/* Three numbers of a trial, and whatever else it makes: all are freed at its end. */
struct trial {
	struct bignum *made[64];
	size_t nmade;
	uint64_t state;
};

static struct workload_thread *counts;

__attribute__((constructor)) static void start(void)
{
	static char name[] = "test_bignum", *argv[] = {name, NULL};

	workload_start(1, argv, name, NULL);
	counts = workload_main_thread();
	bignum_start(counts);
}

static struct bignum *own(struct trial *t, struct bignum *a)
{
	REQUIRE(t->nmade < sizeof t->made / sizeof *t->made);
	REQUIRE(a->nlimbs <= a->capacity && (!a->nlimbs || a->limb[a->nlimbs - 1]));
	t->made[t->nmade++] = a;
	return a;
}

static void trial_end(struct trial *t)
{
	while (t->nmade)
		bignum_free(t->made[--t->nmade]);
	EXPECT_EQ(counts->live, 0);
}

/* Limbs of all ones and of zeros are frequent: they are where carries and guesses go wrong. */
static struct bignum *random_number(struct trial *t, uint32_t max_limbs)
{
	uint32_t limb[MAX_LIMBS], n = (uint32_t)(test_random(&t->state) % (max_limbs + 1));

	for (uint32_t i = 0; i < n; i++) {
		uint64_t r = test_random(&t->state);

		limb[i] = r % 4 == 0 ? 0 : r % 4 == 1 ? UINT32_MAX : (uint32_t)(r >> 32);
		if (r % 16 == 2)
			limb[i] = (uint32_t)1 << 31;
	}
	return own(t, bignum_from_limbs(limb, n));
}

static struct bignum *random_positive(struct trial *t, uint32_t max_limbs)
{
	struct bignum *a = random_number(t, max_limbs);

	while (!a->nlimbs)
		a = random_number(t, max_limbs);
	return a;
}

static struct bignum *number(struct trial *t, uint64_t value)
{
	return own(t, bignum_from(value));
}

static struct bignum *decimal(struct trial *t, const char *digits)
{
	struct bignum *a = bignum_from(0), *ten = bignum_from(10);

	for (; *digits; digits++) {
		struct bignum *digit = bignum_from((uint64_t)(*digits - '0'));

		bignum_replace(&a, bignum_multiply(a, ten));
		bignum_replace(&a, bignum_add(a, digit));
		bignum_free(digit);
	}
	bignum_free(ten);
	return own(t, a);
}

static struct bignum *sum(struct trial *t, const struct bignum *a, const struct bignum *b)
{
	return own(t, bignum_add(a, b));
}

static struct bignum *difference(struct trial *t, const struct bignum *a, const struct bignum *b)
{
	return own(t, bignum_subtract(a, b));
}

static struct bignum *product(struct trial *t, const struct bignum *a, const struct bignum *b)
{
	return own(t, bignum_multiply(a, b));
}

static struct bignum *modulo(struct trial *t, const struct bignum *a, const struct bignum *b)
{
	return own(t, bignum_modulo(a, b));
}

static struct bignum *power(struct trial *t, const struct bignum *base,
			    const struct bignum *exponent, const struct bignum *modulus)
{
	return own(t, bignum_power_modulo(base, exponent, modulus));
}

#define EXPECT_SAME(a, b) EXPECT_EQ(bignum_compare(a, b), 0)

static void for_trials(void (*body)(struct trial *t))
{
	struct trial t = {.state = test_seed() | 1};
	int failures = test_failures();

	for (int i = 0; i < TRIALS && test_failures() == failures; i++) {
		body(&t);
		trial_end(&t);
	}
}

/* ---- Against known values. */

TEST(small_values_are_those_of_the_machine)
{
	struct trial t = {.state = test_seed() | 1};

	for (int i = 0; i < TRIALS; i++) {
		uint64_t a = test_random(&t.state) >> 32, b = (test_random(&t.state) >> 40) + 1;
		struct bignum *x = number(&t, a), *y = number(&t, b);

		EXPECT_EQ(bignum_low(sum(&t, x, y)), a + b);
		EXPECT_EQ(bignum_low(product(&t, x, y)), a * b);
		EXPECT_EQ(bignum_low(own(&t, bignum_divide(x, y, NULL))), a / b);
		EXPECT_EQ(bignum_low(modulo(&t, x, y)), a % b);
		EXPECT_EQ(bignum_compare(x, y), (a > b) - (a < b));
		EXPECT_EQ(bignum_bits(y), 64 - __builtin_clzll(b));
		if (a >= b)
			EXPECT_EQ(bignum_low(difference(&t, x, y)), a - b);
		trial_end(&t);
	}
}

TEST(zero_has_no_limbs)
{
	struct trial t = {0};
	struct bignum *zero = number(&t, 0), *seven = number(&t, 7);

	EXPECT_EQ(zero->nlimbs, 0);
	EXPECT_EQ(bignum_bits(zero), 0);
	EXPECT_EQ(product(&t, zero, seven)->nlimbs, 0);
	EXPECT_EQ(difference(&t, seven, seven)->nlimbs, 0);
	EXPECT_EQ(modulo(&t, zero, seven)->nlimbs, 0);
	EXPECT_SAME(own(&t, bignum_gcd(zero, seven)), seven);
	EXPECT_SAME(own(&t, bignum_gcd(seven, zero)), seven);
	EXPECT_EQ(own(&t, bignum_root(zero))->nlimbs, 0);
	trial_end(&t);
}

/* 2^128 + 1, the seventh Fermat number, and its two primes (Morrison and Brillhart, 1975). */
TEST(seventh_fermat_number)
{
	struct trial t = {0};
	struct bignum *f7 = decimal(&t, "340282366920938463463374607431768211457");
	struct bignum *p = decimal(&t, "59649589127497217");
	struct bignum *q = decimal(&t, "5704689200685129054721"), *rest;

	EXPECT_SAME(product(&t, p, q), f7);
	EXPECT_SAME(own(&t, bignum_divide(f7, p, &rest)), q);
	EXPECT_EQ(own(&t, rest)->nlimbs, 0);
	EXPECT_SAME(own(&t, bignum_gcd(f7, product(&t, p, number(&t, 12)))), p);
	EXPECT_EQ(bignum_bits(f7), 129);
	EXPECT_SAME(own(&t, bignum_root(f7)), decimal(&t, "18446744073709551616"));
	trial_end(&t);
}

/* 100! / 98! = 9900, and Wilson's theorem: 100! = -1 modulo 101. */
TEST(factorial)
{
	struct trial t = {0};
	struct bignum *f = bignum_from(1), *f98 = NULL;
	uint32_t rest;

	for (uint64_t i = 1; i <= 100; i++) {
		struct bignum *n = bignum_from(i);

		bignum_replace(&f, bignum_multiply(f, n));
		bignum_free(n);
		if (i == 98)
			f98 = own(&t, bignum_copy(f));
	}
	own(&t, f);
	EXPECT_EQ(bignum_bits(f), 525);
	EXPECT_EQ(bignum_low(own(&t, bignum_divide(f, f98, NULL))), 9900);
	own(&t, bignum_divide_small(f, 101, &rest));
	EXPECT_EQ(rest, 100);
	trial_end(&t);
}

/* Where the first guess of a quotient's limb is one too much, and v has to be added back. */
TEST(division_adds_back)
{
	static const uint32_t u[] = {3, 0, 0x80000000}, v[] = {1, 0, 0x20000000},
			      r[] = {0, 0, 0x20000000};
	static const uint32_t u2[] = {0, 0, 0x8000, 0x7fff}, v2[] = {1, 0, 0x8000};
	static const uint32_t q2[] = {0xfffe0000}, r2[] = {0x20000, 0xffffffff, 0x7fff};
	struct trial t = {0};
	struct bignum *rest;

	EXPECT_EQ(bignum_low(own(&t, bignum_divide(own(&t, bignum_from_limbs(u, 3)),
						   own(&t, bignum_from_limbs(v, 3)), &rest))),
		  3);
	EXPECT_SAME(own(&t, rest), own(&t, bignum_from_limbs(r, 3)));
	EXPECT_SAME(own(&t, bignum_divide(own(&t, bignum_from_limbs(u2, 4)),
					  own(&t, bignum_from_limbs(v2, 3)), &rest)),
		    own(&t, bignum_from_limbs(q2, 1)));
	EXPECT_SAME(own(&t, rest), own(&t, bignum_from_limbs(r2, 3)));
	trial_end(&t);
}

TEST(power_of_a_prime_less_one_is_one)
{
	struct trial t = {.state = test_seed() | 1};
	struct bignum *p = decimal(&t, "170141183460469231731687303715884105727"); /* 2^127 - 1 */
	struct bignum *one = number(&t, 1), *exponent = difference(&t, p, one);
	struct bignum *base = random_positive(&t, 3);

	EXPECT_SAME(power(&t, base, exponent, p), one);
	EXPECT_SAME(power(&t, base, p, p), base);
	EXPECT_EQ(bignum_low(power(&t, number(&t, 3), number(&t, 200), number(&t, 1000007))),
		  959082);
	EXPECT_EQ(power(&t, base, number(&t, 0), one)->nlimbs, 0);
	trial_end(&t);
}

/* ---- Identities at random. */

static void ring(struct trial *t)
{
	struct bignum *a = random_number(t, MAX_LIMBS), *b = random_number(t, MAX_LIMBS);
	struct bignum *c = random_number(t, MAX_LIMBS), *a_b = sum(t, a, b);

	EXPECT_SAME(a_b, sum(t, b, a));
	EXPECT_SAME(sum(t, a_b, c), sum(t, a, sum(t, b, c)));
	EXPECT_SAME(product(t, a, b), product(t, b, a));
	EXPECT_SAME(product(t, product(t, a, b), c), product(t, a, product(t, b, c)));
	EXPECT_SAME(product(t, a_b, c), sum(t, product(t, a, c), product(t, b, c)));
	EXPECT_SAME(difference(t, a_b, b), a);
	EXPECT(bignum_compare(a_b, a) >= 0);
	EXPECT_EQ(bignum_compare(a, b), -bignum_compare(b, a));
}

TEST(addition_and_multiplication_are_a_ring)
{
	for_trials(ring);
}

static void division(struct trial *t)
{
	struct bignum *a = random_number(t, MAX_LIMBS), *b = random_positive(t, MAX_LIMBS / 2);
	struct bignum *rest, *quotient = own(t, bignum_divide(a, b, &rest));
	uint32_t small = (uint32_t)test_random(&t->state) | 1, small_rest;
	struct bignum *small_quotient = own(t, bignum_divide_small(a, small, &small_rest));

	EXPECT(bignum_compare(own(t, rest), b) < 0);
	EXPECT_SAME(sum(t, product(t, quotient, b), rest), a);
	EXPECT_SAME(sum(t, product(t, small_quotient, number(t, small)), number(t, small_rest)), a);
	EXPECT(small_rest < small);
}

TEST(quotient_times_divisor_and_rest_is_the_dividend)
{
	for_trials(division);
}

static void gcd(struct trial *t)
{
	struct bignum *a = random_positive(t, 4), *b = random_positive(t, 4);
	struct bignum *c = random_positive(t, 4), *g = own(t, bignum_gcd(a, b));

	EXPECT_EQ(modulo(t, a, g)->nlimbs, 0);
	EXPECT_EQ(modulo(t, b, g)->nlimbs, 0);
	EXPECT_SAME(own(t, bignum_gcd(b, a)), g);
	EXPECT_SAME(own(t, bignum_gcd(product(t, a, c), product(t, b, c))), product(t, g, c));
	EXPECT_SAME(own(t, bignum_gcd(sum(t, a, b), b)), g);
}

TEST(gcd_divides_both_and_scales)
{
	for_trials(gcd);
}

static void powers(struct trial *t)
{
	struct bignum *m = random_positive(t, 4), *base = random_number(t, 4);
	struct bignum *x = random_number(t, 1), *y = random_number(t, 1);
	struct bignum *to_x = power(t, base, x, m), *to_y = power(t, base, y, m);

	EXPECT_SAME(power(t, base, sum(t, x, y), m), own(t, bignum_multiply_modulo(to_x, to_y, m)));
	EXPECT_SAME(power(t, base, product(t, x, y), m), power(t, to_x, y, m));
}

TEST(powers_multiply)
{
	for_trials(powers);
}

static void root(struct trial *t)
{
	struct bignum *a = random_number(t, MAX_LIMBS), *r = own(t, bignum_root(a));
	struct bignum *next = sum(t, r, number(t, 1));

	EXPECT(bignum_compare(product(t, r, r), a) <= 0);
	EXPECT(bignum_compare(product(t, next, next), a) > 0);
}

TEST(root_is_the_largest_whose_square_is_not_above)
{
	for_trials(root);
}
