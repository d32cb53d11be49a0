/*
 * Expressions of arrays, each operation of which has a new array as its result: the operands are
 * freed as soon as they have been used.
 *
 * Arrays are of 32 KiB to 1 MiB, all of one expression alike; an expression has two to eight
 * operands, of which as many as its depth are there at a time.
 *
 * Stands for: numerical code in NumPy, R, Julia, MATLAB, or C++ with vectors by value.
 * Cares: those who compute with arrays: sizes above all bins and below what is worth a mapping.
 * Source: Todd Veldhuizen, "Expression templates" (1995), which counts such temporaries; the
 * documentation of numexpr (2009), on what they cost NumPy.
 */
#include "block.h"

enum { EXPRESSIONS = 5500, SMALLEST = 4096, SIZE_LOGS = 5, OPERANDS = 8 };

static struct workload_thread *self;

/* What an operation makes of two blocks, which it frees: a new one of the same size. */
static void operate(struct block *left, struct block *right)
{
	struct block result;
	double *to, *a = (double *)left->mem, *b = (double *)right->mem;

	block_alloc(self, &result, left->nbytes);
	to = (double *)result.mem;
	for (size_t i = 0; i < left->nbytes / sizeof *to; i++)
		to[i] = a[i] + b[i];
	workload_use(to);
	block_free(self, left);
	block_free(self, right);
	*left = result;
}

static void operand(struct block *block, size_t n)
{
	double *to;

	block_alloc(self, block, n * sizeof *to);
	to = (double *)block->mem;
	for (size_t i = 0; i < n; i++)
		to[i] = (double)(i % 1000);
	workload_use(to);
}

/* Adds up noperands arrays of n, the halves first. */
static void evaluate(struct block *result, unsigned noperands, size_t n)
{
	struct block right;

	if (noperands == 1) {
		operand(result, n);
		return;
	}
	evaluate(result, noperands / 2, n);
	evaluate(&right, noperands - noperands / 2, n);
	operate(result, &right);
}

int main(int argc, char **argv)
{
	uint64_t expressions, sum = 0;

	workload_start(argc, argv, "temporaries", NULL);
	self = workload_main_thread();
	expressions = workload_scaled(EXPRESSIONS);
	for (uint64_t i = 0; i < expressions; i++) {
		size_t low = (size_t)SMALLEST << random_below(&self->random, SIZE_LOGS);
		size_t n = random_between(&self->random, low, 2 * low);
		struct block result;

		evaluate(&result, (unsigned)random_between(&self->random, 2, OPERANDS), n);
		sum += (uint64_t)((double *)result.mem)[n - 1] + n;
		workload_sample();
		block_free(self, &result);
	}
	return workload_end(sum);
}
