/*
 * Executes the common instructions of a stopped thread without it: on a copy of its registers, and
 * on the copies of its pages. A single step through ptrace costs some twenty microseconds in a
 * virtual machine, this a tenth of one; whatever is not common is left to the step.
 *
 * Arithmetic is done by the processor's own instructions, so that flags come out as it sets them.
 */
#pragma once

#include "decode.h"
#include "memory.h"

#include <stddef.h>

struct cpu {
	uint64_t reg[16];
	uint64_t ip, flags;
	uint64_t fs_base, gs_base;
};

/* The address of the memory operand. */
uint64_t operand_address(const struct cpu *cpu, const struct insn *i);

/* Executes the instruction. False, with nothing changed: it must be stepped. */
bool execute(struct cpu *cpu, const struct insn *i, struct memory *m);
