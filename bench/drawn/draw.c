#include "draw.h"
#include "workload.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	MOST_OCTAVE = 21,      /* sizes of 2 to 4 MiB */
	MOST_SMALL = 4096,     /* bytes, of small sizes */
	MOST_BLOCKS = 2 << 20, /* live, of all threads: more would make the tables larger */
	LEAST_SLOTS = 4,       /* of a thread's table */
	BUDGET_NS = 500000000, /* what all is to take, roughly, under glibc */
	BLOCK_NS = 90,	       /* to make a block and free it */
	BYTES_PER_NS = 6,      /* written */
	PAGE_BYTES = 4096,
	PAGE_NS = 100 /* to touch a page, as many of them fault */
};

static const char *const sizes_text[] = {"one size",	"few sizes",   "log-uniform sizes",
					 "small sizes", "mixed sizes", "powers of two and a bit"};
static const char *const lives_text[] = {
	"a stack", "first in, first out", "random lives", "generations", "phases", "bulks"};
static const char *const order_text[] = {"forward", "backward", "scattered"};
static const char *const handing_text[] = {"each its own blocks", "blocks go to the next thread",
					   "a pool of blocks"};
static const char *const touch_text[] = {"both ends", "a byte a page", "half of it", "all of it"};
static const char *const load_text[] = {"steady", "in bursts", "in bursts with rests"};

/* ---- Numbers. */

static uint64_t at_most(uint64_t n, uint64_t most)
{
	return n < most ? n : most;
}

static uint64_t at_least(uint64_t n, uint64_t least)
{
	return n > least ? n : least;
}

/* From 0 to n - 1, the low ones more often: the lower of two numbers. */
static uint64_t rather_low(struct random *r, uint64_t n)
{
	uint64_t one = random_below(r, n);

	return at_most(one, random_below(r, n));
}

/* A number of an octave: from 2^octave to 2^(octave + 1) - 1. */
static uint64_t of_octave(struct random *r, uint64_t octave)
{
	return (uint64_t)1 << octave | random_below(r, (uint64_t)1 << octave);
}

static uint64_t one_of(struct random *r, const uint64_t *choice, size_t n)
{
	return choice[random_below(r, n)];
}

#define ONE_OF(r, ...)                                                                             \
	one_of(r, (const uint64_t[]){__VA_ARGS__},                                                 \
	       sizeof(uint64_t[]){__VA_ARGS__} / sizeof(uint64_t))

/* ---- Sizes. */

static uint64_t any_octave(struct random *r)
{
	return 3 + rather_low(r, MOST_OCTAVE - 2);
}

static void draw_few(struct random *r, struct drawn *drawn)
{
	uint32_t few[8];
	size_t n = random_between(r, 2, 8);

	for (size_t i = 0; i < n; i++)
		few[i] = (uint32_t)of_octave(r, any_octave(r));
	for (size_t i = 0; i < DRAWN_SIZES; i++)
		drawn->size[i] = few[rather_low(r, n)];
}

/* Each octave of a range as likely as another. */
static void draw_octaves(struct random *r, struct drawn *drawn)
{
	uint64_t low = any_octave(r), high = at_most(low + random_between(r, 1, 9), MOST_OCTAVE);

	for (size_t i = 0; i < DRAWN_SIZES; i++)
		drawn->size[i] = (uint32_t)of_octave(r, random_between(r, low, high));
}

/* Geometric: the longer the fewer. */
static void draw_small(struct random *r, struct drawn *drawn)
{
	uint64_t mean = of_octave(r, random_between(r, 4, 7));

	for (size_t i = 0; i < DRAWN_SIZES; i++) {
		uint32_t size = DRAWN_LEAST;

		while (size < MOST_SMALL && random_below(r, mean))
			size++;
		drawn->size[i] = size;
	}
}

static void draw_mixed(struct random *r, struct drawn *drawn)
{
	uint64_t one_in = ONE_OF(r, 20, 100, 500);

	for (size_t i = 0; i < DRAWN_SIZES; i++) {
		uint64_t octave = random_below(r, one_in) ? random_between(r, 3, 8)
							  : random_between(r, 13, MOST_OCTAVE);

		drawn->size[i] = (uint32_t)of_octave(r, octave);
	}
}

static void draw_powers(struct random *r, struct drawn *drawn)
{
	uint64_t low = any_octave(r), high = at_most(low + random_below(r, 5), MOST_OCTAVE);
	uint64_t more = ONE_OF(r, 1, 2, 9, 17, 33); /* numbers of bytes that a bit may be */

	for (size_t i = 0; i < DRAWN_SIZES; i++)
		drawn->size[i] = (uint32_t)(((uint64_t)1 << random_between(r, low, high)) +
					    random_below(r, more));
}

static int compare_sizes(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;

	return (one > other) - (one < other);
}

static void draw_sizes(struct random *r, struct drawn *drawn)
{
	uint64_t sum = 0;
	uint32_t one = (uint32_t)of_octave(r, any_octave(r));

	drawn->sizes = (enum sizes)random_below(r, SIZES_POWERS + 1);
	for (size_t i = 0; i < DRAWN_SIZES; i++)
		drawn->size[i] = one;
	if (drawn->sizes == SIZES_FEW)
		draw_few(r, drawn);
	if (drawn->sizes == SIZES_OCTAVES)
		draw_octaves(r, drawn);
	if (drawn->sizes == SIZES_SMALL)
		draw_small(r, drawn);
	if (drawn->sizes == SIZES_MIXED)
		draw_mixed(r, drawn);
	if (drawn->sizes == SIZES_POWERS)
		draw_powers(r, drawn);
	qsort(drawn->size, DRAWN_SIZES, sizeof *drawn->size, compare_sizes);
	for (size_t i = 0; i < DRAWN_SIZES; i++)
		sum += drawn->size[i];
	drawn->mean = sum / DRAWN_SIZES;
}

/* ---- The rest. */

/* Bytes of a block on average that its maker writes. */
static uint64_t written(const struct drawn *drawn)
{
	return drawn->touch == TOUCH_ALL    ? drawn->mean
	       : drawn->touch == TOUCH_HALF ? drawn->mean / 2
					    : 0;
}

/* And those that calloc and realloc write. */
static uint64_t written_by_calls(const struct drawn *drawn)
{
	return drawn->mean * (drawn->by_calloc + drawn->by_realloc) / DRAWN_SHARE;
}

/* Pages of a block on average that are touched; 0 of a small one. */
static uint64_t pages(const struct drawn *drawn)
{
	uint64_t all = drawn->mean / PAGE_BYTES;

	return drawn->touch != TOUCH_ENDS || drawn->by_calloc > DRAWN_SHARE / 2 ? all
										: at_most(all, 2);
}

/* Tables that hold what is to be live, and blocks for the time there is. */
static void fit(struct drawn *drawn)
{
	uint64_t slots = drawn->live / drawn->mean / drawn->threads;
	uint64_t bytes = written(drawn) + written_by_calls(drawn);
	uint64_t total = BUDGET_NS / (BLOCK_NS + bytes / BYTES_PER_NS + pages(drawn) * PAGE_NS);

	slots = at_most(slots, MOST_BLOCKS / drawn->threads);
	drawn->slots = at_least(slots, LEAST_SLOTS);
	drawn->live = drawn->slots * drawn->threads * drawn->mean;
	drawn->blocks = at_least(total / drawn->threads, 2 * drawn->slots);
}

void drawn_draw(struct drawn *drawn, uint64_t seed)
{
	struct random random, *r = &random;

	random_seed(r, seed);
	drawn->seed = seed;
	draw_sizes(r, drawn);
	drawn->live = of_octave(r, random_between(r, 16, 27));
	drawn->lives = (enum lives)random_below(r, LIVES_BULK + 1);
	drawn->order = (enum order)random_below(r, ORDER_SCATTERED + 1);
	drawn->survivors = ONE_OF(r, 3, 10, 50);
	drawn->threads = (unsigned)ONE_OF(r, 1, 1, 1, 2, 3, 4, 8, DRAWN_MOST_THREADS);
	drawn->handing = (enum handing)random_below(r, HANDING_POOL + 1);
	drawn->by_calloc = (unsigned)ONE_OF(r, 0, 0, 0, 8, 32, 128);
	drawn->by_realloc = (unsigned)ONE_OF(r, 0, 0, 0, 4, 16, 64);
	drawn->aligned = (unsigned)ONE_OF(r, 0, 0, 0, 0, 4, 32);
	drawn->alignment = (size_t)1 << random_between(r, 5, 12);
	drawn->touch = (enum touch)random_below(r, TOUCH_ALL + 1);
	drawn->load = (enum load)ONE_OF(r, LOAD_STEADY, LOAD_STEADY, LOAD_BURSTS, LOAD_RESTS);
	if (drawn->threads == 1)
		drawn->handing = HANDING_OWN;
	fit(drawn);
}

/* ---- In words. */

static const char *lives_detail(const struct drawn *drawn, char *text, size_t nbytes)
{
	const char *order = order_text[drawn->order];

	if (drawn->lives == LIVES_GENERATIONS)
		snprintf(text, nbytes, " (one in %zu survives)", drawn->survivors);
	else if (drawn->lives == LIVES_PHASES)
		snprintf(text, nbytes, " (one in %zu survives, freed %s)", drawn->survivors, order);
	else if (drawn->lives == LIVES_BULK)
		snprintf(text, nbytes, " (freed %s)", order);
	else
		*text = 0;
	return text;
}

static const char *calls_detail(const struct drawn *drawn, char *text, size_t nbytes)
{
	snprintf(text, nbytes, "calloc %u%%, realloc %u%%", drawn->by_calloc * 100 / DRAWN_SHARE,
		 drawn->by_realloc * 100 / DRAWN_SHARE);
	if (drawn->aligned)
		snprintf(text + strlen(text), nbytes - strlen(text), ", aligned to %zu %u%%",
			 drawn->alignment, drawn->aligned * 100 / DRAWN_SHARE);
	return text;
}

char *drawn_text(const struct drawn *drawn, char *text, size_t nbytes)
{
	char lives[100], calls[100];

	snprintf(text, nbytes,
		 "%s of %" PRIu32 " to %" PRIu32 " B (mean %" PRIu64
		 "); %.1f MiB live in %zu blocks; "
		 "%s%s; %u thread%s, %s; %s; written: %s; %s; %" PRIu64 " blocks in all",
		 sizes_text[drawn->sizes], drawn->size[0], drawn->size[DRAWN_SIZES - 1],
		 drawn->mean, (double)drawn->live / (1 << 20), drawn->slots * drawn->threads,
		 lives_text[drawn->lives], lives_detail(drawn, lives, sizeof lives), drawn->threads,
		 drawn->threads == 1 ? "" : "s", handing_text[drawn->handing],
		 calls_detail(drawn, calls, sizeof calls), touch_text[drawn->touch],
		 load_text[drawn->load], drawn->blocks * drawn->threads);
	return text;
}
