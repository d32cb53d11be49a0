/*
 * Reads a trace: the bytes of a file (observe/trace_format.h) become events, one at a time.
 *
 * A trace comes from a process that may have been killed, over a disk that may have been full, so
 * nothing in it is believed: every length is held to the file's end, every number to 64 bits, every
 * block to its checksum, and each to the count of events before it.  The first thing that is wrong
 * ends the reading, with a line that says what and at which byte; what came before it is sound.
 * The one thing not checked here is the life of addresses (invariant T1), which plan.c follows.
 *
 * Nothing is allocated; a reader is a value that may be dropped at any time.
 */
#pragma once

#include "observe/trace_format.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	TRACE_MAX_THREADS = 1 << 20,
	TRACE_MAX_ALIGN_LOG2 = 47,
	TRACE_PROBLEM_BYTES = 240,
};

struct trace_event {
	uint64_t number; /* of this event in the file, from 0 */
	enum trace_op op;
	uint32_t thread;
	unsigned align_log2;
	uint64_t old; /* what free and realloc were given; 0: NULL */
	uint64_t size;
	uint64_t result; /* 0: NULL */
};

enum trace_state {
	TRACE_READING,
	TRACE_WHOLE,	  /* read to its end, which is marked as such */
	TRACE_UNFINISHED, /* sound, but without the end: the process was killed, or still runs */
	TRACE_DAMAGED,	  /* cut off, or not what was written */
};

struct trace_reader {
	const unsigned char *bytes;
	uint64_t nbytes;
	struct trace_header header;
	uint64_t at;	   /* the next event, or the next block's header */
	uint64_t end;	   /* of the block's events, as far as the file has them */
	uint64_t block_at; /* the block's header */
	uint64_t next_block;
	uint64_t events; /* read so far */
	uint64_t lost;	 /* calls that the recorder could not write, as far as is known */
	uint64_t units;	 /* the address before in the block, divided by 16 */
	uint32_t thread; /* of the event before in the block */
	bool last;	 /* the block is marked as the end */
	bool cut;	 /* the file ends before the block's events do */
	enum trace_state state;
	char problem[TRACE_PROBLEM_BYTES]; /* "" or why reading ended, with the byte */
};

/* Takes the bytes of a whole file, which must stay; false if it is no trace: problem says why. */
bool trace_open(struct trace_reader *reader, const void *bytes, uint64_t nbytes);

/* Reads the next event; false at the end: state and problem say of what kind. */
bool trace_next(struct trace_reader *reader, struct trace_event *event);

/* Ends the reading: the event before the next is the last that is sound.  Returns false. */
bool trace_stop(struct trace_reader *reader, enum trace_state state, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
