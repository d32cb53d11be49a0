/*
 * How to get from a frame to its caller's, remembered by return address, so that call frame
 * information (unwind/cfi.h) is read once for each place and not once for each stack.
 *
 * What is remembered are plain frames: the CFA is the stack or frame pointer plus a constant, the
 * return address is saved at a constant distance below it, and the caller's frame pointer too, or
 * it was not changed. Nearly all are. unwind/unwind.c passes all others by what it reads each time.
 *
 * The table is direct-mapped, has no lock, and any thread may write to it at any time: a row is
 * three words, of which one is mixed into another, so that parts of two rows match nothing.
 *
 * Where a library was unloaded another one may lie later, with other rules for the same addresses.
 * So a row matches only in an object of the same number, which unwind/unwind.c makes from where its
 * table lies and what is in its first and last row, and if the FDE has the same bytes still.
 */
#pragma once

#include "unwind/cfi.h"

struct frame_rule {
	int32_t fde; /* where the FDE is, relative to the object's .eh_frame_hdr */
	int16_t cfa; /* twice the words from the stack pointer to the CFA; | 1: from the frame's */
	uint8_t frame; /* words below the CFA where the frame pointer is saved; 0: it is not */
	uint8_t code;  /* the same of the return address; 0: there is no caller */
};

static_assert(sizeof(struct frame_rule) == sizeof(uint64_t), "it is stored as a word");

/* An object that is mapped. */
struct mapped_object {
	uintptr_t start, nbytes;
	const uint8_t *header; /* .eh_frame_hdr */
	uint64_t number;
};

/* The rule, but for its FDE, that a row of call frame information says; false: the frame is not
   plain. */
COLD bool frame_rule_of(const struct cfi_row *row, const struct cfi_about *about,
			struct frame_rule *ret_rule);

/* The rule for an address of an object's code; false: it is not remembered. */
COLD bool frame_rules_find(const struct mapped_object *o, uintptr_t code,
			   struct frame_rule *ret_rule);

/* Remembers one, in place of what has the same place in the table. */
COLD void frame_rules_note(const struct mapped_object *o, uintptr_t code, struct frame_rule rule);
