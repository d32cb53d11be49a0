/*
 * Natural numbers of any size, as the plainest program would have them: numbers never change, every
 * result is a fresh block, and whoever asked for it frees it.  For one thread.
 */
#pragma once

#include "workload.h"

struct bignum {
	uint32_t capacity; /* limbs that the block has room for */
	uint32_t nlimbs;   /* of the number; the last is not 0, and zero has none */
	uint32_t limb[];   /* the lowest first */
};

/* Says who counts the blocks.  Before all else. */
void bignum_start(struct workload_thread *counts);

struct bignum *bignum_from(uint64_t value);
struct bignum *bignum_from_limbs(const uint32_t *limb, uint32_t nlimbs);
struct bignum *bignum_copy(const struct bignum *a);
void bignum_free(struct bignum *a);

/* Frees what was at *a, and puts value there. */
void bignum_replace(struct bignum **a, struct bignum *value);

/* Below, at or above 0 as a is below, at or above b. */
int bignum_compare(const struct bignum *a, const struct bignum *b);

/* The lowest 64 bits. */
uint64_t bignum_low(const struct bignum *a);

/* How many bits a has: 0 for zero. */
uint64_t bignum_bits(const struct bignum *a);

struct bignum *bignum_add(const struct bignum *a, const struct bignum *b);
struct bignum *bignum_subtract(const struct bignum *a, const struct bignum *b); /* b is at most a */
struct bignum *bignum_multiply(const struct bignum *a, const struct bignum *b);

/* The quotient, and the rest in *rest unless that is NULL; b is not 0. */
struct bignum *bignum_divide(const struct bignum *a, const struct bignum *b, struct bignum **rest);
struct bignum *bignum_divide_small(const struct bignum *a, uint32_t b, uint32_t *rest);

struct bignum *bignum_modulo(const struct bignum *a, const struct bignum *modulus);
struct bignum *bignum_multiply_modulo(const struct bignum *a, const struct bignum *b,
				      const struct bignum *modulus);
struct bignum *bignum_power_modulo(const struct bignum *base, const struct bignum *exponent,
				   const struct bignum *modulus);
struct bignum *bignum_gcd(const struct bignum *a, const struct bignum *b);

/* The largest number whose square is at most a. */
struct bignum *bignum_root(const struct bignum *a);
