/*
 * One workload drawn at random: --seed says which (draw.h).
 *
 * Each thread has a table of blocks.  A turn is of one table, its own or another thread's as was
 * drawn: it replaces a block, or climbs a stack up or down, or frees a table and fills it again.
 * Blocks of tables that threads share are put and taken by exchange, so whatever the threads do
 * meanwhile each block is made once and freed once: the work is the same in every run.
 *
 * A block says its size in its first word, with a check beside it, and in its last byte.  Both are
 * looked at before it goes, and what is read adds up to the checksum; a block that is freed no
 * longer says so, and is found if it was handed out twice.
 */
#include "draw.h"
#include "workload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	EPOCHS = 16,	   /* of the work: at each, a thread goes on to the next table */
	SPELLS = 8,	   /* of the work: at each, there is a burst */
	REST_NS = 5000000, /* at each spell */
	KEPT = 10,	   /* one block in so many, when a burst ends */
	NURSERY = 16,	   /* the part of the table that is the nursery of generations */
	QUARTERS = 4,	   /* of the sizes, a phase each */
	STRIDE = 7919,	   /* primes, for a scattered order */
	OTHER_STRIDE = 7907,
	SIZE_BITS = 48, /* of a block's first word */
};

static const uint64_t CHECK = 0x9e3779b97f4a7c15;

struct drawing {
	struct drawn drawn;
	void **table[DRAWN_MOST_THREADS]; /* of drawn.slots each */
	uint64_t blocks;		  /* that a thread makes */
};

/* What a thread does, and where it is. */
struct hand {
	struct workload_thread *self;
	const struct drawing *drawing;
	const struct drawn *drawn;
	void **table;	      /* of this turn */
	size_t at;	      /* in any table: where a stack or bulk ends, or what goes next */
	uint64_t round;	      /* phases that are over */
	uint64_t made, bytes; /* blocks it has made, and their sizes */
	uint64_t sum;	      /* of what it read */
};

/* ---- Blocks. */

static uint64_t first_word(uint64_t nbytes)
{
	return nbytes | nbytes * CHECK >> SIZE_BITS << SIZE_BITS;
}

static _Noreturn void spoiled(const char *what, const void *mem)
{
	fprintf(stderr, "drawn: %s: %p\n", what, mem);
	_Exit(1);
}

/* The size of a block, which is what was written into it; else the program ends. */
static uint64_t size_of(const unsigned char *mem)
{
	uint64_t word = *(const uint64_t *)mem;
	uint64_t nbytes = word & (((uint64_t)1 << SIZE_BITS) - 1);

	if (word != first_word(nbytes) || !nbytes ||
	    (nbytes > sizeof word && mem[nbytes - 1] != (unsigned char)nbytes))
		spoiled("a block was overwritten", mem);
	return nbytes;
}

/* Writes as much of a block as was drawn. */
static void write_block(const struct hand *hand, unsigned char *mem, uint64_t nbytes)
{
	unsigned char byte = (unsigned char)nbytes;
	uint64_t written = hand->drawn->touch == TOUCH_ALL    ? nbytes
			   : hand->drawn->touch == TOUCH_HALF ? nbytes / 2
							      : 0;

	if (written)
		memset(mem, byte, written);
	if (hand->drawn->touch == TOUCH_PAGES)
		for (uint64_t at = 4096; at < nbytes; at += 4096)
			mem[at] = byte;
	mem[nbytes - 1] = byte;
	*(uint64_t *)mem = first_word(nbytes);
	workload_use(mem);
}

/* Counts a block that goes, by free or realloc; returns its size. */
static uint64_t leave(struct hand *hand, void *mem)
{
	uint64_t nbytes = size_of(mem);

	hand->sum += nbytes * CHECK;
	return nbytes;
}

/* Frees a block if there is one; first it is spoiled, for whoever has it too. */
static void drop(struct hand *hand, void *mem)
{
	uint64_t nbytes;

	if (!mem)
		return;
	nbytes = leave(hand, mem);
	*(uint64_t *)mem = 0;
	workload_use(mem);
	workload_free(hand->self, mem, nbytes);
}

static void *aligned(struct hand *hand, uint64_t nbytes)
{
	size_t alignment = hand->drawn->alignment;
	void *mem;

	if (posix_memalign(&mem, alignment, nbytes))
		workload_no_memory(nbytes);
	if ((uintptr_t)mem % alignment)
		spoiled("a block is not aligned", mem);
	workload_count(hand->self, (int64_t)nbytes);
	return mem;
}

static void *zeroed(struct hand *hand, uint64_t nbytes)
{
	unsigned char *mem = workload_calloc(hand->self, nbytes);

	if (*(uint64_t *)mem || mem[nbytes - 1])
		spoiled("calloc gave what is not zero", mem);
	return mem;
}

/* A block that was, or one of half the size, made one of nbytes. */
static void *resized(struct hand *hand, void *old, uint64_t nbytes)
{
	uint64_t old_nbytes = nbytes / 2 < DRAWN_LEAST ? DRAWN_LEAST : nbytes / 2;
	uint64_t word;
	void *mem;

	if (old) {
		old_nbytes = leave(hand, old);
	} else {
		old = workload_alloc(hand->self, old_nbytes);
		write_block(hand, old, old_nbytes);
	}
	word = *(uint64_t *)old;
	mem = workload_realloc(hand->self, old, old_nbytes, nbytes);
	if (*(uint64_t *)mem != word)
		spoiled("realloc did not keep what was there", mem);
	return mem;
}

/* A size: of a phase's quarter of the sizes, else of all. */
static uint64_t drawn_size(const struct hand *hand, uint64_t random)
{
	uint64_t place = random % DRAWN_SIZES;

	if (hand->drawn->lives == LIVES_PHASES)
		place = (place + hand->round * DRAWN_SIZES) / QUARTERS % DRAWN_SIZES;
	return hand->drawn->size[place];
}

static bool falls(uint64_t random, unsigned place, unsigned share)
{
	return (random >> place) % DRAWN_SHARE < share;
}

/* Makes a block; old, if there is one, is realloced, or freed before or after. */
static void *make(struct hand *hand, void *old)
{
	const struct drawn *drawn = hand->drawn;
	uint64_t random = random_next(&hand->self->random);
	uint64_t nbytes = drawn_size(hand, random);
	unsigned char *mem;

	hand->made++;
	hand->bytes += nbytes;
	if (old && falls(random, 36, DRAWN_SHARE / 2) && !falls(random, 12, drawn->by_realloc)) {
		drop(hand, old);
		old = NULL;
	}
	if (falls(random, 12, drawn->by_realloc)) {
		mem = resized(hand, old, nbytes);
		old = NULL;
	} else if (falls(random, 20, drawn->aligned)) {
		mem = aligned(hand, nbytes);
	} else if (falls(random, 28, drawn->by_calloc)) {
		mem = zeroed(hand, nbytes);
	} else {
		mem = workload_alloc(hand->self, nbytes);
	}
	write_block(hand, mem, nbytes);
	drop(hand, old);
	return mem;
}

/* ---- Slots. */

static void *swap(const struct hand *hand, size_t at, void *mem)
{
	void **slot = &hand->table[at], *old;

	if (hand->drawn->handing != HANDING_OWN)
		return __atomic_exchange_n(slot, mem, __ATOMIC_ACQ_REL);
	old = *slot;
	*slot = mem;
	return old;
}

static void clear(struct hand *hand, size_t at)
{
	drop(hand, swap(hand, at, NULL));
}

/* A new block in the place of what was there, and of what another thread puts there meanwhile. */
static void replace(struct hand *hand, size_t at)
{
	void *mem = make(hand, swap(hand, at, NULL));

	drop(hand, swap(hand, at, mem));
}

/* The place of the i-th of n blocks in the order they are freed in. */
static size_t place(const struct hand *hand, size_t i, size_t n)
{
	switch (hand->drawn->order) {
	case ORDER_BACKWARD:
		return n - 1 - i;
	case ORDER_SCATTERED:
		return i * (n % STRIDE ? STRIDE : OTHER_STRIDE) % n;
	default:
		return i;
	}
}

/* ---- Turns, one for each of the lives. */

static bool finished(const struct hand *hand)
{
	return hand->made >= hand->drawing->blocks;
}

/* Up or down by a length of which each octave is as likely as another. */
static void climb(struct hand *hand)
{
	struct random *r = &hand->self->random;
	unsigned octaves = 64 - (unsigned)__builtin_clzll(hand->drawn->slots);
	size_t length = random_between(r, 1, (uint64_t)1 << random_below(r, octaves));

	if (random_below(r, 2))
		while (length-- && hand->at < hand->drawn->slots && !finished(hand))
			replace(hand, hand->at++);
	else
		while (length-- && hand->at)
			clear(hand, --hand->at);
}

static void go_round(struct hand *hand, size_t slots)
{
	replace(hand, hand->at);
	hand->at = hand->at + 1 < slots ? hand->at + 1 : 0;
}

/* One block in so many goes into the table at random, the others through its nursery in order. */
static void generate(struct hand *hand)
{
	struct random *r = &hand->self->random;
	size_t nursery = (hand->drawn->slots + NURSERY - 1) / NURSERY;

	if (random_below(r, hand->drawn->survivors))
		go_round(hand, nursery);
	else
		replace(hand, random_between(r, nursery, hand->drawn->slots - 1));
}

static bool survives(const struct hand *hand, size_t at)
{
	return (at + hand->round) % hand->drawn->survivors == 0;
}

/* Frees all but the survivors, and fills their places with blocks of the next quarter of sizes, up
 * to the bytes of a table. */
static void change_phase(struct hand *hand)
{
	const struct drawn *drawn = hand->drawn;
	uint64_t most = hand->bytes + drawn->mean * drawn->slots;

	for (size_t i = 0; i < drawn->slots; i++)
		if (!survives(hand, place(hand, i, drawn->slots)))
			clear(hand, place(hand, i, drawn->slots));
	for (size_t i = 0; i < drawn->slots && hand->bytes < most && !finished(hand); i++)
		if (!survives(hand, i))
			replace(hand, i);
	hand->round++;
}

/* Frees a bulk and makes another. */
static void change_bulk(struct hand *hand)
{
	size_t n = hand->at;

	for (size_t i = 0; i < n; i++)
		clear(hand, place(hand, i, n));
	hand->at = random_between(&hand->self->random, 1, hand->drawn->slots);
	for (size_t i = 0; i < hand->at && !finished(hand); i++)
		replace(hand, i);
}

static void turn(struct hand *hand)
{
	switch (hand->drawn->lives) {
	case LIVES_STACK:
		climb(hand);
		break;
	case LIVES_FIFO:
		go_round(hand, hand->drawn->slots);
		break;
	case LIVES_RANDOM:
		replace(hand, random_below(&hand->self->random, hand->drawn->slots));
		break;
	case LIVES_GENERATIONS:
		generate(hand);
		break;
	case LIVES_PHASES:
		change_phase(hand);
		break;
	case LIVES_BULK:
		change_bulk(hand);
		break;
	}
}

/* ---- Threads. */

static void **table_of(const struct hand *hand)
{
	const struct drawing *drawing = hand->drawing;
	unsigned index = hand->self->index, threads = hand->drawn->threads;

	if (hand->drawn->handing == HANDING_NEXT)
		index = (unsigned)((index + hand->made * EPOCHS / drawing->blocks) % threads);
	if (hand->drawn->handing == HANDING_POOL)
		index = (unsigned)random_below(&hand->self->random, threads);
	return drawing->table[index];
}

/* Most of the thread's own table goes at once; then, perhaps, a rest. */
static void burst(struct hand *hand)
{
	const struct timespec rest = {0, REST_NS};

	hand->table = hand->drawing->table[hand->self->index];
	for (size_t i = 0; i < hand->drawn->slots; i++)
		if (i % KEPT)
			clear(hand, i);
	if (hand->drawn->load == LOAD_RESTS)
		nanosleep(&rest, NULL);
}

static uint64_t work(struct workload_thread *self, void *arg)
{
	const struct drawing *drawing = arg;
	struct hand hand = {.self = self, .drawing = drawing, .drawn = &drawing->drawn};
	uint64_t spell = 1;

	while (!finished(&hand)) {
		hand.table = table_of(&hand);
		turn(&hand);
		if (hand.drawn->load != LOAD_STEADY &&
		    hand.made >= spell * drawing->blocks / SPELLS) {
			burst(&hand);
			spell++;
		}
	}
	return hand.sum;
}

/* Frees what is left in all tables; the sum of what was read of it. */
static uint64_t end(struct drawing *drawing)
{
	struct hand hand = {
		.self = workload_main_thread(), .drawing = drawing, .drawn = &drawing->drawn};

	for (unsigned i = 0; i < drawing->drawn.threads; i++) {
		hand.table = drawing->table[i];
		for (size_t at = 0; at < drawing->drawn.slots; at++)
			clear(&hand, at);
	}
	return hand.sum;
}

int main(int argc, char **argv)
{
	static struct drawing drawing;
	struct drawn *drawn = &drawing.drawn;
	uint64_t describe = 0, sum;
	const struct workload_option own[] = {
		{"--describe", &describe, "1: only say what is drawn"}, {NULL, NULL, NULL}};
	char text[500];

	workload_start(argc, argv, "drawn", own);
	if (describe > 1)
		workload_refuse("--describe is 0 or 1");
	drawn_draw(drawn, workload_seed());
	if (workload_threads(drawn->threads) != drawn->threads)
		workload_refuse("--threads: the seed draws how many");
	dprintf(1, "%s\n", drawn_text(drawn, text, sizeof text));
	if (describe)
		return 0;
	drawing.blocks = workload_scaled(drawn->blocks);
	for (unsigned i = 0; i < drawn->threads; i++)
		drawing.table[i] = workload_table(drawn->slots * sizeof(void *));
	sum = workload_run(drawn->threads, work, &drawing);
	return workload_end(sum + end(&drawing));
}
