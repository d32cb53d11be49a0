/*
 * Finds the two primes of numbers made of two primes each, by continued fractions, on bignums whose
 * every result is a fresh block.
 *
 * The fraction of the square root of k * n gives, step by step, numbers a and a small q with
 * a * a = q or -q modulo n.  Those whose q falls apart into the primes of a small base are
 * relations, and are multiplied with each other until one has squares on both sides,
 * x * x = y * y modulo n: then x - y often shares a prime with n.
 *
 * Stands for: cfrac, the factoring program of many allocator papers: a small heap, and nothing
 * but short-lived blocks of 12 to 40 bytes, most of them freed within the next few calls.
 * Cares: arithmetic without bounds (computer algebra, bignums of scripting languages, keys), and
 * all that boxes small values.
 * Source: Dave Barrett's cfrac in the programs of Benjamin Zorn and Dirk Grunwald, "Empirical
 * measurements of six allocation-intensive C programs" (1992); the method is Michael Morrison's
 * and John Brillhart's, "A method of factoring and the factorization of F7" (1975).
 */
#include "bignum.h"

#include <stdio.h>

enum { NUMBERS = 50, PRIME_BITS = 40, BASE = 128, BASE_WORDS = BASE / 64 };

/* x * x = y * y * (product of base[i] where bit i of odd is set) modulo n; base[0] stands for -1.
 */
struct relation {
	struct bignum *x, *y;
	uint64_t odd[BASE_WORDS];
};

/* The fraction: at each step a * a = q modulo n, or -q if negative. */
struct fraction {
	struct bignum *kn, *root, *p, *q, *a, *a_before;
	bool negative;
};

/* The search for one n and one k. */
struct search {
	const struct bignum *n;
	uint32_t base[BASE];
	struct relation *pivot[BASE]; /* by the lowest bit of odd */
	struct fraction fraction;
};

/* ---- Primes to make numbers of. */

static struct bignum *random_odd(struct random *r)
{
	uint64_t top = (uint64_t)1 << (PRIME_BITS - 1);

	return bignum_from(top | random_below(r, top) | 1);
}

/* Fermat's test to a few bases: what passes it and is no prime is too rare to be met by chance. */
static bool is_prime(const struct bignum *n)
{
	struct bignum *one = bignum_from(1), *exponent = bignum_subtract(n, one);
	bool prime = true;

	for (uint64_t base = 2; base < 8 && prime; base++) {
		struct bignum *b = bignum_from(base), *power = bignum_power_modulo(b, exponent, n);

		prime = !bignum_compare(power, one);
		bignum_free(power);
		bignum_free(b);
	}
	bignum_free(exponent);
	bignum_free(one);
	return prime;
}

static struct bignum *random_prime(struct random *r)
{
	struct bignum *n = random_odd(r);

	while (!is_prime(n))
		bignum_replace(&n, random_odd(r));
	return n;
}

/* ---- The base: -1, 2, and the small primes of which k * n is a square. */

static bool is_small_prime(uint32_t n)
{
	for (uint32_t d = 2; d * d <= n; d++)
		if (n % d == 0)
			return false;
	return true;
}

static bool is_square_modulo(const struct bignum *kn, uint32_t prime)
{
	uint32_t rest;
	uint64_t power = 1;

	bignum_free(bignum_divide_small(kn, prime, &rest));
	for (uint32_t i = 0; i < prime / 2; i++)
		power = power * rest % prime;
	return power <= 1;
}

static void base_init(uint32_t *base, const struct bignum *kn)
{
	unsigned found = 2;

	base[0] = 1;
	base[1] = 2;
	for (uint32_t n = 3; found < BASE; n += 2)
		if (is_small_prime(n) && is_square_modulo(kn, n))
			base[found++] = n;
}

/* ---- The fraction. */

static void fraction_init(struct fraction *f, const struct bignum *n, uint64_t multiplier)
{
	struct bignum *k = bignum_from(multiplier), *square;

	f->kn = bignum_multiply(k, n);
	f->root = bignum_root(f->kn);
	square = bignum_multiply(f->root, f->root);
	f->p = bignum_copy(f->root);
	f->q = bignum_subtract(f->kn, square);
	f->a = bignum_modulo(f->root, n);
	f->a_before = bignum_from(1);
	f->negative = true;
	bignum_free(square);
	bignum_free(k);
}

static void fraction_deinit(struct fraction *f)
{
	struct bignum *all[] = {f->kn, f->root, f->p, f->q, f->a, f->a_before};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		bignum_free(all[i]);
}

/* p becomes term * q - p, and q (kn - p * p) / q. */
static void fraction_step_pq(struct fraction *f, const struct bignum *term)
{
	struct bignum *t = bignum_multiply(term, f->q);

	bignum_replace(&f->p, bignum_subtract(t, f->p));
	bignum_replace(&t, bignum_multiply(f->p, f->p));
	bignum_replace(&t, bignum_subtract(f->kn, t));
	bignum_replace(&f->q, bignum_divide(t, f->q, NULL));
	bignum_free(t);
}

/* a becomes term * a + a_before modulo n. */
static void fraction_step_a(struct fraction *f, const struct bignum *term, const struct bignum *n)
{
	struct bignum *t = bignum_multiply(term, f->a);

	bignum_replace(&t, bignum_add(t, f->a_before));
	bignum_replace(&f->a_before, f->a);
	f->a = bignum_modulo(t, n);
	bignum_free(t);
}

static void fraction_step(struct fraction *f, const struct bignum *n)
{
	struct bignum *sum = bignum_add(f->root, f->p);
	struct bignum *term = bignum_divide(sum, f->q, NULL);

	fraction_step_pq(f, term);
	fraction_step_a(f, term, n);
	f->negative = !f->negative;
	bignum_free(term);
	bignum_free(sum);
}

/* ---- Relations. */

static bool relation_has(const struct relation *r, unsigned i)
{
	return r->odd[i / 64] >> i % 64 & 1;
}

/* One prime more below the square: two of the same become one of y. */
static void relation_multiply(struct relation *r, const struct search *s, unsigned i)
{
	if (relation_has(r, i)) {
		struct bignum *prime = bignum_from(s->base[i]);

		bignum_replace(&r->y, bignum_multiply_modulo(r->y, prime, s->n));
		bignum_free(prime);
	}
	r->odd[i / 64] ^= (uint64_t)1 << i % 64;
}

static struct relation *relation_new(const struct search *s)
{
	struct relation *r = workload_alloc(workload_main_thread(), sizeof *r);

	*r = (struct relation){.x = bignum_copy(s->fraction.a), .y = bignum_from(1)};
	if (s->fraction.negative)
		relation_multiply(r, s, 0);
	return r;
}

static void relation_free(struct relation *r)
{
	if (!r)
		return;
	bignum_free(r->x);
	bignum_free(r->y);
	workload_free(workload_main_thread(), r, sizeof *r);
}

/* Divides q by the base as often as it goes; the relation, or NULL if something is left of q. */
static struct relation *relation_of_q(const struct search *s)
{
	struct relation *r = relation_new(s);
	struct bignum *q = bignum_copy(s->fraction.q);

	for (unsigned i = 1; i < BASE;) {
		uint32_t rest;
		struct bignum *quotient = bignum_divide_small(q, s->base[i], &rest);

		if (rest) {
			bignum_free(quotient);
			i++;
			continue;
		}
		bignum_replace(&q, quotient);
		relation_multiply(r, s, i);
	}
	if (bignum_bits(q) != 1) {
		relation_free(r);
		r = NULL;
	}
	bignum_free(q);
	return r;
}

static void relation_combine(struct relation *r, const struct relation *by, const struct search *s)
{
	bignum_replace(&r->x, bignum_multiply_modulo(r->x, by->x, s->n));
	bignum_replace(&r->y, bignum_multiply_modulo(r->y, by->y, s->n));
	for (unsigned i = 0; i < BASE; i++)
		if (relation_has(by, i))
			relation_multiply(r, s, i);
}

/* Of x * x = y * y modulo n: what x - y shares with n; NULL if that is 1 or n. */
static struct bignum *shared_factor(const struct relation *r, const struct bignum *n)
{
	struct bignum *sum = bignum_add(r->x, n), *difference = bignum_subtract(sum, r->y);
	struct bignum *factor = bignum_gcd(difference, n);

	if (bignum_bits(factor) == 1 || !bignum_compare(factor, n))
		bignum_replace(&factor, NULL);
	bignum_free(difference);
	bignum_free(sum);
	return factor;
}

/* Takes the relation: keeps it as a pivot, or combines it away; a factor if that gave one. */
static struct bignum *search_take(struct search *s, struct relation *r)
{
	struct bignum *factor;

	for (unsigned i = 0; i < BASE; i++) {
		if (!relation_has(r, i))
			continue;
		if (!s->pivot[i]) {
			s->pivot[i] = r;
			return NULL;
		}
		relation_combine(r, s->pivot[i], s);
	}
	factor = shared_factor(r, s->n);
	relation_free(r);
	return factor;
}

/* ---- The search. */

/* NULL if the fraction repeats itself before it has given a factor. */
static struct bignum *search_run(struct search *s)
{
	struct bignum *factor = NULL;

	while (!factor && bignum_bits(s->fraction.q) != 1) {
		struct relation *r = relation_of_q(s);

		if (r)
			factor = search_take(s, r);
		fraction_step(&s->fraction, s->n);
	}
	return factor;
}

static struct bignum *search_with(const struct bignum *n, uint64_t multiplier)
{
	struct search s = {.n = n};
	struct bignum *factor;

	fraction_init(&s.fraction, n, multiplier);
	base_init(s.base, s.fraction.kn);
	factor = search_run(&s);
	for (unsigned i = 0; i < BASE; i++)
		relation_free(s.pivot[i]);
	fraction_deinit(&s.fraction);
	return factor;
}

static struct bignum *factor_of(const struct bignum *n)
{
	struct bignum *factor = NULL;

	for (uint64_t multiplier = 1; !factor; multiplier++)
		factor = search_with(n, multiplier);
	return factor;
}

/* Factors the product of two primes; what the checksum takes of it. */
static uint64_t factor_product(const struct bignum *p, const struct bignum *q)
{
	struct bignum *n = bignum_multiply(p, q), *factor = factor_of(n);
	uint64_t found = bignum_low(factor);

	if (bignum_compare(factor, p) && bignum_compare(factor, q)) {
		fprintf(stderr, "factoring: %ju is no prime of its number\n", (uintmax_t)found);
		exit(1);
	}
	bignum_free(factor);
	bignum_free(n);
	return found;
}

int main(int argc, char **argv)
{
	uint64_t checksum = 0;
	struct random *r;

	workload_start(argc, argv, "factoring", NULL);
	r = &workload_main_thread()->random;
	bignum_start(workload_main_thread());
	for (uint64_t i = workload_scaled(NUMBERS); i-- > 0;) {
		struct bignum *p = random_prime(r), *q = random_prime(r);

		while (!bignum_compare(p, q))
			bignum_replace(&q, random_prime(r));
		checksum = checksum * 31 + factor_product(p, q);
		bignum_free(q);
		bignum_free(p);
	}
	return workload_end(checksum);
}
