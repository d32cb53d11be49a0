#include "reader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

bool trace_stop(struct trace_reader *reader, enum trace_state state, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reader->problem, sizeof(reader->problem), format, args);
	va_end(args);
	reader->state = state;
	return false;
}

static bool damaged(struct trace_reader *r, uint64_t at, const char *what)
{
	return trace_stop(r, TRACE_DAMAGED, "damaged at byte %" PRIu64 ", event %" PRIu64 ": %s",
			  at, r->events, what);
}

static bool cut_off(struct trace_reader *r, uint64_t at, const char *within)
{
	return trace_stop(r, TRACE_DAMAGED,
			  "cut off at byte %" PRIu64 ", event %" PRIu64
			  ": the file ends within the %s at byte %" PRIu64,
			  r->nbytes, r->events, within, at);
}

bool trace_open(struct trace_reader *r, const void *bytes, uint64_t nbytes)
{
	*r = (struct trace_reader){.bytes = bytes, .nbytes = nbytes};
	if (nbytes < sizeof(r->header.magic) || memcmp(bytes, TRACE_MAGIC, sizeof(r->header.magic)))
		return trace_stop(r, TRACE_DAMAGED, "no trace: it does not begin with %s",
				  TRACE_MAGIC);
	if (nbytes < sizeof(r->header))
		return cut_off(r, 0, "header");
	memcpy(&r->header, bytes, sizeof(r->header));
	r->header.program[sizeof(r->header.program) - 1] = 0;
	if (r->header.header_bytes < sizeof(r->header))
		return damaged(r, offsetof(struct trace_header, header_bytes),
			       "the header says that it is shorter than it is");
	if (r->header.header_bytes > nbytes)
		return cut_off(r, 0, "header");
	r->at = r->end = r->next_block = r->header.header_bytes;
	return true;
}

/* ---- Blocks. */

static bool all_zero(const unsigned char *bytes, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		if (bytes[i])
			return false;
	return true;
}

/* There is no block at r->next_block: is that the end?  Returns false. */
static bool end_of_blocks(struct trace_reader *r)
{
	if (r->last)
		return trace_stop(r, TRACE_WHOLE, "%s", "");
	return trace_stop(r, TRACE_UNFINISHED,
			  "not finished at byte %" PRIu64 ", event %" PRIu64
			  ": the process was killed, or still runs",
			  r->next_block, r->events);
}

/* What a block's header says must fit what was read before. */
static const char *wrong_block(const struct trace_reader *r, const struct trace_block *block)
{
	if (block->magic != TRACE_BLOCK_MAGIC)
		return "no block begins where one should";
	if (r->last)
		return "a block follows the last one";
	if (block->used > block->capacity)
		return "a block says that it holds more than it can";
	if (block->last > 1 || (block->last && !block->checksum))
		return "a block's last flag makes no sense";
	if (block->events != r->events)
		return "a block is missing, or counts other events before it than there are";
	if (block->lost < r->lost)
		return "a block counts fewer lost calls than the one before";
	return NULL;
}

/* Enters the block at r->next_block. */
static bool next_block(struct trace_reader *r)
{
	uint64_t begin = r->next_block, room = r->nbytes - begin;
	struct trace_block block;
	const char *wrong;

	if (all_zero(r->bytes + begin, room < sizeof(block) ? room : sizeof(block)))
		return end_of_blocks(r);
	if (room < sizeof(block))
		return cut_off(r, begin, "block");
	memcpy(&block, r->bytes + begin, sizeof(block));
	wrong = wrong_block(r, &block);
	if (wrong)
		return damaged(r, begin, wrong);
	r->at = r->end = begin + sizeof(block);
	room -= sizeof(block);
	if (block.used <= room && block.checksum &&
	    block.checksum != trace_checksum(r->bytes + r->at, block.used))
		return damaged(r, begin, "a block's checksum does not fit its events");
	r->block_at = begin;
	r->cut = block.used > room;
	r->end = r->at + (block.used < room ? block.used : room);
	r->next_block = r->at + (block.capacity < room ? block.capacity : room);
	r->last = block.last;
	r->lost = block.lost;
	r->units = 0;
	r->thread = 0;
	return true;
}

/* ---- Events. */

/* A number, LEB128: at most ten bytes, of 64 bits. */
static bool read_number(struct trace_reader *r, uint64_t *number)
{
	uint64_t value = 0;

	for (unsigned shift = 0; r->at < r->end; shift += 7) {
		uint64_t byte = r->bytes[r->at++];

		if (shift == 63 && byte > 1)
			return damaged(r, r->at - 1, "a number has more than 64 bits");
		value |= (byte & 0x7f) << shift;
		if (byte < 0x80) {
			*number = value;
			return true;
		}
	}
	return r->cut ? cut_off(r, r->block_at, "block")
		      : damaged(r, r->at, "an event runs over the end of its block");
}

/* An address that is not NULL, as the difference to the one before; its lowest four bits are 0. */
static bool read_address(struct trace_reader *r, uint64_t *address)
{
	uint64_t begin = r->at, zigzag = 0;

	if (!read_number(r, &zigzag))
		return false;
	r->units += (zigzag >> 1) ^ -(zigzag & 1);
	if (!r->units || r->units >> 60)
		return damaged(r, begin, "an address is out of range");
	*address = r->units << 4;
	return true;
}

/* The address that free or realloc was given. */
static bool read_old(struct trace_reader *r, unsigned flags, uint64_t *old)
{
	uint64_t low = 0;

	if (flags & TRACE_NULL)
		return true;
	if (!read_address(r, old))
		return false;
	if (flags & TRACE_ODD_ADDRESS) {
		if (!read_number(r, &low))
			return false;
		if (low < 1 || low > 15)
			return damaged(r, r->at - 1, "an address's lowest bits are out of range");
	}
	*old |= low;
	return true;
}

static bool read_thread(struct trace_reader *r)
{
	uint64_t begin = r->at, thread;

	if (!read_number(r, &thread))
		return false;
	if (thread >= TRACE_MAX_THREADS)
		return damaged(r, begin, "a thread's number is out of range");
	r->thread = (uint32_t)thread;
	return true;
}

static bool read_alignment(struct trace_reader *r, unsigned *align_log2)
{
	uint64_t begin = r->at, number;

	if (!read_number(r, &number))
		return false;
	if (number > TRACE_MAX_ALIGN_LOG2)
		return damaged(r, begin, "an alignment is out of range");
	*align_log2 = (unsigned)number;
	return true;
}

/* What may stand beside an operation in its first byte. */
static unsigned flags_of(unsigned op)
{
	switch (op) {
	case TRACE_MALLOC:
	case TRACE_CALLOC:
	case TRACE_ALIGNED:
		return TRACE_NEW_THREAD | TRACE_NO_RESULT;
	case TRACE_REALLOC:
		return TRACE_NEW_THREAD | TRACE_NO_RESULT | TRACE_NULL | TRACE_ODD_ADDRESS;
	case TRACE_FREE:
		return TRACE_NEW_THREAD | TRACE_NULL | TRACE_ODD_ADDRESS;
	default:
		return 0;
	}
}

static bool read_event(struct trace_reader *r, struct trace_event *event)
{
	uint64_t begin = r->at;
	unsigned byte = r->bytes[r->at++];
	unsigned op = byte & TRACE_OP_MASK, flags = byte & ~(unsigned)TRACE_OP_MASK;

	if (!flags_of(op) || (flags & ~flags_of(op)) ||
	    (flags & TRACE_NULL && flags & TRACE_ODD_ADDRESS))
		return damaged(r, begin, "no event begins with such a byte");
	if (flags & TRACE_NEW_THREAD && !read_thread(r))
		return false;
	*event = (struct trace_event){.number = r->events, .op = op, .thread = r->thread};
	if ((op == TRACE_REALLOC || op == TRACE_FREE) && !read_old(r, flags, &event->old))
		return false;
	if (op == TRACE_ALIGNED && !read_alignment(r, &event->align_log2))
		return false;
	if (op == TRACE_FREE)
		return true;
	return read_number(r, &event->size) &&
	       (flags & TRACE_NO_RESULT || read_address(r, &event->result));
}

bool trace_next(struct trace_reader *r, struct trace_event *event)
{
	while (r->state == TRACE_READING && r->at == r->end)
		if (r->cut ? !cut_off(r, r->block_at, "block") : !next_block(r))
			return false;
	if (r->state != TRACE_READING || !read_event(r, event))
		return false;
	r->events++;
	return true;
}
