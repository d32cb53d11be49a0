/*
 * Instructions of x86-64, as far as the simulation of processors needs them: how long they are,
 * what memory they read and write, and the parts of which execute.c makes the common ones.
 *
 * Of vector instructions (VEX and EVEX) the memory operand is known, by the operand's usual size;
 * gathers and scatters are not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { INSN_MAX = 15, REG_NONE = 16, REG_SP = 4, REG_SI = 6, REG_DI = 7 };

enum access_kind { ACCESS_NONE, ACCESS_READ, ACCESS_WRITE, ACCESS_BOTH };

enum map { MAP_ONE, MAP_0F, MAP_0F38, MAP_0F3A };

struct insn {
	uint8_t nbytes; /* its length */
	uint8_t map, opcode;
	uint8_t vex; /* 0, or VEX, or EVEX */
	bool lock, rep, repne;
	bool opsize16, wide; /* the prefixes 0x66 and REX.W */
	bool rex;
	bool fs, gs;
	bool has_modrm, has_memory;
	uint8_t reg, rm;     /* of ModRM, all four bits; rm: of the opcode where there is none */
	uint8_t group;	     /* the reg field's three bits */
	uint8_t base, index; /* REG_NONE: none */
	uint8_t shift;	     /* of the index */
	bool relative;	     /* to the next instruction */
	int64_t displacement;
	int64_t immediate;
	uint8_t nbytes_imm;

	/* the memory operand */
	uint8_t kind; /* enum access_kind */
	uint8_t nbytes_mem;
	bool atomic; /* locked, or xchg */
};

/* Decodes the instruction in bytes; false if it is none that is known here. */
bool decode(struct insn *insn, const uint8_t bytes[INSN_MAX]);
