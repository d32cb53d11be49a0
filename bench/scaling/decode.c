#include "decode.h"

#include <string.h>

enum { VEX = 1, EVEX = 2, VECTOR_BYTES = 16 };

/* Where decoding is. */
struct cursor {
	const uint8_t *bytes;
	unsigned at;
	uint8_t rex_r, rex_x, rex_b; /* 8 or 0: the fourth bits of register numbers */
	uint8_t vector_bytes;
};

static uint8_t next(struct cursor *c)
{
	return c->at < INSN_MAX ? c->bytes[c->at++] : 0;
}

static int64_t next_signed(struct cursor *c, unsigned nbytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < nbytes; i++)
		value |= (uint64_t)next(c) << 8 * i;
	return nbytes && nbytes < 8 ? (int64_t)(value << (64 - 8 * nbytes)) >> (64 - 8 * nbytes)
				    : (int64_t)value;
}

/* ---- Prefixes and the opcode. */

static uint8_t legacy_prefixes(struct insn *i, struct cursor *c)
{
	for (;;) {
		uint8_t byte = next(c);

		switch (byte) {
		case 0x66:
			i->opsize16 = true;
			break;
		case 0xf0:
			i->lock = true;
			break;
		case 0xf2:
			i->repne = true;
			break;
		case 0xf3:
			i->rep = true;
			break;
		case 0x64:
			i->fs = true;
			break;
		case 0x65:
			i->gs = true;
			break;
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x26:
			break;
		default:
			return byte;
		}
	}
}

static void simple_prefix(struct insn *i, uint8_t pp)
{
	i->opsize16 |= pp == 1;
	i->rep |= pp == 2;
	i->repne |= pp == 3;
}

static void vex2(struct insn *i, struct cursor *c)
{
	uint8_t a = next(c);

	i->vex = VEX;
	i->map = MAP_0F;
	c->rex_r = a & 0x80 ? 0 : 8;
	c->vector_bytes = a & 4 ? 32 : 16;
	simple_prefix(i, a & 3);
}

static void vex3(struct insn *i, struct cursor *c)
{
	uint8_t a = next(c), b = next(c);

	i->vex = VEX;
	i->map = a & 0x1f;
	c->rex_r = a & 0x80 ? 0 : 8;
	c->rex_x = a & 0x40 ? 0 : 8;
	c->rex_b = a & 0x20 ? 0 : 8;
	i->wide = b & 0x80;
	c->vector_bytes = b & 4 ? 32 : 16;
	simple_prefix(i, b & 3);
}

static void evex(struct insn *i, struct cursor *c)
{
	uint8_t a = next(c), b = next(c), d = next(c);

	i->vex = EVEX;
	i->map = a & 7;
	c->rex_r = a & 0x80 ? 0 : 8;
	c->rex_x = a & 0x40 ? 0 : 8;
	c->rex_b = a & 0x20 ? 0 : 8;
	i->wide = b & 0x80;
	c->vector_bytes = (uint8_t)(16 << (d >> 5 & 3));
	simple_prefix(i, b & 3);
}

static void read_opcode(struct insn *i, struct cursor *c)
{
	uint8_t byte = legacy_prefixes(i, c);

	c->vector_bytes = VECTOR_BYTES;
	if ((byte & 0xf0) == 0x40) {
		i->rex = true;
		i->wide = byte & 8;
		c->rex_r = byte & 4 ? 8 : 0;
		c->rex_x = byte & 2 ? 8 : 0;
		c->rex_b = byte & 1 ? 8 : 0;
		byte = next(c);
	}
	if (byte == 0xc5) {
		vex2(i, c);
	} else if (byte == 0xc4) {
		vex3(i, c);
	} else if (byte == 0x62) {
		evex(i, c);
	} else if (byte == 0x0f) {
		byte = next(c);
		i->map = byte == 0x38 ? MAP_0F38 : byte == 0x3a ? MAP_0F3A : MAP_0F;
		if (i->map == MAP_0F) {
			i->opcode = byte;
			return;
		}
	} else {
		i->opcode = byte;
		return;
	}
	i->opcode = next(c);
}

/* ---- ModRM, SIB and displacement. */

static bool one_byte_has_modrm(uint8_t op)
{
	return (op < 0x40 && (op & 7) < 4) || op == 0x63 || op == 0x69 || op == 0x6b ||
	       (op >= 0x80 && op <= 0x8f) || op == 0xc0 || op == 0xc1 || op == 0xc6 || op == 0xc7 ||
	       (op >= 0xd0 && op <= 0xd3) || (op >= 0xd8 && op <= 0xdf) || op == 0xf6 ||
	       op == 0xf7 || op >= 0xfe;
}

static bool map_0f_has_modrm(uint8_t op)
{
	return !((op >= 0x05 && op <= 0x0b) || (op >= 0x30 && op <= 0x37) || op == 0x77 ||
		 (op >= 0x80 && op <= 0x8f) || (op >= 0xa0 && op <= 0xa2) ||
		 (op >= 0xa8 && op <= 0xaa) || (op >= 0xc8 && op <= 0xcf));
}

static bool has_modrm(const struct insn *i)
{
	if (i->map == MAP_ONE)
		return one_byte_has_modrm(i->opcode);
	return i->map != MAP_0F || map_0f_has_modrm(i->opcode);
}

static void read_sib(struct insn *i, struct cursor *c, uint8_t mod)
{
	uint8_t sib = next(c);

	i->shift = sib >> 6;
	i->index = (sib >> 3 & 7) | c->rex_x;
	i->base = (sib & 7) | c->rex_b;
	if (i->index == REG_SP)
		i->index = REG_NONE;
	if ((sib & 7) == 5 && mod == 0) {
		i->base = REG_NONE;
		i->displacement = next_signed(c, 4);
	}
}

static void read_modrm(struct insn *i, struct cursor *c)
{
	uint8_t byte = next(c), mod = byte >> 6, rm = byte & 7;

	i->has_modrm = true;
	i->group = byte >> 3 & 7;
	i->reg = i->group | c->rex_r;
	i->rm = rm | c->rex_b;
	if (mod == 3)
		return;
	i->has_memory = true;
	i->base = i->rm;
	if (rm == REG_SP) {
		read_sib(i, c, mod);
	} else if (mod == 0 && rm == 5) {
		i->base = REG_NONE;
		i->relative = true;
		i->displacement = next_signed(c, 4);
	}
	if (mod == 1)
		i->displacement = next_signed(c, 1) * (i->vex == EVEX ? c->vector_bytes : 1);
	else if (mod == 2)
		i->displacement = next_signed(c, 4);
}

/* ---- Immediates. */

static unsigned long_immediate(const struct insn *i)
{
	return i->opsize16 && !i->wide ? 2 : 4;
}

static unsigned one_byte_immediate(const struct insn *i)
{
	uint8_t op = i->opcode;

	if (op < 0x40)
		return (op & 7) == 4 ? 1 : (op & 7) == 5 ? long_immediate(i) : 0;
	if (op == 0x68 || op == 0x69 || op == 0x81 || op == 0xa9 || op == 0xc7)
		return long_immediate(i);
	if (op == 0xe8 || op == 0xe9)
		return 4;
	if (op == 0x6a || op == 0x6b || (op >= 0x70 && op <= 0x80) || op == 0x83 || op == 0xa8 ||
	    (op >= 0xb0 && op <= 0xb7) || op == 0xc0 || op == 0xc1 || op == 0xc6 || op == 0xcd ||
	    (op >= 0xe0 && op <= 0xe7) || op == 0xeb)
		return 1;
	if (op >= 0xb8 && op <= 0xbf)
		return i->wide ? 8 : long_immediate(i);
	if (op == 0xf6 || op == 0xf7)
		return i->group > 1 ? 0 : op == 0xf6 ? 1 : long_immediate(i);
	if (op >= 0xa0 && op <= 0xa3)
		return 8;
	return op == 0xc2 ? 2 : 0;
}

static unsigned map_0f_immediate(uint8_t op)
{
	if (op >= 0x80 && op <= 0x8f)
		return 4;
	return (op >= 0x70 && op <= 0x73) || op == 0xa4 || op == 0xac || op == 0xba || op == 0xc2 ||
	       op == 0xc4 || op == 0xc5 || op == 0xc6;
}

static unsigned immediate_bytes(const struct insn *i)
{
	switch (i->map) {
	case MAP_ONE:
		return one_byte_immediate(i);
	case MAP_0F:
		return map_0f_immediate(i->opcode);
	default:
		return i->map == MAP_0F3A;
	}
}

/* ---- What is done to the memory operand. */

static unsigned operand_bytes(const struct insn *i)
{
	return i->wide ? 8 : i->opsize16 ? 2 : 4;
}

static enum access_kind one_byte_kind(const struct insn *i)
{
	uint8_t op = i->opcode, group = i->group;

	if (op < 0x40)
		return (op & 2) || op >= 0x38 ? ACCESS_READ : ACCESS_BOTH;
	switch (op) {
	case 0x80:
	case 0x81:
	case 0x83:
		return group == 7 ? ACCESS_READ : ACCESS_BOTH;
	case 0x86:
	case 0x87:
	case 0xc0:
	case 0xc1:
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		return ACCESS_BOTH;
	case 0x88:
	case 0x89:
	case 0x8c:
	case 0x8f:
	case 0xc6:
	case 0xc7:
		return ACCESS_WRITE;
	case 0x8d:
		return ACCESS_NONE;
	case 0xd9:
	case 0xdd:
		return group == 2 || group == 3 || group == 7 ? ACCESS_WRITE : ACCESS_READ;
	case 0xdb:
	case 0xdf:
		return group == 0 || group == 5 ? ACCESS_READ : ACCESS_WRITE;
	case 0xf6:
	case 0xf7:
		return group == 2 || group == 3 ? ACCESS_BOTH : ACCESS_READ;
	case 0xfe:
	case 0xff:
		return group < 2 ? ACCESS_BOTH : ACCESS_READ;
	default:
		return ACCESS_READ;
	}
}

static enum access_kind map_0f_kind(const struct insn *i)
{
	uint8_t op = i->opcode, group = i->group;

	if (op >= 0x90 && op <= 0x9f)
		return ACCESS_WRITE;
	switch (op) {
	case 0x0d:
	case 0x18:
	case 0x19:
	case 0x1a:
	case 0x1b:
	case 0x1c:
	case 0x1d:
	case 0x1e:
	case 0x1f:
		return ACCESS_NONE;
	case 0x11:
	case 0x13:
	case 0x17:
	case 0x29:
	case 0x2b:
	case 0x7f:
	case 0xc3:
	case 0xd6:
	case 0xe7:
		return ACCESS_WRITE;
	case 0x7e:
		return i->rep ? ACCESS_READ : ACCESS_WRITE;
	case 0xae:
		return group == 1 || group == 2 || group == 5 ? ACCESS_READ : ACCESS_WRITE;
	case 0xba:
		return group == 4 ? ACCESS_READ : ACCESS_BOTH;
	case 0xa4:
	case 0xa5:
	case 0xab:
	case 0xac:
	case 0xad:
	case 0xb0:
	case 0xb1:
	case 0xb3:
	case 0xbb:
	case 0xc0:
	case 0xc1:
	case 0xc7:
		return ACCESS_BOTH;
	default:
		return ACCESS_READ;
	}
}

static enum access_kind kind_of(const struct insn *i)
{
	uint8_t op = i->opcode;

	switch (i->map) {
	case MAP_ONE:
		return one_byte_kind(i);
	case MAP_0F:
		return map_0f_kind(i);
	case MAP_0F38:
		return (!i->vex && op == 0xf1 && !i->repne) ||
				       (i->vex && (op == 0x2e || op == 0x2f || op == 0x8e))
			       ? ACCESS_WRITE
			       : ACCESS_READ;
	default:
		return (op >= 0x14 && op <= 0x17) || op == 0x19 || op == 0x39 || op == 0x1d
			       ? ACCESS_WRITE
			       : ACCESS_READ;
	}
}

static bool is_byte_operation(const struct insn *i)
{
	uint8_t op = i->opcode;

	if (i->map == MAP_0F)
		return (op >= 0x90 && op <= 0x9f) || op == 0xb0 || op == 0xb6 || op == 0xbe ||
		       op == 0xc0;
	if (i->map != MAP_ONE)
		return false;
	return (op < 0x40 && !(op & 1)) || op == 0x80 || op == 0x84 || op == 0x86 || op == 0x88 ||
	       op == 0x8a || op == 0xc0 || op == 0xc6 || op == 0xd0 || op == 0xd2 || op == 0xf6 ||
	       op == 0xfe;
}

static bool is_vector_operation(const struct insn *i)
{
	uint8_t op = i->opcode;

	if (i->vex || i->map != MAP_0F)
		return i->vex || i->map != MAP_ONE;
	return (op >= 0x10 && op <= 0x17) || (op >= 0x28 && op <= 0x2f) ||
	       (op >= 0x50 && op <= 0x7f) || op == 0xc2 || (op >= 0xc4 && op <= 0xc6) || op >= 0xd0;
}

/* Bytes of a vector operation's operand: a number of single or double precision has its own. */
static unsigned vector_bytes(const struct insn *i, const struct cursor *c)
{
	uint8_t op = i->opcode;

	if (i->map != MAP_0F)
		return i->map == MAP_0F38 && op >= 0xf0 ? operand_bytes(i) : c->vector_bytes;
	if (op == 0x6e || (op == 0x7e && !i->rep))
		return i->wide ? 8 : 4;
	if ((op & 0xfe) == 0x12 || (op & 0xfe) == 0x16 || op == 0x7e || op == 0xd6)
		return 8;
	if (op == 0x6f || op == 0x7f || op == 0xf0)
		return c->vector_bytes;
	return i->rep ? 4 : i->repne ? 8 : c->vector_bytes;
}

static unsigned memory_bytes(const struct insn *i, const struct cursor *c)
{
	uint8_t op = i->opcode;

	if (is_byte_operation(i))
		return 1;
	if (is_vector_operation(i))
		return vector_bytes(i, c);
	if (i->map == MAP_0F && (op == 0xb7 || op == 0xbf))
		return 2;
	if (i->map == MAP_0F && op == 0xc7)
		return i->wide ? 16 : 8;
	if (i->map == MAP_ONE && op == 0x63)
		return 4;
	if (i->map == MAP_ONE && (op == 0x8f || (op == 0xff && i->group >= 2)))
		return 8;
	return operand_bytes(i);
}

static bool is_xchg(const struct insn *i)
{
	return i->map == MAP_ONE && (i->opcode == 0x86 || i->opcode == 0x87);
}

bool decode(struct insn *i, const uint8_t bytes[INSN_MAX])
{
	struct cursor c = {.bytes = bytes};

	memset(i, 0, sizeof *i);
	i->base = i->index = REG_NONE;
	read_opcode(i, &c);
	if (i->map > MAP_0F3A)
		return false;
	if (has_modrm(i))
		read_modrm(i, &c);
	else
		i->rm = (i->opcode & 7) | c.rex_b;
	i->nbytes_imm = (uint8_t)immediate_bytes(i);
	i->immediate = next_signed(&c, i->nbytes_imm);
	i->nbytes = (uint8_t)c.at;
	if (i->has_memory) {
		i->kind = (uint8_t)kind_of(i);
		i->nbytes_mem = (uint8_t)memory_bytes(i, &c);
		i->atomic = i->kind == ACCESS_BOTH && (i->lock || is_xchg(i));
	}
	return true;
}
