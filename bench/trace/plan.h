/*
 * The plan: what a trace says, as the replayer can do it at once.  A file that is made from a trace
 * once, and then mapped by each replay, so that nothing is decoded or looked up while allocators
 * are measured.
 *
 *   [ plan_header ][ steps, one an event ][ live bytes, one an epoch ][ threads ]
 *
 * Addresses of the recorded process have become slots, each of which holds a block and is used
 * again when that is freed.  The steps of a thread are linked, in the order of the trace: the
 * number of a step is that of its event.
 *
 * Order.  Steps of one thread follow each other.  Where a step uses a slot that another thread used
 * last (frees what that thread allocated, or takes a slot that it left free), the other's step
 * passes the slot on, and this one waits for it: the slot's turn counts what was passed.  And no
 * step begins before all steps of the epochs before the one before its own are done: so threads,
 * whatever they have to do with each other, are never 2 * PLAN_EPOCH_STEPS steps of the trace
 * apart, and what is live at a time is what was live, but for that many steps.  The bound is large
 * enough that a thread seldom stops for it, and that few bits tell turns apart; and small against
 * the number of blocks that a program of many threads holds.
 *
 * Invariants: P1 a step waits only for steps of lower numbers, so that no order of threads can
 * stop the replay; P2 a step that waits has exactly one step that passes to it.
 */
#pragma once

#include "reader.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_MAGIC   "loampln1"
#define PLAN_NO_SLOT UINT32_MAX /* the call gave NULL, or was given NULL and gives nothing */
#define PLAN_NO_STEP UINT32_MAX

enum {
	PLAN_EPOCH_STEPS = 512,
	PLAN_TURN_BITS = 13,
	PLAN_SIZE_BITS = 40,
};

static_assert(1 << PLAN_TURN_BITS > 2 * PLAN_EPOCH_STEPS, "turns within reach differ");

/* Sizes from here on are asked for as more than any allocator has: the recorded one had not. */
#define PLAN_SIZE_MOST (((uint64_t)1 << PLAN_SIZE_BITS) - 1)

enum plan_op {
	PLAN_NOTHING, /* what was freed had not been allocated in the trace */
	PLAN_MALLOC,
	PLAN_CALLOC,
	PLAN_ALIGNED,
	PLAN_REALLOC,
	PLAN_REALLOC_FREES, /* to nothing, which gave NULL and freed the block */
	PLAN_FREE,
};

struct plan_step {
	uint32_t slot;
	uint32_t next; /* step of the same thread */
	uint64_t size : PLAN_SIZE_BITS;
	uint64_t op : 3;
	uint64_t align_log2 : 6;
	uint64_t waits : 1;  /* until the slot's turn is turn */
	uint64_t passes : 1; /* the slot on, when done */
	uint64_t turn : PLAN_TURN_BITS;
};

static_assert(sizeof(struct plan_step) == 16, "tables are as small as promised");

/* The first is that of the recorded process's first thread, and may have no step; the others
   follow in the order of their first steps. */
struct plan_thread {
	uint32_t first_step; /* PLAN_NO_STEP: it has none */
	uint32_t last_step;
};

/* What is in the trace. */
struct plan_counts {
	uint64_t events;
	uint64_t calls[TRACE_OPS];   /* of each op; together, events */
	uint64_t null_frees;	     /* frees of NULL */
	uint64_t failed;	     /* calls that gave NULL, and freed nothing */
	uint64_t realloc_frees;	     /* reallocs to nothing */
	uint64_t inherited_frees;    /* of what the trace did not allocate: not replayed */
	uint64_t inherited_reallocs; /* the same: replayed as malloc */
	uint64_t bytes;		     /* of all blocks that were given */
	uint64_t peak_live_bytes;
	uint64_t peak_live_blocks;
	uint64_t live_blocks; /* at the end */
	uint64_t live_bytes;
	uint64_t lost;	     /* calls that the recorder could not write */
	uint64_t lost_frees; /* of them, frees: the address was given again while live */
	uint64_t threads;
};

struct plan_header {
	char magic[8];
	uint32_t state; /* enum trace_state */
	uint32_t nslots;
	uint32_t nthreads;
	uint32_t nepochs;
	uint64_t live_at; /* offsets */
	uint64_t threads_at;
	uint64_t nbytes; /* of the file */
	struct plan_counts counts;
};

struct plan {
	const struct plan_header *header;
	const struct plan_step *steps;
	const uint64_t *live_bytes; /* after each epoch */
	const struct plan_thread *threads;
};

/* Reads a trace to its end, or as far as it is sound, and writes its plan to an empty file;
   path is for messages.  Returns the plan's bytes. */
size_t plan_build(struct trace_reader *reader, int fd, const char *path);

/* Opens the file of a plan; false if it is none. */
bool plan_open(struct plan *plan, const void *bytes, size_t nbytes);
