/*
 * Minimises random Boolean functions to few products of few literals, as the espresso program does:
 * expand every cube against the complement, drop the cubes that the others cover, shrink the rest,
 * and again, until the cover no longer gets smaller.  Tautology and complement split the cover by a
 * variable and call themselves for both halves, and every half is a cover of fresh cubes.
 * Each result is compared with its function by their truth tables.
 *
 * Stands for: espresso, in nearly every comparison of allocators: sets of a few words and the
 * arrays that hold them, made and freed by recursion, in bursts that nest like a stack.
 * Cares: logic synthesis, solvers, compilers' data-flow sets, symbolic computation.
 * Source: Robert Brayton, Gary Hachtel, Curtis McMullen, Alberto Sangiovanni-Vincentelli, "Logic
 * minimization algorithms for VLSI synthesis" (1984); as an allocator's test in Dirk Grunwald,
 * Benjamin Zorn, Robert Henderson, "Improving the cache locality of memory allocation" (1993).
 */
#include "workload.h"

#include <stdio.h>

enum {
	FUNCTIONS = 4000,
	MIN_VARIABLES = 8,
	MAX_VARIABLES = 18, /* 16 to a word, so that cubes are of one word or of two */
	VARIABLES_PER_WORD = 16,
	FIRST_ROOM = 4,
	TABLE_BYTES = 1 << (MAX_VARIABLES - 3)
};

#define LOW_BITS 0x55555555u /* the lower bit of every pair */
#define ABSENT	 UINT32_MAX  /* no variable */

/*
 * A product of literals, two bits a variable: 01 its complement, 10 itself, 11 neither.  Pairs
 * beyond the last variable are 11.
 */
struct cube {
	uint32_t nwords;
	uint32_t word[];
};

/* A sum of cubes, which it owns. */
struct cover {
	size_t ncubes, room;
	struct cube **cube;
};

/* How often a variable stands as each literal in a cover. */
struct uses {
	size_t literal[2];
};

/* The size that is made small: cubes first, literals second. */
struct cost {
	size_t cubes, literals;
};

static struct workload_thread *counts;
static uint32_t nvariables, nwords; /* of the function at hand */

/* ---- Cubes. */

static size_t cube_bytes(void)
{
	return sizeof(struct cube) + nwords * sizeof(uint32_t);
}

/* No literal at all: it covers everything. */
static struct cube *cube_new(void)
{
	struct cube *c = workload_alloc(counts, cube_bytes());

	c->nwords = nwords;
	memset(c->word, 0xff, nwords * sizeof *c->word);
	return c;
}

static struct cube *cube_copy(const struct cube *c)
{
	return memcpy(workload_alloc(counts, cube_bytes()), c, cube_bytes());
}

static void cube_free(struct cube *c)
{
	workload_free(counts, c, cube_bytes());
}

/* The pair of v: 1, 2 or 3. */
static uint32_t cube_at(const struct cube *c, uint32_t v)
{
	return c->word[v / VARIABLES_PER_WORD] >> v % VARIABLES_PER_WORD * 2 & 3;
}

static void cube_set(struct cube *c, uint32_t v, uint32_t pair)
{
	uint32_t *word = &c->word[v / VARIABLES_PER_WORD], shift = v % VARIABLES_PER_WORD * 2;

	*word = (*word & ~((uint32_t)3 << shift)) | pair << shift;
}

static bool cube_meets(const struct cube *a, const struct cube *b)
{
	for (uint32_t i = 0; i < a->nwords; i++) {
		uint32_t both = a->word[i] & b->word[i];

		if (((both | both >> 1) & LOW_BITS) != LOW_BITS)
			return false;
	}
	return true;
}

static bool cube_covers(const struct cube *a, const struct cube *b)
{
	for (uint32_t i = 0; i < a->nwords; i++)
		if (b->word[i] & ~a->word[i])
			return false;
	return true;
}

static bool cube_equals(const struct cube *a, const struct cube *b)
{
	for (uint32_t i = 0; i < a->nwords; i++)
		if (a->word[i] != b->word[i])
			return false;
	return true;
}

static size_t cube_literals(const struct cube *c)
{
	size_t sum = 0;

	for (uint32_t i = 0; i < c->nwords; i++)
		sum += (size_t)__builtin_popcount(~c->word[i]);
	return sum;
}

static bool cube_is_everything(const struct cube *c)
{
	return cube_literals(c) == 0;
}

/* ---- Covers. */

static void cover_push(struct cover *f, struct cube *c)
{
	if (f->ncubes == f->room) {
		size_t room = f->room ? 2 * f->room : FIRST_ROOM;

		f->cube = workload_realloc(counts, f->cube, f->room * sizeof *f->cube,
					   room * sizeof *f->cube);
		f->room = room;
	}
	f->cube[f->ncubes++] = c;
}

static void cover_free(struct cover *f)
{
	for (size_t i = 0; i < f->ncubes; i++)
		cube_free(f->cube[i]);
	if (f->cube)
		workload_free(counts, f->cube, f->room * sizeof *f->cube);
	*f = (struct cover){0};
}

static struct cover cover_copy(const struct cover *f)
{
	struct cover copy = {0};

	for (size_t i = 0; i < f->ncubes; i++)
		cover_push(&copy, cube_copy(f->cube[i]));
	return copy;
}

/* Takes the cube out and gives it to the caller; the others keep their order. */
static struct cube *cover_take(struct cover *f, size_t i)
{
	struct cube *c = f->cube[i];

	f->ncubes--;
	memmove(f->cube + i, f->cube + i + 1, (f->ncubes - i) * sizeof *f->cube);
	return c;
}

/* What f is within c, as if nothing else existed. */
static struct cover cover_within(const struct cover *f, const struct cube *c)
{
	struct cover within = {0};

	for (size_t i = 0; i < f->ncubes; i++) {
		struct cube *copy;

		if (!cube_meets(f->cube[i], c))
			continue;
		copy = cube_copy(f->cube[i]);
		for (uint32_t w = 0; w < nwords; w++)
			copy->word[w] |= ~c->word[w];
		cover_push(&within, copy);
	}
	return within;
}

static struct cover cover_half(const struct cover *f, uint32_t v, uint32_t pair)
{
	struct cube *literal = cube_new();
	struct cover half;

	cube_set(literal, v, pair);
	half = cover_within(f, literal);
	cube_free(literal);
	return half;
}

static bool cover_has_everything(const struct cover *f)
{
	for (size_t i = 0; i < f->ncubes; i++)
		if (cube_is_everything(f->cube[i]))
			return true;
	return false;
}

static struct uses cover_uses(const struct cover *f, uint32_t v)
{
	struct uses uses = {0};

	for (size_t i = 0; i < f->ncubes; i++) {
		uint32_t pair = cube_at(f->cube[i], v);

		if (pair != 3)
			uses.literal[pair - 1]++;
	}
	return uses;
}

/* The variable used most as both literals; if none is, ABSENT or, if asked, that used most at all.
 */
static uint32_t cover_split(const struct cover *f, bool any)
{
	size_t most = 0, most_any = 0;
	uint32_t split = ABSENT, split_any = ABSENT;

	for (uint32_t v = 0; v < nvariables; v++) {
		struct uses uses = cover_uses(f, v);
		size_t both = uses.literal[0] + uses.literal[1];

		if (uses.literal[0] && uses.literal[1] && both > most) {
			most = both;
			split = v;
		}
		if (both > most_any) {
			most_any = both;
			split_any = v;
		}
	}
	return split == ABSENT && any ? split_any : split;
}

/* Whether f covers everything. */
static bool cover_is_tautology(const struct cover *f)
{
	uint32_t v;
	bool holds = true;

	if (cover_has_everything(f))
		return true;
	v = cover_split(f, false);
	if (v == ABSENT)
		return false;
	for (uint32_t pair = 1; pair <= 2 && holds; pair++) {
		struct cover half = cover_half(f, v, pair);

		holds = cover_is_tautology(&half);
		cover_free(&half);
	}
	return holds;
}

static struct cover complement_of_cube(const struct cube *c)
{
	struct cover complement = {0};

	for (uint32_t v = 0; v < nvariables; v++) {
		uint32_t pair = cube_at(c, v);

		if (pair == 3)
			continue;
		cover_push(&complement, cube_new());
		cube_set(complement.cube[complement.ncubes - 1], v, 3 - pair);
	}
	return complement;
}

/* Takes out of f, and frees, a cube equal to c if there is one. */
static bool cover_drop_equal(struct cover *f, const struct cube *c)
{
	for (size_t i = 0; i < f->ncubes; i++)
		if (cube_equals(f->cube[i], c)) {
			cube_free(cover_take(f, i));
			return true;
		}
	return false;
}

/* Puts two halves together again: what is in both needs no literal of v.  Uses both up. */
static struct cover cover_joined(struct cover *low, struct cover *high, uint32_t v)
{
	struct cover joined = {0};

	for (size_t i = 0; i < low->ncubes; i++) {
		struct cube *c = cube_copy(low->cube[i]);

		if (!cover_drop_equal(high, c))
			cube_set(c, v, 1);
		cover_push(&joined, c);
	}
	for (size_t i = 0; i < high->ncubes; i++) {
		cover_push(&joined, cube_copy(high->cube[i]));
		cube_set(joined.cube[joined.ncubes - 1], v, 2);
	}
	cover_free(low);
	cover_free(high);
	return joined;
}

static struct cover cover_complement(const struct cover *f)
{
	struct cover half[2] = {0}, everything = {0};
	uint32_t v;

	if (!f->ncubes) {
		cover_push(&everything, cube_new());
		return everything;
	}
	if (cover_has_everything(f))
		return (struct cover){0};
	if (f->ncubes == 1)
		return complement_of_cube(f->cube[0]);
	v = cover_split(f, true);
	for (uint32_t i = 0; i < 2; i++) {
		struct cover part = cover_half(f, v, i + 1);

		half[i] = cover_complement(&part);
		cover_free(&part);
	}
	return cover_joined(&half[0], &half[1], v);
}

static struct cost cover_cost(const struct cover *f)
{
	struct cost cost = {f->ncubes, 0};

	for (size_t i = 0; i < f->ncubes; i++)
		cost.literals += cube_literals(f->cube[i]);
	return cost;
}

static bool cost_is_less(struct cost a, struct cost b)
{
	return a.cubes != b.cubes ? a.cubes < b.cubes : a.literals < b.literals;
}

/* ---- The three steps. */

static bool cube_meets_any(const struct cube *c, const struct cover *f)
{
	for (size_t i = 0; i < f->ncubes; i++)
		if (cube_meets(c, f->cube[i]))
			return true;
	return false;
}

/* Drops every literal that it can without touching off, what the function is not. */
static void cube_expand(struct cube *c, const struct cover *off)
{
	for (uint32_t v = 0; v < nvariables; v++) {
		uint32_t pair = cube_at(c, v);

		if (pair == 3)
			continue;
		cube_set(c, v, 3);
		if (cube_meets_any(c, off))
			cube_set(c, v, pair);
	}
}

/* Drops what cube `by` covers; where that cube is then. */
static size_t drop_covered(struct cover *f, size_t by)
{
	for (size_t i = f->ncubes; i-- > 0;)
		if (i != by && cube_covers(f->cube[by], f->cube[i])) {
			cube_free(cover_take(f, i));
			by -= i < by;
		}
	return by;
}

static void cover_expand(struct cover *f, const struct cover *off)
{
	for (size_t i = f->ncubes; i-- > 0;) {
		cube_expand(f->cube[i], off);
		i = drop_covered(f, i);
	}
}

/* Drops every cube that the others cover together. */
static void cover_irredundant(struct cover *f)
{
	for (size_t i = f->ncubes; i-- > 0;) {
		struct cube *c = cover_take(f, i);
		struct cover others = cover_within(f, c);

		if (cover_is_tautology(&others))
			cube_free(c);
		else
			cover_push(f, c);
		cover_free(&others);
	}
}

/* Shrinks c to the smallest cube that holds what of it is not in rest, the complement of others. */
static void cube_shrink(struct cube *c, const struct cover *rest)
{
	for (uint32_t w = 0; w < nwords; w++) {
		uint32_t any = 0;

		for (size_t i = 0; i < rest->ncubes; i++)
			any |= rest->cube[i]->word[w];
		c->word[w] &= any;
	}
}

static void cover_reduce(struct cover *f)
{
	for (size_t i = f->ncubes; i-- > 0;) {
		struct cube *c = cover_take(f, i);
		struct cover others = cover_within(f, c), rest = cover_complement(&others);

		cube_shrink(c, &rest);
		cover_push(f, c);
		cover_free(&rest);
		cover_free(&others);
	}
}

/* The best cover of what on covers that the steps come to. */
static struct cover minimised(const struct cover *on)
{
	struct cover off = cover_complement(on), work = cover_copy(on), best = cover_copy(on);

	for (;;) {
		cover_expand(&work, &off);
		cover_irredundant(&work);
		if (!cost_is_less(cover_cost(&work), cover_cost(&best)))
			break;
		cover_free(&best);
		best = cover_copy(&work);
		cover_reduce(&work);
	}
	cover_free(&work);
	cover_free(&off);
	return best;
}

/* ---- Random functions, and the proof of what is made of them. */

static struct cube *random_cube(struct random *r)
{
	struct cube *c = cube_new();

	for (uint32_t v = 0; v < nvariables; v++)
		if (random_below(r, 2))
			cube_set(c, v, (uint32_t)random_between(r, 1, 2));
	return c;
}

static struct cover random_cover(struct random *r)
{
	struct cover f = {0};

	nvariables = (uint32_t)random_between(r, MIN_VARIABLES, MAX_VARIABLES);
	nwords = (nvariables - 1) / VARIABLES_PER_WORD + 1;
	for (uint64_t i = random_between(r, nvariables, 3 * nvariables); i-- > 0;)
		cover_push(&f, random_cube(r));
	return f;
}

/* The rows of one word of a truth table, its 64 cases of the lowest six variables, where v is set.
 */
static uint64_t rows_where_set(uint32_t v)
{
	static const uint64_t rows[] = {0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc, 0xf0f0f0f0f0f0f0f0,
					0xff00ff00ff00ff00, 0xffff0000ffff0000, 0xffffffff00000000};

	return rows[v];
}

/* Sets the rows of the truth table that c covers: word w is where the variables from 6 on are w. */
static void table_add(uint64_t *table, const struct cube *c)
{
	uint64_t rows = UINT64_MAX;
	size_t asked = 0, set = 0;

	for (uint32_t v = 0; v < nvariables; v++) {
		uint32_t pair = cube_at(c, v);

		if (pair == 3)
			continue;
		if (v < 6) {
			rows &= pair == 2 ? rows_where_set(v) : ~rows_where_set(v);
			continue;
		}
		asked |= (size_t)1 << (v - 6);
		set |= (size_t)(pair >> 1) << (v - 6);
	}
	for (size_t w = 0; w < (size_t)1 << (nvariables - 6); w++)
		if ((w & asked) == set)
			table[w] |= rows;
}

static void table_fill(uint64_t *table, const struct cover *f)
{
	memset(table, 0, TABLE_BYTES);
	for (size_t i = 0; i < f->ncubes; i++)
		table_add(table, f->cube[i]);
}

/* Ends the program if f and g are not the same function. */
static void expect_equal(uint64_t *table, const struct cover *f, const struct cover *g)
{
	uint64_t *other = table + TABLE_BYTES / sizeof *table;

	table_fill(table, f);
	table_fill(other, g);
	if (memcmp(table, other, TABLE_BYTES)) {
		fprintf(stderr, "minimiser: a minimised cover is not its function\n");
		exit(1);
	}
}

int main(int argc, char **argv)
{
	uint64_t checksum = 0, *table;

	workload_start(argc, argv, "minimiser", NULL);
	counts = workload_main_thread();
	table = workload_table(2 * (size_t)TABLE_BYTES);
	for (uint64_t i = workload_scaled(FUNCTIONS); i-- > 0;) {
		struct cover on = random_cover(&counts->random), best = minimised(&on);
		struct cost cost = cover_cost(&best);

		expect_equal(table, &on, &best);
		checksum = checksum * 31 + cost.cubes * 1000 + cost.literals;
		cover_free(&best);
		cover_free(&on);
	}
	return workload_end(checksum);
}
