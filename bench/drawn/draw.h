/*
 * What a seed draws: a workload, each property of it from a distribution of its own.
 *
 * The properties are drawn one after the other and in the order of the struct, so that adding one
 * at its end leaves what a seed drew before.  Nothing is drawn by a function of libm, whose last
 * digits differ from machine to machine.
 */
#pragma once

#include <stdint.h>
#include <stddef.h>

/* The distribution of sizes. */
enum sizes { SIZES_ONE, SIZES_FEW, SIZES_OCTAVES, SIZES_SMALL, SIZES_MIXED, SIZES_POWERS };

/* Which block goes when another comes. */
enum lives { LIVES_STACK, LIVES_FIFO, LIVES_RANDOM, LIVES_GENERATIONS, LIVES_PHASES, LIVES_BULK };

/* In which order phases and bulks are freed; nothing to the other lives. */
enum order { ORDER_FORWARD, ORDER_BACKWARD, ORDER_SCATTERED };

/* Whose table of blocks a thread works on. */
enum handing { HANDING_OWN, HANDING_NEXT, HANDING_POOL };

/* What is written of a block. */
enum touch { TOUCH_ENDS, TOUCH_PAGES, TOUCH_HALF, TOUCH_ALL };

/* How even the work is. */
enum load { LOAD_STEADY, LOAD_BURSTS, LOAD_RESTS };

enum {
	DRAWN_SIZES = 4096,
	DRAWN_SHARE = 128, /* shares are of so many */
	DRAWN_MOST_THREADS = 16,
	DRAWN_LEAST = 8, /* bytes of a block */
};

struct drawn {
	uint64_t seed;
	enum sizes sizes;
	uint32_t size[DRAWN_SIZES]; /* bytes; each as likely as another; ascending */
	uint64_t mean;		    /* of them */
	uint64_t live;		    /* bytes of all blocks when all tables are full */
	enum lives lives;
	enum order order;
	size_t survivors; /* of generations and phases: one block in so many lives on */
	unsigned threads;
	enum handing handing;
	unsigned by_calloc, by_realloc, aligned; /* shares of the blocks */
	size_t alignment;
	enum touch touch;
	enum load load;
	size_t slots;	 /* of a thread's table */
	uint64_t blocks; /* that a thread makes at scale 1 */
};

void drawn_draw(struct drawn *drawn, uint64_t seed);

/* Says in a line what was drawn, at most nbytes with the NUL; returns text. */
char *drawn_text(const struct drawn *drawn, char *text, size_t nbytes);
