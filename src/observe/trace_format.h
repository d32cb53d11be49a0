/*
 * The format of a trace: every allocation call of one process, in the order in which they took
 * effect.  The library writes it (option record), bench/trace reads it.
 *
 *   file    [ trace_header ][ block ][ block ] ...
 *   block   [ trace_block  ][ used bytes of events ][ zeros up to capacity ]
 *   event   [ op and flags: a byte ][ thread ][ address ... ][ sizes ... ]
 *
 * Numbers of an event are LEB128: seven bits a byte, lowest first, the top bit set in all but the
 * last.  An address is the zigzag-coded difference, in units of 16 bytes, to the address before it
 * in the same block (0 at a block's begin); a NULL, or an address that is no multiple of 16, is
 * said by a flag.  So an event takes some five bytes, and a block can be read by itself.
 *
 *   op        numbers after the byte
 *   MALLOC    size; the result
 *   CALLOC    size of all members together; the result
 *   ALIGNED   binary logarithm of the alignment; size; the result
 *   REALLOC   the old address; size; the result
 *   FREE      the address
 *
 * TRACE_NEW_THREAD says that a number follows the byte first: the thread that called, counted from
 * 0 in the order of their first calls; without it the thread is that of the event before in the
 * block (0 at a block's begin).  TRACE_NO_RESULT says that the result is NULL and not written.
 * TRACE_ODD_ADDRESS says that the address given is followed by one more number, its lowest four
 * bits.  A NULL given to free or realloc is TRACE_NULL, and not written.
 *
 * A REALLOC to size 0 without result has freed what it was given; to another size, it has failed
 * and the object stays.  Calls refused as invalid (an alignment that is none) are not written.
 *
 * Invariants: T1 an address that an event gives back is live until a FREE or REALLOC of it later in
 * the file; T2 used only grows, and is stored after the event's bytes, so that a process that is
 * killed leaves a sound prefix; T3 a block's checksum is 0 until the block is closed; T4 a file
 * that ends with a closed block whose last flag is set is whole.
 *
 * A process that was forked writes a file of its own, whose header names the parent: addresses
 * that it inherited appear in it only as they are freed or reallocated.
 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_MAGIC	  "loamtrc1"
#define TRACE_BLOCK_MAGIC 0x6b6c6274u /* "tblk" */

enum trace_op {
	TRACE_END, /* never written: what zeros after the last event read as */
	TRACE_MALLOC,
	TRACE_CALLOC,
	TRACE_ALIGNED,
	TRACE_REALLOC,
	TRACE_FREE,
	TRACE_OPS
};

enum {
	TRACE_OP_MASK = 0x0f,
	TRACE_NEW_THREAD = 0x10,
	TRACE_NO_RESULT = 0x20,
	TRACE_NULL = 0x40,
	TRACE_ODD_ADDRESS = 0x80,
	TRACE_EVENT_MAX = 48 /* bytes of the longest event */
};

static_assert(TRACE_OPS <= TRACE_OP_MASK + 1, "an op leaves its flags alone");

/* Numbers are little-endian. */
struct trace_header {
	char magic[8];
	uint32_t header_bytes; /* where the first block begins */
	uint32_t page_bytes;
	uint64_t pid;
	uint64_t parent_pid;	/* of a forked process that had been recorded; else 0 */
	uint64_t parent_events; /* what the parent's file held at the fork */
	uint64_t start_ns;	/* CLOCK_REALTIME */
	char program[80];	/* what the process was started as, cut off if longer */
	uint64_t events;	/* written so far */
};

static_assert(offsetof(struct trace_header, events) == 128, "preload/loam reads it there");

struct trace_block {
	uint32_t magic;
	uint32_t capacity; /* bytes of events that have room */
	uint32_t used;	   /* bytes of events written */
	uint32_t last;	   /* 1: no block follows, of a process that ended in order */
	uint64_t events;   /* of the file before this block */
	uint64_t lost;	   /* calls of signal handlers not written so far (observe/record.h) */
	uint64_t
		checksum; /* of the events' bytes, by trace_checksum(); 0 while the block is open */
};

/* FNV-1a, 64 bits (Fowler, Noll, Vo): the sum of n bytes more than those of sum, which is
   TRACE_CHECKSUM_NONE for none. */
#define TRACE_CHECKSUM_NONE 0xcbf29ce484222325u

static inline uint64_t trace_checksum_more(uint64_t sum, const unsigned char *bytes, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3;
	return sum;
}

/* What stands in a block for its bytes: their sum, but never 0. */
static inline uint64_t trace_checksum(const unsigned char *bytes, uint64_t n)
{
	uint64_t sum = trace_checksum_more(TRACE_CHECKSUM_NONE, bytes, n);

	return sum ? sum : 1;
}
