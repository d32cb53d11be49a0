/* Stacks by call frame information; see unwind.h. */
#include "os/unwind.h"

#include "os/cfi.h"
#include "os/libc.h"
#include "os/registers.h"

/* As libc has it. */
struct found_object {
	unsigned long long flags;
	void *start, *end;
	struct link_map *map;
	const uint8_t *frame_header; /* .eh_frame_hdr; NULL: none */
	unsigned long long reserved[8];
};

static int (*find_object)(void *code, struct found_object *ret_found); /* atomic */

bool unwind_start(void)
{
	int (*found)(void *, struct found_object *);

	libc_find(&found, "_dl_find_object");
	store_relaxed(&find_object, found);
	return found;
}

/* --- .eh_frame_hdr --------------------------------------------------------------------------- */

struct table_row {
	int32_t code, fde; /* relative to the header */
};

/* What linkers write: version 1; the address of .eh_frame, 4 bytes, relative to itself; the count,
   4 bytes; the table, 4 bytes each, relative to the header. */
static bool has_table(const uint8_t *header)
{
	return header && header[0] == 1 && header[1] == 0x1b && header[2] == 0x03 &&
	       header[3] == 0x3b;
}

/* The FDE of the function that an address lies in or behind, and where that begins; NULL: none. */
static const uint8_t *find_fde(uintptr_t code, uintptr_t *ret_function)
{
	struct found_object found;
	const struct table_row *rows;
	size_t first = 0, end;
	intptr_t at;

	if (load_relaxed(&find_object)((void *)code, &found) || !has_table(found.frame_header))
		return NULL;
	rows = (const struct table_row *)(found.frame_header + 12);
	end = *(const uint32_t *)(found.frame_header + 8);
	at = (intptr_t)(code - (uintptr_t)found.frame_header);
	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (rows[middle].code <= at)
			first = middle + 1;
		else
			end = middle;
	}
	if (!first)
		return NULL;
	*ret_function = (uintptr_t)found.frame_header + (uintptr_t)(intptr_t)rows[first - 1].code;
	return found.frame_header + rows[first - 1].fde;
}

/* --- frames ---------------------------------------------------------------------------------- */

/* Where the registers of a caller are, as a rule says. */
static bool apply(const struct frame *f, unsigned n, const struct cfi_row *row, uintptr_t cfa,
		  uintptr_t *ret_value)
{
	intptr_t value = row->values[n];
	uintptr_t at;

	switch (row->rules[n]) {
	case CFI_SAME:
		*ret_value = f->registers[n];
		return true;
	case CFI_AT_OFFSET:
		*ret_value = *(const uintptr_t *)(cfa + (uintptr_t)value);
		return true;
	case CFI_IS_OFFSET:
		*ret_value = cfa + (uintptr_t)value;
		return true;
	case CFI_IN_REGISTER:
		*ret_value = (size_t)value < REGISTERS ? f->registers[value] : 0;
		return true;
	case CFI_AT_EXPRESSION:
		if (!cfi_evaluate((const uint8_t *)value, f, &cfa, &at))
			return false;
		*ret_value = *(const uintptr_t *)at;
		return true;
	case CFI_IS_EXPRESSION:
		return cfi_evaluate((const uint8_t *)value, f, &cfa, ret_value);
	default: /* CFI_UNDEFINED */
		*ret_value = 0;
		return true;
	}
}

static bool find_cfa(const struct frame *f, const struct cfi_row *row, uintptr_t *ret_cfa)
{
	if (row->cfa_expression)
		return cfi_evaluate(row->cfa_expression, f, NULL, ret_cfa);
	if (row->cfa_register >= REGISTERS)
		return false;
	*ret_cfa = f->registers[row->cfa_register] + (uintptr_t)row->cfa_offset;
	return true;
}

/* Stacks grow down; one that a signal handler runs on may lie anywhere. */
static bool is_above(uintptr_t cfa, const struct frame *f, bool of_signal)
{
	return cfa % sizeof(uintptr_t) == 0 && (of_signal || cfa >= f->registers[STACK_REGISTER]);
}

/* From a frame to its caller's; false: there is none. A return address lies behind the call, which
   may be the last instruction of its function; that of a signal handler is where the thread was. */
static bool step(struct frame *f)
{
	uintptr_t function, cfa;
	const uint8_t *fde = find_fde(f->code - !f->is_exact, &function);
	struct frame caller = {.code = 0};
	struct cfi_row row;
	struct cfi_about about;

	if (!fde || !cfi_row_of(fde, f->code - !f->is_exact, &row, &about) ||
	    !find_cfa(f, &row, &cfa) || !is_above(cfa, f, about.of_signal))
		return false;
	for (unsigned n = 0; n < REGISTERS; n++)
		if (!apply(f, n, &row, cfa, &caller.registers[n]))
			return false;
	if (row.rules[STACK_REGISTER] == CFI_SAME)
		caller.registers[STACK_REGISTER] = cfa;
	if (about.return_register >= REGISTERS)
		return false;
	caller.code = caller.registers[about.return_register] & CODE_BITS;
	caller.is_exact = about.of_signal;
	*f = caller;
	return caller.code != 0;
}

int unwind_stack(void **ret_frames, int most)
{
	struct frame f = {.is_exact = true};
	int n = 0;

	if (!load_relaxed(&find_object))
		return 0;
	f.code = registers_read(f.registers);
	while (n < most && step(&f))
		ret_frames[n++] = (void *)f.code;
	return n;
}

bool unwind_to_exit(struct frame *ret_frame)
{
	uintptr_t exit = libc_function("exit"), quick_exit = libc_function("quick_exit");
	struct frame f = {.is_exact = true};
	uintptr_t function = 0;

	if (!unwind_start())
		return false;
	f.code = registers_read(f.registers);
	while (step(&f)) {
		if (function && (function == exit || function == quick_exit)) {
			*ret_frame = f;
			return true;
		}
		if (!find_fde(f.code - !f.is_exact, &function))
			return false;
	}
	return false;
}
