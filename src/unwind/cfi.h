/*
 * Call frame information, as .eh_frame has it (DWARF 5, section 6.4, and the Linux Standard Base):
 * one function's, read for one address. Used by unwind/unwind.h, which says what it is for.
 *
 * The bytes are those of the program's own files, and trusted as its code is. What is not known
 * here (an instruction, a form of address) is refused, and the stack ends.
 */
#pragma once

#include "unwind/registers.h"

/* Where the caller's value of a register is. */
enum cfi_rule {
	CFI_SAME,	   /* in the register still */
	CFI_UNDEFINED,	   /* nowhere; of the return address: there is no caller */
	CFI_AT_OFFSET,	   /* saved at CFA + value */
	CFI_IS_OFFSET,	   /* it is CFA + value */
	CFI_AT_EXPRESSION, /* saved where the expression at value says */
	CFI_IS_EXPRESSION, /* it is what the expression says */
	CFI_IN_REGISTER,   /* in another one, whose number is value */
};

/* What holds at one address of a function. */
struct cfi_row {
	const uint8_t *cfa_expression; /* NULL: the CFA is a register plus an offset */
	uint64_t cfa_register;
	intptr_t cfa_offset;
	intptr_t values[REGISTERS];
	uint8_t rules[REGISTERS]; /* enum cfi_rule */
};

/* What holds in all of it. */
struct cfi_about {
	uint64_t return_register; /* which has the address of the caller's code */
	bool of_signal;		  /* the frame that the system makes for a signal handler */
};

/* A function that runs, or has called one. */
struct frame {
	uintptr_t registers[REGISTERS];
	uintptr_t code; /* where it is */
	bool is_exact;	/* it runs there; else it is the return address of what it called */
};

/* Reads the row for an address of code; false where the FDE is not of that code, or not known. */
COLD bool cfi_row_of(const uint8_t *fde, uintptr_t code, struct cfi_row *ret_row,
		     struct cfi_about *ret_about);

/* The value of an expression, which begins with its length; `first` is pushed before, if not
   NULL. */
COLD bool cfi_evaluate(const uint8_t *expression, const struct frame *f, const uintptr_t *first,
		       uintptr_t *ret_value);
