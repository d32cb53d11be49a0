/* Call frame information; see cfi.h. */
#include "unwind/cfi.h"

#include "unwind/cfi_reader.h"

#define STATES 4 /* that instructions remember, one in another */

/* --- CIE and FDE ----------------------------------------------------------------------------- */

struct cie {
	struct reader instructions;
	struct cfi_about about;
	uint64_t code_unit;
	int64_t data_unit;
	uint8_t form;	/* of addresses in FDEs */
	bool has_sizes; /* an FDE has the length of what stands before its instructions */
};

/* What follows the length of a record, whose longer form is not known here. */
static struct reader record_at(const uint8_t *mem)
{
	struct reader r = {mem, mem + 4, false};
	uint64_t length = read_bytes(&r, 4);

	if (length == 0 || length >= 0xfffffff0)
		fail(&r);
	else
		r.end = r.at + length;
	return r;
}

/* Each letter of the augmentation says what stands there. */
static bool read_augmentation(struct cie *cie, const char *letters, struct reader *r)
{
	const uint8_t *end;
	uint64_t length;

	if (!letters[0])
		return true;
	if (letters[0] != 'z')
		return fail(r);
	cie->has_sizes = true;
	length = read_number(r);
	if (length > (uint64_t)(r->end - r->at))
		return fail(r);
	end = r->at + length;
	for (letters++; *letters && !r->failed; letters++) {
		if (*letters == 'R')
			cie->form = (uint8_t)read_bytes(r, 1);
		else if (*letters == 'L')
			read_bytes(r, 1);
		else if (*letters == 'P')
			read_address(r, (uint8_t)read_bytes(r, 1) & 0x7f);
		else if (*letters == 'S')
			cie->about.of_signal = true;
		else if (*letters != 'B') /* which says how return addresses are signed */
			break;
	}
	r->at = end;
	return !r->failed;
}

static bool read_cie(const uint8_t *mem, struct cie *ret_cie)
{
	struct reader r = record_at(mem);
	uint64_t id = read_bytes(&r, 4), version = read_bytes(&r, 1);
	const char *letters = (const char *)r.at;

	*ret_cie = (struct cie){.form = 0};
	if (id != 0 || (version != 1 && version != 3))
		return false;
	while (read_bytes(&r, 1))
		;
	ret_cie->code_unit = read_number(&r);
	ret_cie->data_unit = read_signed(&r);
	ret_cie->about.return_register = version == 1 ? read_bytes(&r, 1) : read_number(&r);
	if (r.failed || !read_augmentation(ret_cie, letters, &r))
		return false;
	ret_cie->instructions = r;
	return true;
}

/* --- instructions ---------------------------------------------------------------------------- */

struct machine {
	struct cfi_row row, initial; /* initial: behind the CIE's instructions */
	struct cfi_row states[STATES];
	unsigned depth;
	uintptr_t at, code; /* the row is of `at`; that of `code` is looked for */
	const struct cie *cie;
};

static void set_rule(struct machine *m, uint64_t n, enum cfi_rule rule, int64_t value)
{
	if (n >= REGISTERS) /* one that no address is in */
		return;
	m->row.rules[n] = rule;
	m->row.values[n] = (intptr_t)value;
}

static void restore_rule(struct machine *m, uint64_t n)
{
	if (n < REGISTERS)
		set_rule(m, n, m->initial.rules[n], m->initial.values[n]);
}

static void set_cfa(struct machine *m, uint64_t n, int64_t offset)
{
	m->row.cfa_expression = NULL;
	m->row.cfa_register = n;
	m->row.cfa_offset = (intptr_t)offset;
}

static int64_t read_offset(struct machine *m, struct reader *r)
{
	return (int64_t)read_number(r) * m->cie->data_unit;
}

static int64_t read_signed_offset(struct machine *m, struct reader *r)
{
	return read_signed(r) * m->cie->data_unit;
}

/* Those about a register, whose number comes first. */
static bool run_rule(struct machine *m, unsigned code, struct reader *r)
{
	uint64_t n = read_number(r);

	switch (code) {
	case 0x05: /* offset_extended */
		set_rule(m, n, CFI_AT_OFFSET, read_offset(m, r));
		break;
	case 0x06: /* restore_extended */
		restore_rule(m, n);
		break;
	case 0x07: /* undefined */
		set_rule(m, n, CFI_UNDEFINED, 0);
		break;
	case 0x08: /* same_value */
		set_rule(m, n, CFI_SAME, 0);
		break;
	case 0x09: /* register */
		set_rule(m, n, CFI_IN_REGISTER, (int64_t)read_number(r));
		break;
	case 0x10: /* expression */
		set_rule(m, n, CFI_AT_EXPRESSION, (intptr_t)skip_block(r));
		break;
	case 0x11: /* offset_extended_sf */
		set_rule(m, n, CFI_AT_OFFSET, read_signed_offset(m, r));
		break;
	case 0x14: /* val_offset */
		set_rule(m, n, CFI_IS_OFFSET, read_offset(m, r));
		break;
	case 0x15: /* val_offset_sf */
		set_rule(m, n, CFI_IS_OFFSET, read_signed_offset(m, r));
		break;
	case 0x16: /* val_expression */
		set_rule(m, n, CFI_IS_EXPRESSION, (intptr_t)skip_block(r));
		break;
	default:
		return fail(r);
	}
	return !r->failed;
}

static bool run_cfa(struct machine *m, unsigned code, struct reader *r)
{
	uint64_t n = m->row.cfa_register;

	switch (code) {
	case 0x0c: /* def_cfa */
		n = read_number(r);
		set_cfa(m, n, (int64_t)read_number(r));
		break;
	case 0x0d: /* def_cfa_register */
		set_cfa(m, read_number(r), m->row.cfa_offset);
		break;
	case 0x0e: /* def_cfa_offset */
		set_cfa(m, n, (int64_t)read_number(r));
		break;
	case 0x0f: /* def_cfa_expression */
		m->row.cfa_expression = skip_block(r);
		break;
	case 0x12: /* def_cfa_sf */
		n = read_number(r);
		set_cfa(m, n, read_signed_offset(m, r));
		break;
	default: /* 0x13, def_cfa_offset_sf */
		set_cfa(m, n, read_signed_offset(m, r));
	}
	return !r->failed;
}

static bool remember(struct machine *m, struct reader *r)
{
	if (m->depth == STATES)
		return fail(r);
	m->states[m->depth++] = m->row;
	return true;
}

static bool recall(struct machine *m, struct reader *r)
{
	if (!m->depth)
		return fail(r);
	m->row = m->states[--m->depth];
	return true;
}

/* Of an instruction that all of a byte says. */
static bool run_long(struct machine *m, unsigned code, struct reader *r)
{
	switch (code) {
	case 0x00: /* nop */
	case 0x2d: /* of aarch64: return addresses are signed from here on, or no more */
		return true;
	case 0x02: /* advance_loc1 and so on */
	case 0x03:
	case 0x04:
		m->at += read_bytes(r, 1u << (code - 0x02)) * m->cie->code_unit;
		return !r->failed;
	case 0x0a:
		return remember(m, r);
	case 0x0b:
		return recall(m, r);
	case 0x2e: /* GNU_args_size */
		read_number(r);
		return !r->failed;
	default:
		return code >= 0x0c && (code <= 0x0f || code == 0x12 || code == 0x13)
			       ? run_cfa(m, code, r)
			       : run_rule(m, code, r);
	}
}

/* Until the row of the code is reached. */
static bool run(struct machine *m, struct reader r)
{
	while (r.at < r.end && m->at <= m->code) {
		uint8_t byte = *r.at++, low = byte & 0x3f;

		if (byte >> 6 == 1)
			m->at += low * m->cie->code_unit;
		else if (byte >> 6 == 2)
			set_rule(m, low, CFI_AT_OFFSET, read_offset(m, &r));
		else if (byte >> 6 == 3)
			restore_rule(m, low);
		else if (!run_long(m, low, &r))
			return false;
	}
	return !r.failed;
}

bool cfi_row_of(const uint8_t *fde, uintptr_t code, struct cfi_row *ret_row,
		struct cfi_about *ret_about)
{
	struct reader r = record_at(fde);
	const uint8_t *here = r.at;
	uint64_t back = read_bytes(&r, 4), start, nbytes;
	struct cie cie;
	struct machine m;

	if (r.failed || !back || !read_cie(here - back, &cie))
		return false;
	start = read_address(&r, cie.form);
	nbytes = read_address(&r, cie.form & 0x0f);
	if (cie.has_sizes)
		skip_block(&r);
	if (r.failed || code - start >= nbytes)
		return false;
	m.row = (struct cfi_row){.cfa_register = REGISTERS};
	m.depth = 0;
	m.cie = &cie;
	m.at = m.code = code; /* there is no other row in a CIE */
	if (!run(&m, cie.instructions))
		return false;
	m.initial = m.row;
	m.at = start;
	if (!run(&m, r))
		return false;
	*ret_row = m.row;
	*ret_about = cie.about;
	return true;
}
