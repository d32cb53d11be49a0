/*
 * The chance of being sampled. Samples are drawn by bytes, as by a Poisson process: the distance
 * from one to the next is exponential, with a mean of `rate` bytes. So an object of n bytes is
 * sampled with probability 1 - exp(-n / rate), whatever was allocated before it, and stands for
 * the inverse of that many objects.
 *
 * Sizes are counted in granules, which the fast path has at hand.
 */
#pragma once

#include "base/compiler.h"

/* Granules from one sample up to and including the next, at least 1; from 64 random bits. */
COLD uint64_t poisson_gap(uint64_t random, size_t rate);

/* How many objects of that many granules a sample of one stands for, in units of 1 / POISSON_ONE;
   at least POISSON_ONE. */
COLD uint64_t poisson_weight(size_t granules, size_t rate);

/* The weight of an object that either of two independent draws may sample, whose weights are a and
   b. */
COLD uint64_t poisson_weight_of_both(uint64_t a, uint64_t b);

#define POISSON_ONE ((uint64_t)1 << 16)
