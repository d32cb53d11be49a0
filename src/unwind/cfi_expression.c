/* Expressions of call frame information, for a machine with a stack of numbers; see cfi.h. */
#include "unwind/cfi.h"

#include "unwind/cfi_reader.h"

#define OPERANDS 16

struct operands {
	uintptr_t of[OPERANDS];
	unsigned n;
};

static bool push(struct operands *s, uint64_t value)
{
	if (s->n == OPERANDS)
		return false;
	s->of[s->n++] = (uintptr_t)value;
	return true;
}

/* Those that take two, and push one. */
static bool combine(struct operands *s, unsigned code)
{
	uintptr_t a, b;

	if (s->n < 2)
		return false;
	b = s->of[--s->n];
	a = s->of[--s->n];
	switch (code) {
	case 0x1a:
		return push(s, a & b);
	case 0x1c:
		return push(s, a - b);
	case 0x21:
		return push(s, a | b);
	case 0x22:
		return push(s, a + b);
	case 0x24:
		return push(s, b < 64 ? a << b : 0);
	case 0x25:
		return push(s, b < 64 ? a >> b : 0);
	case 0x2a:
		return push(s, (intptr_t)a >= (intptr_t)b);
	default:
		return false;
	}
}

static bool compute(struct operands *s, unsigned code, struct reader *r, const struct frame *f)
{
	if (code >= 0x30 && code <= 0x4f) /* lit0 and so on */
		return push(s, code - 0x30);
	if (code >= 0x70 && code <= 0x8f) /* breg0 and so on */
		return code - 0x70 < REGISTERS &&
		       push(s, f->registers[code - 0x70] + (uint64_t)read_signed(r));
	if (code >= 0x08 && code <= 0x0f) { /* const1u, const1s, const2u and so on */
		unsigned size = 1u << (code - 0x08) / 2;

		return push(s,
			    code & 1 ? (uint64_t)read_signed_bytes(r, size) : read_bytes(r, size));
	}
	if (code == 0x06 && s->n) { /* deref */
		s->of[s->n - 1] = *(const uintptr_t *)s->of[s->n - 1];
		return true;
	}
	if (code == 0x23 && s->n) { /* plus_uconst */
		s->of[s->n - 1] += (uintptr_t)read_number(r);
		return true;
	}
	return combine(s, code);
}

bool cfi_evaluate(const uint8_t *expression, const struct frame *f, const uintptr_t *first,
		  uintptr_t *ret_value)
{
	struct reader r = {expression, expression + 10, false};
	struct operands s = {.n = 0};
	uint64_t length = read_number(&r);

	r.end = r.at + length;
	if (first)
		push(&s, *first);
	while (r.at < r.end) {
		unsigned code = *r.at++;

		if (!compute(&s, code, &r, f) || r.failed)
			return false;
	}
	if (!s.n)
		return false;
	*ret_value = s.of[s.n - 1];
	return true;
}
