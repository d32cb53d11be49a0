/*
 * Numbers, blocks and addresses as call frame information has them (unwind/cfi.h). A reader that
 * went beyond the end, or met what is not known here, has failed; it is at its end then, and reads
 * 0.
 */
#pragma once

#include "base/compiler.h"

struct reader {
	const uint8_t *at, *end;
	bool failed; /* beyond the end, or not known */
};

static inline bool fail(struct reader *r)
{
	r->failed = true;
	r->at = r->end;
	return false;
}

/* A little-endian number. */
static inline uint64_t read_bytes(struct reader *r, unsigned n)
{
	uint64_t value = 0;

	if ((size_t)(r->end - r->at) < n)
		return fail(r);
	for (unsigned i = 0; i < n; i++)
		value |= (uint64_t)*r->at++ << 8 * i;
	return value;
}

static inline int64_t read_signed_bytes(struct reader *r, unsigned n)
{
	unsigned unused = 64 - 8 * n;

	return (int64_t)(read_bytes(r, n) << unused) >> unused;
}

/* Seven bits a byte, the lowest first; the number of bits is for read_signed(). */
static inline uint64_t read_leb(struct reader *r, unsigned *ret_bits)
{
	uint64_t value = 0, byte = 0x80;

	for (*ret_bits = 0; byte & 0x80 && !r->failed; *ret_bits += 7) {
		byte = read_bytes(r, 1);
		if (*ret_bits < 64)
			value |= (byte & 0x7f) << *ret_bits;
	}
	return value;
}

static inline uint64_t read_number(struct reader *r)
{
	unsigned bits;

	return read_leb(r, &bits);
}

static inline int64_t read_signed(struct reader *r)
{
	unsigned bits;
	uint64_t value = read_leb(r, &bits);

	if (bits && bits < 64 && value >> (bits - 1) & 1)
		value |= UINT64_MAX << bits;
	return (int64_t)value;
}

/* A block of bytes with its length before it; returns where it starts. */
static inline const uint8_t *skip_block(struct reader *r)
{
	const uint8_t *start = r->at;
	uint64_t length = read_number(r);

	if (length > (uint64_t)(r->end - r->at))
		fail(r);
	else
		r->at += length;
	return start;
}

/* An address in one of the forms that linkers write (DW_EH_PE_...): its size and sign, and what it
   is relative to. */
static inline uint64_t read_address(struct reader *r, uint8_t form)
{
	static const uint8_t sizes[16] = {
		[0x0] = 8, [0x2] = 2, [0x3] = 4, [0x4] = 8, [0xa] = 2, [0xb] = 4, [0xc] = 8};
	uintptr_t here = (uintptr_t)r->at;
	unsigned size = sizes[form & 0xf];
	uint64_t value;

	if (!size || (form & 0x70) > 0x10)
		return fail(r);
	value = form & 0x8 ? (uint64_t)read_signed_bytes(r, size) : read_bytes(r, size);
	return form & 0x10 ? value + here : value;
}
