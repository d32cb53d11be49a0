#include "execute.h"

#include <string.h>

/* Of the flags register: those that arithmetic sets. */
enum { CARRY = 1, PARITY = 4, ZERO = 0x40, SIGN = 0x80, OVERFLOWS = 0x800, DOWN = 0x400 };
#define ARITHMETIC ((uint64_t)0x8d5)
#define ALWAYS_SET ((uint64_t)0x202)

enum { REG_AX = 0, REG_CX = 1, REG_DX = 2, REG_BP = 5 };

/* ---- Memory and registers. */

static uint64_t masked(uint64_t value, unsigned nbytes)
{
	return nbytes == 8 ? value : value & ((1ull << 8 * nbytes) - 1);
}

static int64_t extended(uint64_t value, unsigned nbytes)
{
	unsigned shift = 64 - 8 * nbytes;

	return (int64_t)(value << shift) >> shift;
}

/* Without REX, byte registers 4 to 7 are the second bytes of registers 0 to 3. */
static bool is_high_byte(const struct insn *i, unsigned reg, unsigned nbytes)
{
	return nbytes == 1 && !i->rex && reg >= 4 && reg < 8;
}

static uint64_t get_reg(const struct cpu *cpu, const struct insn *i, unsigned reg, unsigned nbytes)
{
	if (is_high_byte(i, reg, nbytes))
		return cpu->reg[reg - 4] >> 8 & 0xff;
	return masked(cpu->reg[reg], nbytes);
}

static void set_reg(struct cpu *cpu, const struct insn *i, unsigned reg, unsigned nbytes,
		    uint64_t value)
{
	uint64_t *r = &cpu->reg[is_high_byte(i, reg, nbytes) ? reg - 4 : reg];

	if (is_high_byte(i, reg, nbytes))
		*r = (*r & ~0xff00ull) | (value & 0xff) << 8;
	else if (nbytes >= 4)
		*r = masked(value, nbytes);
	else
		*r = (*r & ~masked(~0ull, nbytes)) | masked(value, nbytes);
}

static bool is_bit_test_by_register(const struct insn *i)
{
	return i->map == MAP_0F &&
	       (i->opcode == 0xa3 || i->opcode == 0xab || i->opcode == 0xb3 || i->opcode == 0xbb);
}

uint64_t operand_address(const struct cpu *cpu, const struct insn *i)
{
	uint64_t address = (uint64_t)i->displacement;

	if (i->base != REG_NONE)
		address += cpu->reg[i->base];
	if (i->index != REG_NONE)
		address += cpu->reg[i->index] << i->shift;
	if (i->relative)
		address += cpu->ip + i->nbytes;
	if (is_bit_test_by_register(i)) {
		int64_t bit = extended(cpu->reg[i->reg], i->nbytes_mem);
		int64_t bits = 8 * i->nbytes_mem;

		address += (uint64_t)((bit < 0 ? (bit - bits + 1) / bits : bit / bits) *
				      i->nbytes_mem);
	}
	return address + (i->fs ? cpu->fs_base : 0) + (i->gs ? cpu->gs_base : 0);
}

/* The operand that ModRM names: a register, or memory. */
static bool get_rm(const struct cpu *cpu, const struct insn *i, struct memory *m, unsigned nbytes,
		   uint64_t *ret)
{
	*ret = 0;
	if (i->has_memory)
		return memory_read(m, operand_address(cpu, i), ret, nbytes);
	*ret = get_reg(cpu, i, i->rm, nbytes);
	return true;
}

static bool set_rm(struct cpu *cpu, const struct insn *i, struct memory *m, unsigned nbytes,
		   uint64_t value)
{
	if (i->has_memory)
		return memory_write(m, operand_address(cpu, i), &value, nbytes);
	set_reg(cpu, i, i->rm, nbytes, value);
	return true;
}

static bool done(struct cpu *cpu, const struct insn *i)
{
	cpu->ip += i->nbytes;
	return true;
}

static unsigned operand_bytes(const struct insn *i)
{
	return i->wide ? 8 : i->opsize16 ? 2 : 4;
}

/* Operands of one-byte opcodes, of which the even ones are for bytes. */
static unsigned sized(const struct insn *i)
{
	return i->opcode & 1 ? operand_bytes(i) : 1;
}

/* ---- Arithmetic, with its flags. */

/* Runs an instruction of two operands with the flags of a thread. */
#define RUN2(text, type)                                                                           \
	do {                                                                                       \
		type x = (type)a, y = (type)b;                                                     \
		__asm__ volatile("push %[f]; popfq; " text " %[y], %[x]; pushfq; pop %[f]"         \
				 : [x] "+r"(x), [f] "+r"(f)                                        \
				 : [y] "r"(y)                                                      \
				 : "cc", "memory");                                                \
		a = x;                                                                             \
	} while (0)

#define RUN_SHIFT(text, type)                                                                      \
	do {                                                                                       \
		type x = (type)a;                                                                  \
		__asm__ volatile("push %[f]; popfq; " text " %%cl, %[x]; pushfq; pop %[f]"         \
				 : [x] "+r"(x), [f] "+r"(f)                                        \
				 : "c"((uint8_t)b)                                                 \
				 : "cc", "memory");                                                \
		a = x;                                                                             \
	} while (0)

#define RUN1(text, type)                                                                           \
	do {                                                                                       \
		type x = (type)a;                                                                  \
		__asm__ volatile("push %[f]; popfq; " text " %[x]; pushfq; pop %[f]"               \
				 : [x] "+r"(x), [f] "+r"(f)                                        \
				 :                                                                 \
				 : "cc", "memory");                                                \
		a = x;                                                                             \
	} while (0)

/* Runs the instruction's form for nbytes, and leaves the switch around it; for instructions that
   have no byte form. */
#define BY_LARGER_SIZE(RUN, name)                                                                  \
	switch (nbytes) {                                                                          \
	case 2:                                                                                    \
		RUN(name "w", uint16_t);                                                           \
		break;                                                                             \
	case 4:                                                                                    \
		RUN(name "l", uint32_t);                                                           \
		break;                                                                             \
	default:                                                                                   \
		RUN(name "q", uint64_t);                                                           \
	}                                                                                          \
	break

/* The same for instructions that have one. */
#define BY_SIZE(RUN, name)                                                                         \
	if (nbytes == 1) {                                                                         \
		RUN(name "b", uint8_t);                                                            \
		break;                                                                             \
	}                                                                                          \
	BY_LARGER_SIZE(RUN, name)

static uint64_t flags_in(const struct cpu *cpu)
{
	return (cpu->flags & ARITHMETIC) | ALWAYS_SET;
}

static void flags_out(struct cpu *cpu, uint64_t f)
{
	cpu->flags = (cpu->flags & ~ARITHMETIC) | (f & ARITHMETIC);
}

enum alu { ADD, OR, ADC, SBB, AND, SUB, XOR, CMP };

static uint64_t alu(struct cpu *cpu, unsigned op, unsigned nbytes, uint64_t a, uint64_t b)
{
	uint64_t f = flags_in(cpu), first = a;

	switch (op) {
	case ADD:
		BY_SIZE(RUN2, "add");
	case OR:
		BY_SIZE(RUN2, "or");
	case ADC:
		BY_SIZE(RUN2, "adc");
	case SBB:
		BY_SIZE(RUN2, "sbb");
	case AND:
		BY_SIZE(RUN2, "and");
	case SUB:
		BY_SIZE(RUN2, "sub");
	case XOR:
		BY_SIZE(RUN2, "xor");
	case CMP:
		BY_SIZE(RUN2, "cmp");
	}
	flags_out(cpu, f);
	return op == CMP ? first : a;
}

static uint64_t shift(struct cpu *cpu, unsigned op, unsigned nbytes, uint64_t a, uint64_t b)
{
	uint64_t f = flags_in(cpu);

	switch (op) {
	case 0:
		BY_SIZE(RUN_SHIFT, "rol");
	case 1:
		BY_SIZE(RUN_SHIFT, "ror");
	case 2:
		BY_SIZE(RUN_SHIFT, "rcl");
	case 3:
		BY_SIZE(RUN_SHIFT, "rcr");
	case 5:
		BY_SIZE(RUN_SHIFT, "shr");
	case 7:
		BY_SIZE(RUN_SHIFT, "sar");
	default:
		BY_SIZE(RUN_SHIFT, "shl");
	}
	flags_out(cpu, f);
	return a;
}

enum unary { INC, DEC, NEG };

static uint64_t unary(struct cpu *cpu, enum unary op, unsigned nbytes, uint64_t a)
{
	uint64_t f = flags_in(cpu);

	switch (op) {
	case INC:
		BY_SIZE(RUN1, "inc");
	case DEC:
		BY_SIZE(RUN1, "dec");
	case NEG:
		BY_SIZE(RUN1, "neg");
	}
	flags_out(cpu, f);
	return a;
}

enum bits { IMUL, BSF, BSR, TZCNT, LZCNT, POPCNT, BT, BTS, BTR, BTC };

static uint64_t bits(struct cpu *cpu, enum bits op, unsigned nbytes, uint64_t a, uint64_t b)
{
	uint64_t f = flags_in(cpu);

	switch (op) {
	case IMUL:
		BY_LARGER_SIZE(RUN2, "imul");
	case BSF:
		BY_LARGER_SIZE(RUN2, "bsf");
	case BSR:
		BY_LARGER_SIZE(RUN2, "bsr");
	case TZCNT:
		BY_LARGER_SIZE(RUN2, "tzcnt");
	case LZCNT:
		BY_LARGER_SIZE(RUN2, "lzcnt");
	case POPCNT:
		BY_LARGER_SIZE(RUN2, "popcnt");
	case BT:
		BY_LARGER_SIZE(RUN2, "bt");
	case BTS:
		BY_LARGER_SIZE(RUN2, "bts");
	case BTR:
		BY_LARGER_SIZE(RUN2, "btr");
	case BTC:
		BY_LARGER_SIZE(RUN2, "btc");
	}
	flags_out(cpu, f);
	return a;
}

static bool condition(uint64_t f, unsigned code)
{
	bool carry = f & CARRY, zero = f & ZERO, sign = f & SIGN, overflow = f & OVERFLOWS;
	bool holds = false;

	switch (code >> 1) {
	case 0:
		holds = overflow;
		break;
	case 1:
		holds = carry;
		break;
	case 2:
		holds = zero;
		break;
	case 3:
		holds = carry || zero;
		break;
	case 4:
		holds = sign;
		break;
	case 5:
		holds = f & PARITY;
		break;
	case 6:
		holds = sign != overflow;
		break;
	default:
		holds = zero || sign != overflow;
	}
	return holds != (code & 1);
}

/* ---- The stack. */

static bool push(struct cpu *cpu, struct memory *m, uint64_t value)
{
	if (!memory_write(m, cpu->reg[REG_SP] - 8, &value, 8))
		return false;
	cpu->reg[REG_SP] -= 8;
	return true;
}

static bool pop(struct cpu *cpu, struct memory *m, uint64_t *ret)
{
	if (!memory_read(m, cpu->reg[REG_SP], ret, 8))
		return false;
	cpu->reg[REG_SP] += 8;
	return true;
}

static bool push_then(struct cpu *cpu, const struct insn *i, struct memory *m, uint64_t value)
{
	return push(cpu, m, value) && done(cpu, i);
}

static bool call(struct cpu *cpu, const struct insn *i, struct memory *m, uint64_t to)
{
	if (!push(cpu, m, cpu->ip + i->nbytes))
		return false;
	cpu->ip = to;
	return true;
}

static bool pop_reg(struct cpu *cpu, const struct insn *i, struct memory *m, unsigned reg)
{
	uint64_t value;

	if (i->opsize16 || !pop(cpu, m, &value))
		return false;
	cpu->reg[reg] = value;
	return done(cpu, i);
}

static bool ret(struct cpu *cpu, struct memory *m)
{
	return pop(cpu, m, &cpu->ip);
}

static bool leave(struct cpu *cpu, const struct insn *i, struct memory *m)
{
	uint64_t value;

	if (!memory_read(m, cpu->reg[REG_BP], &value, 8))
		return false;
	cpu->reg[REG_SP] = cpu->reg[REG_BP] + 8;
	cpu->reg[REG_BP] = value;
	return done(cpu, i);
}

/* ---- Opcodes of one byte. */

/* add, or, adc, sbb, and, sub, xor, cmp in their six forms. */
static bool basic_alu(struct cpu *cpu, const struct insn *i, struct memory *m)
{
	unsigned op = i->opcode >> 3, nbytes = sized(i), form = i->opcode >> 1 & 3;
	uint64_t value, other = get_reg(cpu, i, form == 2 ? REG_AX : i->reg, nbytes);

	if (form == 2) {
		set_reg(cpu, i, REG_AX, nbytes,
			alu(cpu, op, nbytes, other, (uint64_t)i->immediate));
		return done(cpu, i);
	}
	if (!get_rm(cpu, i, m, nbytes, &value))
		return false;
	if (form == 1) {
		set_reg(cpu, i, i->reg, nbytes, alu(cpu, op, nbytes, other, value));
		return done(cpu, i);
	}
	value = alu(cpu, op, nbytes, value, other);
	return (op == CMP || set_rm(cpu, i, m, nbytes, value)) && done(cpu, i);
}

static bool alu_immediate(struct cpu *cpu, const struct insn *i, struct memory *m)
{
	unsigned nbytes = sized(i);
	uint64_t value;

	if (!get_rm(cpu, i, m, nbytes, &value))
		return false;
	value = alu(cpu, i->group, nbytes, value, (uint64_t)i->immediate);
	return (i->group == CMP || set_rm(cpu, i, m, nbytes, value)) && done(cpu, i);
}

static bool test(struct cpu *cpu, const struct insn *i, struct memory *m, uint64_t other)
{
	uint64_t value;

	if (!get_rm(cpu, i, m, sized(i), &value))
		return false;
	alu(cpu, AND, sized(i), value, other);
	return done(cpu, i);
}

static bool xchg(struct cpu *cpu, const struct insn *i, struct memory *m)
{
	unsigned nbytes = sized(i);
	uint64_t value, other = get_reg(cpu, i, i->reg, nbytes);

	if (!get_rm(cpu, i, m, nbytes, &value) || !set_rm(cpu, i, m, nbytes, other))
		return false;
	set_reg(cpu, i, i->reg, nbytes, value);
	return done(cpu, i);
}

static bool shift_group(struct cpu *cpu, const struct insn *i, struct memory *m)
{
	unsigned nbytes = sized(i);
	uint64_t value, by = i->opcode < 0xd0	? (uint64_t)i->immediate
			     : i->opcode < 0xd2 ? 1
						: cpu->reg[REG_CX];

	if (!get_rm(cpu, i, m, nbytes, &value))
		return false;
	return set_rm(cpu, i, m, nbytes, shift(cpu, i->group, nbytes, value, by)) && done(cpu, i);
}

static bool multiply(struct cpu *cpu, const struct insn *i, uint64_t value, bool is_signed)
{
	uint64_t f = flags_in(cpu), low = cpu->reg[REG_AX], high = 0;

	if (is_signed)
		__asm__ volatile("push %[f]; popfq; imulq %[v]; pushfq; pop %[f]"
				 : "+a"(low), "=d"(high), [f] "+r"(f)
				 : [v] "r"(value)
				 : "cc", "memory");
	else
		__asm__ volatile("push %[f]; popfq; mulq %[v]; pushfq; pop %[f]"
				 : "+a"(low), "=d"(high), [f] "+r"(f)
				 : [v] "r"(value)
				 : "cc", "memory");
	cpu->reg[REG_AX] = low;
	cpu->reg[REG_DX] = high;
	flags_out(cpu, f);
	return done(cpu, i);
}

/* 0xf6 and 0xf7: test, not, neg, mul. */
static bool unary_group(struct cpu *cpu, const struct insn *i, struct memory *m)
{
	unsigned nbytes = sized(i);
	uint64_t value;

	if (i->group < 2)
		return test(cpu, i, m, (uint64_t)i->immediate);
	if (!get_rm(cpu, i, m, nbytes, &value))
		return false;
	switch (i->group) {
	case 2:
		return set_rm(cpu, i, m, nbytes, ~value) && done(cpu, i);
	case 3:
		value = unary(cpu, NEG, nbytes, value);
		return set_rm(cpu, i, m, nbytes, value) && done(cpu, i);
	case 4:
	case 5:
		return nbytes == 8 && multiply(cpu, i, value, i->group == 5);
	default:
		return false;
	}
}

/* 0xfe and 0xff: inc, dec, call, jmp, push. */
static bool jump_group(struct cpu *cpu, const struct insn *i, struct memory *m)
{
	unsigned nbytes = i->group < 2 ? sized(i) : 8;
	uint64_t value;

	if (i->opcode == 0xfe && i->group >= 2)
		return false;
	if (!get_rm(cpu, i, m, nbytes, &value))
		return false;
	switch (i->group) {
	case 0:
	case 1:
		value = unary(cpu, i->group ? DEC : INC, nbytes, value);
		return set_rm(cpu, i, m, nbytes, value) && done(cpu, i);
	case 2:
		return call(cpu, i, m, value);
	case 4:
		cpu->ip = value;
		return true;
	case 6:
		return !i->opsize16 && push_then(cpu, i, m, value);
	default:
		return false;
	}
}

static bool move(struct cpu *cpu, const struct insn *i, struct memory *m)
{
	unsigned nbytes = sized(i);
	uint64_t value;

	if (i->opcode < 0x8a) /* to memory */
		return set_rm(cpu, i, m, nbytes, get_reg(cpu, i, i->reg, nbytes)) && done(cpu, i);
	if (!get_rm(cpu, i, m, nbytes, &value))
		return false;
	set_reg(cpu, i, i->reg, nbytes, value);
	return done(cpu, i);
}

static bool lea(struct cpu *cpu, const struct insn *i)
{
	struct insn plain = *i;

	plain.fs = plain.gs = false;
	set_reg(cpu, i, i->reg, operand_bytes(i), operand_address(cpu, &plain));
	return done(cpu, i);
}

static bool extend(struct cpu *cpu, const struct insn *i, struct memory *m, unsigned from,
		   bool is_signed)
{
	uint64_t value;

	if (!get_rm(cpu, i, m, from, &value))
		return false;
	set_reg(cpu, i, i->reg, operand_bytes(i),
		is_signed ? (uint64_t)extended(value, from) : value);
	return done(cpu, i);
}

static bool imul(struct cpu *cpu, const struct insn *i, struct memory *m, bool immediate)
{
	unsigned nbytes = operand_bytes(i);
	uint64_t value,
		other = immediate ? (uint64_t)i->immediate : get_reg(cpu, i, i->reg, nbytes);

	if (!get_rm(cpu, i, m, nbytes, &value))
		return false;
	set_reg(cpu, i, i->reg, nbytes,
		immediate ? bits(cpu, IMUL, nbytes, value, other)
			  : bits(cpu, IMUL, nbytes, other, value));
	return done(cpu, i);
}

/* One turn of movs or stos. */
static bool string(struct cpu *cpu, const struct insn *i, struct memory *m)
{
	unsigned nbytes = sized(i);
	uint64_t step = cpu->flags & DOWN ? -(uint64_t)nbytes : nbytes, value = cpu->reg[REG_AX];
	bool move = i->opcode < 0xa8;

	if (i->fs || i->gs)
		return false;
	if (i->rep && !cpu->reg[REG_CX])
		return done(cpu, i);
	if (move && !memory_read(m, cpu->reg[REG_SI], &value, nbytes))
		return false;
	if (!memory_write(m, cpu->reg[REG_DI], &value, nbytes))
		return false;
	cpu->reg[REG_DI] += step;
	cpu->reg[REG_SI] += move ? step : 0;
	return (i->rep && --cpu->reg[REG_CX]) || done(cpu, i);
}

/* cdqe and cqo. */
static bool extend_ax(struct cpu *cpu, const struct insn *i)
{
	unsigned nbytes = operand_bytes(i);
	uint64_t ax = get_reg(cpu, i, REG_AX, nbytes);

	if (i->opcode == 0x98)
		set_reg(cpu, i, REG_AX, nbytes, (uint64_t)extended(ax, nbytes / 2));
	else
		set_reg(cpu, i, REG_DX, nbytes, (uint64_t)(extended(ax, nbytes) >> 63));
	return done(cpu, i);
}

static bool jump(struct cpu *cpu, const struct insn *i, bool taken)
{
	cpu->ip += i->nbytes + (taken ? (uint64_t)i->immediate : 0);
	return true;
}

static bool one_byte(struct cpu *cpu, const struct insn *i, struct memory *m)
{
	uint8_t op = i->opcode;

	if (op < 0x40)
		return (op & 7) < 6 && basic_alu(cpu, i, m);
	switch (op) {
	case 0x63:
		return extend(cpu, i, m, 4, true);
	case 0x68:
	case 0x6a:
		return push_then(cpu, i, m, (uint64_t)i->immediate);
	case 0x69:
	case 0x6b:
		return imul(cpu, i, m, true);
	case 0x80:
	case 0x81:
	case 0x83:
		return alu_immediate(cpu, i, m);
	case 0x84:
	case 0x85:
		return test(cpu, i, m, get_reg(cpu, i, i->reg, sized(i)));
	case 0x86:
	case 0x87:
		return xchg(cpu, i, m);
	case 0x88:
	case 0x89:
	case 0x8a:
	case 0x8b:
		return move(cpu, i, m);
	case 0x8d:
		return lea(cpu, i);
	case 0x90:
		return !i->rex && done(cpu, i); /* nop, pause */
	case 0x98:
	case 0x99:
		return extend_ax(cpu, i);
	case 0xa4:
	case 0xa5:
	case 0xaa:
	case 0xab:
		return string(cpu, i, m);
	case 0xa8:
	case 0xa9:
		alu(cpu, AND, sized(i), cpu->reg[REG_AX], (uint64_t)i->immediate);
		return done(cpu, i);
	case 0xc0:
	case 0xc1:
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		return shift_group(cpu, i, m);
	case 0xc3:
		return ret(cpu, m);
	case 0xc6:
	case 0xc7:
		return i->group == 0 && set_rm(cpu, i, m, sized(i), (uint64_t)i->immediate) &&
		       done(cpu, i);
	case 0xc9:
		return leave(cpu, i, m);
	case 0xe8:
		return call(cpu, i, m, cpu->ip + i->nbytes + (uint64_t)i->immediate);
	case 0xe9:
	case 0xeb:
		return jump(cpu, i, true);
	case 0xf6:
	case 0xf7:
		return unary_group(cpu, i, m);
	case 0xfe:
	case 0xff:
		return jump_group(cpu, i, m);
	}
	if (op < 0x58 && op >= 0x50)
		return !i->opsize16 && push_then(cpu, i, m, cpu->reg[i->rm]);
	if (op < 0x60 && op >= 0x58)
		return pop_reg(cpu, i, m, i->rm);
	if (op >= 0x70 && op <= 0x7f)
		return jump(cpu, i, condition(cpu->flags, op & 15));
	if (op >= 0xb0 && op <= 0xbf) {
		set_reg(cpu, i, i->rm, op < 0xb8 ? 1 : operand_bytes(i), (uint64_t)i->immediate);
		return done(cpu, i);
	}
	return false;
}

/* ---- Opcodes behind 0x0f. */

static bool cmov(struct cpu *cpu, const struct insn *i, struct memory *m)
{
	unsigned nbytes = operand_bytes(i);
	uint64_t value;

	if (!get_rm(cpu, i, m, nbytes, &value))
		return false;
	if (!condition(cpu->flags, i->opcode & 15))
		value = get_reg(cpu, i, i->reg, nbytes);
	set_reg(cpu, i, i->reg, nbytes, value);
	return done(cpu, i);
}

static bool cmpxchg(struct cpu *cpu, const struct insn *i, struct memory *m)
{
	unsigned nbytes = sized(i);
	uint64_t value, expected = get_reg(cpu, i, REG_AX, nbytes);

	if (!get_rm(cpu, i, m, nbytes, &value))
		return false;
	if (value == expected) {
		if (!set_rm(cpu, i, m, nbytes, get_reg(cpu, i, i->reg, nbytes)))
			return false;
	} else {
		set_reg(cpu, i, REG_AX, nbytes, value);
	}
	alu(cpu, CMP, nbytes, expected, value);
	return done(cpu, i);
}

static bool xadd(struct cpu *cpu, const struct insn *i, struct memory *m)
{
	unsigned nbytes = sized(i);
	uint64_t value, sum;

	if (!get_rm(cpu, i, m, nbytes, &value))
		return false;
	sum = alu(cpu, ADD, nbytes, value, get_reg(cpu, i, i->reg, nbytes));
	if (i->has_memory && !set_rm(cpu, i, m, nbytes, sum))
		return false;
	set_reg(cpu, i, i->reg, nbytes, value);
	if (!i->has_memory)
		set_reg(cpu, i, i->rm, nbytes, sum);
	return done(cpu, i);
}

static bool bit_test(struct cpu *cpu, const struct insn *i, struct memory *m, unsigned which,
		     uint64_t bit)
{
	unsigned nbytes = operand_bytes(i);
	uint64_t value;

	if (!get_rm(cpu, i, m, nbytes, &value))
		return false;
	value = bits(cpu, BT + which, nbytes, value, bit);
	return (which == 0 || set_rm(cpu, i, m, nbytes, value)) && done(cpu, i);
}

static bool count_bits(struct cpu *cpu, const struct insn *i, struct memory *m, enum bits op)
{
	unsigned nbytes = operand_bytes(i);
	uint64_t value;

	if (!get_rm(cpu, i, m, nbytes, &value))
		return false;
	set_reg(cpu, i, i->reg, nbytes,
		bits(cpu, op, nbytes, get_reg(cpu, i, i->reg, nbytes), value));
	return done(cpu, i);
}

static bool map_0f(struct cpu *cpu, const struct insn *i, struct memory *m)
{
	uint8_t op = i->opcode;

	switch (op) {
	case 0x0d:
	case 0x18:
	case 0x1f:
		return done(cpu, i); /* prefetch, nop */
	case 0x1e:
		return done(cpu, i); /* endbr64 */
	case 0xa3:
	case 0xab:
	case 0xb3:
	case 0xbb: {
		unsigned nbytes = operand_bytes(i);

		return bit_test(cpu, i, m, op >> 3 & 3,
				get_reg(cpu, i, i->reg, nbytes) & (8 * nbytes - 1));
	}
	case 0xba:
		return i->group >= 4 && bit_test(cpu, i, m, i->group - 4, (uint64_t)i->immediate);
	case 0xaf:
		return imul(cpu, i, m, false);
	case 0xb0:
	case 0xb1:
		return cmpxchg(cpu, i, m);
	case 0xb6:
	case 0xb7:
		return extend(cpu, i, m, op & 1 ? 2 : 1, false);
	case 0xbe:
	case 0xbf:
		return extend(cpu, i, m, op & 1 ? 2 : 1, true);
	case 0xb8:
		return i->rep && count_bits(cpu, i, m, POPCNT);
	case 0xbc:
		return count_bits(cpu, i, m, i->rep ? TZCNT : BSF);
	case 0xbd:
		return count_bits(cpu, i, m, i->rep ? LZCNT : BSR);
	case 0xc0:
	case 0xc1:
		return xadd(cpu, i, m);
	}
	if (op >= 0x40 && op <= 0x4f)
		return cmov(cpu, i, m);
	if (op >= 0x80 && op <= 0x8f)
		return jump(cpu, i, condition(cpu->flags, op & 15));
	if (op >= 0x90 && op <= 0x9f)
		return set_rm(cpu, i, m, 1, condition(cpu->flags, op & 15)) && done(cpu, i);
	return false;
}

bool execute(struct cpu *cpu, const struct insn *i, struct memory *m)
{
	struct cpu before;
	bool ok;

	if (i->vex || i->map > MAP_0F || (i->repne && i->map == MAP_ONE))
		return false;
	before = *cpu;
	ok = i->map == MAP_ONE ? one_byte(cpu, i, m) : map_0f(cpu, i, m);
	if (!ok)
		*cpu = before;
	return ok;
}
