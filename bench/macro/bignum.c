/* Natural numbers of any size; see bignum.h.  The methods are Knuth's (1969, section 4.3.1). */
#include "bignum.h"

enum { LIMB_BITS = 32 };

static struct workload_thread *counts;

void bignum_start(struct workload_thread *thread)
{
	counts = thread;
}

/* ---- Numbers as blocks. */

static size_t block_bytes(uint32_t capacity)
{
	return sizeof(struct bignum) + capacity * sizeof(uint32_t);
}

/* As many limbs, all 0; trimmed() makes a number of them. */
static struct bignum *zeros(uint32_t nlimbs)
{
	struct bignum *a = workload_alloc(counts, block_bytes(nlimbs));

	a->capacity = a->nlimbs = nlimbs;
	memset(a->limb, 0, nlimbs * sizeof(uint32_t));
	return a;
}

static struct bignum *trimmed(struct bignum *a)
{
	while (a->nlimbs && !a->limb[a->nlimbs - 1])
		a->nlimbs--;
	return a;
}

struct bignum *bignum_from_limbs(const uint32_t *limb, uint32_t nlimbs)
{
	struct bignum *a = zeros(nlimbs);

	memcpy(a->limb, limb, nlimbs * sizeof(uint32_t));
	return trimmed(a);
}

struct bignum *bignum_from(uint64_t value)
{
	uint32_t limb[2] = {(uint32_t)value, (uint32_t)(value >> LIMB_BITS)};

	return bignum_from_limbs(limb, limb[1] ? 2 : 1);
}

struct bignum *bignum_copy(const struct bignum *a)
{
	return bignum_from_limbs(a->limb, a->nlimbs);
}

void bignum_free(struct bignum *a)
{
	if (a)
		workload_free(counts, a, block_bytes(a->capacity));
}

void bignum_replace(struct bignum **a, struct bignum *value)
{
	bignum_free(*a);
	*a = value;
}

/* ---- Looking at them. */

static uint32_t limb_at(const struct bignum *a, uint32_t i)
{
	return i < a->nlimbs ? a->limb[i] : 0;
}

int bignum_compare(const struct bignum *a, const struct bignum *b)
{
	if (a->nlimbs != b->nlimbs)
		return a->nlimbs < b->nlimbs ? -1 : 1;
	for (uint32_t i = a->nlimbs; i-- > 0;)
		if (a->limb[i] != b->limb[i])
			return a->limb[i] < b->limb[i] ? -1 : 1;
	return 0;
}

uint64_t bignum_low(const struct bignum *a)
{
	return (uint64_t)limb_at(a, 1) << LIMB_BITS | limb_at(a, 0);
}

uint64_t bignum_bits(const struct bignum *a)
{
	if (!a->nlimbs)
		return 0;
	return (uint64_t)a->nlimbs * LIMB_BITS - (uint64_t)__builtin_clz(a->limb[a->nlimbs - 1]);
}

static bool bit_at(const struct bignum *a, uint64_t i)
{
	return limb_at(a, (uint32_t)(i / LIMB_BITS)) >> i % LIMB_BITS & 1;
}

/* ---- Sum, difference, product. */

struct bignum *bignum_add(const struct bignum *a, const struct bignum *b)
{
	uint32_t n = a->nlimbs > b->nlimbs ? a->nlimbs : b->nlimbs;
	struct bignum *sum = zeros(n + 1);
	uint64_t carry = 0;

	for (uint32_t i = 0; i <= n; i++) {
		carry += (uint64_t)limb_at(a, i) + limb_at(b, i);
		sum->limb[i] = (uint32_t)carry;
		carry >>= LIMB_BITS;
	}
	return trimmed(sum);
}

struct bignum *bignum_subtract(const struct bignum *a, const struct bignum *b)
{
	struct bignum *difference = zeros(a->nlimbs);
	int64_t borrow = 0;

	for (uint32_t i = 0; i < a->nlimbs; i++) {
		borrow += (int64_t)a->limb[i] - limb_at(b, i);
		difference->limb[i] = (uint32_t)borrow;
		borrow >>= LIMB_BITS;
	}
	return trimmed(difference);
}

struct bignum *bignum_multiply(const struct bignum *a, const struct bignum *b)
{
	struct bignum *product = zeros(a->nlimbs + b->nlimbs);

	for (uint32_t i = 0; i < a->nlimbs; i++) {
		uint64_t carry = 0;

		for (uint32_t j = 0; j < b->nlimbs; j++) {
			carry += (uint64_t)a->limb[i] * b->limb[j] + product->limb[i + j];
			product->limb[i + j] = (uint32_t)carry;
			carry >>= LIMB_BITS;
		}
		product->limb[i + b->nlimbs] = (uint32_t)carry;
	}
	return trimmed(product);
}

/* ---- Quotient and rest: Knuth's algorithm D. */

struct bignum *bignum_divide_small(const struct bignum *a, uint32_t b, uint32_t *rest)
{
	struct bignum *quotient = zeros(a->nlimbs);
	uint64_t carry = 0;

	for (uint32_t i = a->nlimbs; i-- > 0;) {
		carry = carry << LIMB_BITS | a->limb[i];
		quotient->limb[i] = (uint32_t)(carry / b);
		carry %= b;
	}
	*rest = (uint32_t)carry;
	return trimmed(quotient);
}

/* a shifted left by less than a limb; one limb longer, and not trimmed. */
static struct bignum *shifted_left(const struct bignum *a, int shift)
{
	struct bignum *shifted = zeros(a->nlimbs + 1);
	uint64_t carry = 0;

	for (uint32_t i = 0; i <= a->nlimbs; i++) {
		carry |= (uint64_t)limb_at(a, i) << shift;
		shifted->limb[i] = (uint32_t)carry;
		carry >>= LIMB_BITS;
	}
	return shifted;
}

static void shift_right(struct bignum *a, int shift)
{
	for (uint32_t i = 0; i < a->nlimbs; i++) {
		uint64_t both = (uint64_t)limb_at(a, i + 1) << LIMB_BITS | a->limb[i];

		a->limb[i] = (uint32_t)(both >> shift);
	}
}

/* A limb of the quotient from the highest limbs of u[0..n] and v[0..n-1]: right, or one too much.
 */
static uint32_t guessed_limb(const uint32_t *u, const uint32_t *v, uint32_t n)
{
	uint64_t top = (uint64_t)u[n] << LIMB_BITS | u[n - 1];
	uint64_t guess = top / v[n - 1], rest = top % v[n - 1];

	while (guess >> LIMB_BITS || guess * v[n - 2] > (rest << LIMB_BITS | u[n - 2])) {
		guess--;
		rest += v[n - 1];
		if (rest >> LIMB_BITS)
			break;
	}
	return (uint32_t)guess;
}

/* Takes factor * v from u; whether that was too much, and u is below zero. */
static bool take_multiple(uint32_t *u, const uint32_t *v, uint32_t n, uint32_t factor)
{
	uint64_t carry = 0;
	int64_t borrow = 0;

	for (uint32_t i = 0; i < n; i++) {
		carry += (uint64_t)factor * v[i];
		borrow += (int64_t)u[i] - (uint32_t)carry;
		u[i] = (uint32_t)borrow;
		carry >>= LIMB_BITS;
		borrow >>= LIMB_BITS;
	}
	borrow += (int64_t)u[n] - (int64_t)carry;
	u[n] = (uint32_t)borrow;
	return borrow < 0;
}

static void add_back(uint32_t *u, const uint32_t *v, uint32_t n)
{
	uint64_t carry = 0;

	for (uint32_t i = 0; i < n; i++) {
		carry += (uint64_t)u[i] + v[i];
		u[i] = (uint32_t)carry;
		carry >>= LIMB_BITS;
	}
	u[n] += (uint32_t)carry;
}

/* b has two limbs at least, and a no fewer than b. */
static struct bignum *divide_long(const struct bignum *a, const struct bignum *b,
				  struct bignum **rest)
{
	uint32_t n = b->nlimbs;
	int shift = __builtin_clz(b->limb[n - 1]);
	struct bignum *u = shifted_left(a, shift), *v = shifted_left(b, shift);
	struct bignum *quotient = zeros(a->nlimbs - n + 1);

	for (uint32_t i = quotient->nlimbs; i-- > 0;) {
		uint32_t limb = guessed_limb(u->limb + i, v->limb, n);

		if (take_multiple(u->limb + i, v->limb, n, limb)) {
			add_back(u->limb + i, v->limb, n);
			limb--;
		}
		quotient->limb[i] = limb;
	}
	bignum_free(v);
	shift_right(u, shift);
	*rest = trimmed(u);
	return trimmed(quotient);
}

static struct bignum *divide(const struct bignum *a, const struct bignum *b, struct bignum **rest)
{
	struct bignum *quotient;
	uint32_t small_rest;

	if (bignum_compare(a, b) < 0) {
		*rest = bignum_copy(a);
		return bignum_from(0);
	}
	if (b->nlimbs > 1)
		return divide_long(a, b, rest);
	quotient = bignum_divide_small(a, b->limb[0], &small_rest);
	*rest = bignum_from(small_rest);
	return quotient;
}

struct bignum *bignum_divide(const struct bignum *a, const struct bignum *b, struct bignum **rest)
{
	struct bignum *own_rest, *quotient = divide(a, b, &own_rest);

	if (rest)
		*rest = own_rest;
	else
		bignum_free(own_rest);
	return quotient;
}

/* ---- What is made of these. */

struct bignum *bignum_modulo(const struct bignum *a, const struct bignum *modulus)
{
	struct bignum *rest;

	bignum_free(bignum_divide(a, modulus, &rest));
	return rest;
}

struct bignum *bignum_multiply_modulo(const struct bignum *a, const struct bignum *b,
				      const struct bignum *modulus)
{
	struct bignum *product = bignum_multiply(a, b);

	bignum_replace(&product, bignum_modulo(product, modulus));
	return product;
}

struct bignum *bignum_power_modulo(const struct bignum *base, const struct bignum *exponent,
				   const struct bignum *modulus)
{
	struct bignum *power = bignum_from(1);

	bignum_replace(&power, bignum_modulo(power, modulus));
	for (uint64_t i = bignum_bits(exponent); i-- > 0;) {
		bignum_replace(&power, bignum_multiply_modulo(power, power, modulus));
		if (bit_at(exponent, i))
			bignum_replace(&power, bignum_multiply_modulo(power, base, modulus));
	}
	return power;
}

struct bignum *bignum_gcd(const struct bignum *a, const struct bignum *b)
{
	struct bignum *x = bignum_copy(a), *y = bignum_copy(b);

	while (y->nlimbs) {
		struct bignum *rest = bignum_modulo(x, y);

		bignum_replace(&x, y);
		y = rest;
	}
	bignum_free(y);
	return x;
}

/* A power of two whose square is above a. */
static struct bignum *above_root(const struct bignum *a)
{
	uint64_t bit = bignum_bits(a) / 2 + 1;
	struct bignum *power = zeros((uint32_t)(bit / LIMB_BITS) + 1);

	power->limb[bit / LIMB_BITS] = (uint32_t)1 << bit % LIMB_BITS;
	return power;
}

/* Newton's method from above: it falls until it is there. */
struct bignum *bignum_root(const struct bignum *a)
{
	struct bignum *root = above_root(a), *next = NULL;

	for (;;) {
		uint32_t rest;

		bignum_replace(&next, bignum_divide(a, root, NULL));
		bignum_replace(&next, bignum_add(next, root));
		bignum_replace(&next, bignum_divide_small(next, 2, &rest));
		if (bignum_compare(next, root) >= 0)
			break;
		bignum_replace(&root, next);
		next = NULL;
	}
	bignum_free(next);
	return root;
}
