/* Stacks by call frame information; see unwind.h. */
#include "unwind/unwind.h"

#include "base/bits.h"
#include "os/libc.h"
#include "os/os.h"
#include "unwind/cfi.h"
#include "unwind/frame_rules.h"
#include "unwind/registers.h"

#include <string.h>

#define PLAIN_MOST (64 * KIB) /* bytes of a frame that counts as plain */

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

static size_t row_count(const uint8_t *header)
{
	return *(const uint32_t *)(header + 8);
}

static const struct table_row *rows_of(const uint8_t *header)
{
	return (const struct table_row *)(header + 12);
}

/* The FDE of the function that an address lies in or behind, and where that begins; NULL: none. */
static const uint8_t *find_in(const uint8_t *header, uintptr_t code, uintptr_t *ret_function)
{
	const struct table_row *rows = rows_of(header);
	size_t first = 0, end = row_count(header);
	intptr_t at = (intptr_t)(code - (uintptr_t)header);

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (rows[middle].code <= at)
			first = middle + 1;
		else
			end = middle;
	}
	if (!first)
		return NULL;
	*ret_function = (uintptr_t)header + (uintptr_t)(intptr_t)rows[first - 1].code;
	return header + rows[first - 1].fde;
}

/* False where code has no call frame information, or none with a table. */
static bool find_table(uintptr_t code, struct found_object *ret_found)
{
	return !load_relaxed(&find_object)((void *)code, ret_found) &&
	       has_table(ret_found->frame_header);
}

static const uint8_t *find_fde(uintptr_t code, uintptr_t *ret_function)
{
	struct found_object found;

	return find_table(code, &found) ? find_in(found.frame_header, code, ret_function) : NULL;
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

/* From a frame to its caller's; false: it is not found, or there is none: then `code` is 0. A
   return address lies behind the call, which may be the last instruction of its function; that of a
   signal handler is where the thread was. */
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

/* --- plain frames ---------------------------------------------------------------------------- */

/* Of the registers, those that rules for plain frames speak of. */
struct walk {
	uintptr_t code, stack, frame;
	uintptr_t end;		     /* of the stack */
	struct mapped_object object; /* that the code before was of */
};

enum passed { PASSED, NO_CALLER, NO_INFORMATION, NOT_PLAIN };

/* A number for an object that is another one's only if code and tables of both lie at the same
   addresses: of where the table lies, how long it is, and its first and last row. */
static uint64_t number_of(const uint8_t *header)
{
	size_t n = row_count(header);
	uint64_t first, last;

	if (!n)
		return 0;
	memcpy(&first, &rows_of(header)[0], sizeof first);
	memcpy(&last, &rows_of(header)[n - 1], sizeof last);
	return mix64((uintptr_t)header ^ mix64(n ^ mix64(first ^ mix64(last))));
}

static bool find_object_of(uintptr_t code, struct mapped_object *ret_object)
{
	struct found_object found;

	if (!find_table(code, &found))
		return false;
	*ret_object = (struct mapped_object){(uintptr_t)found.start,
					     (uintptr_t)found.end - (uintptr_t)found.start,
					     found.frame_header, number_of(found.frame_header)};
	return true;
}

static enum passed read_rule(const struct mapped_object *o, uintptr_t code,
			     struct frame_rule *ret_rule)
{
	uintptr_t function;
	const uint8_t *fde = find_in(o->header, code, &function);
	struct cfi_row row;
	struct cfi_about about;

	if (!fde || !cfi_row_of(fde, code, &row, &about))
		return NO_INFORMATION;
	if (!frame_rule_of(&row, &about, ret_rule))
		return NOT_PLAIN;
	ret_rule->fde = (int32_t)(fde - o->header);
	frame_rules_note(o, code, *ret_rule);
	return PASSED;
}

static enum passed find_rule(struct mapped_object *o, uintptr_t code, struct frame_rule *ret_rule)
{
	if (code - o->start >= o->nbytes && !find_object_of(code, o))
		return NO_INFORMATION;
	return frame_rules_find(o, code, ret_rule) ? PASSED : read_rule(o, code, ret_rule);
}

/* Reads nothing but what lies between the frame and its caller's, on the thread's stack. */
static enum passed apply_rule(struct walk *w, const struct frame_rule *rule)
{
	intptr_t words = rule->cfa >> 1;
	const uintptr_t *cfa = (const uintptr_t *)(rule->cfa & 1 ? w->frame : w->stack) + words;
	size_t room = (uintptr_t)cfa - w->stack;

	if (!rule->code)
		return NO_CALLER;
	if ((uintptr_t)cfa > w->end || room > PLAIN_MOST || room % sizeof *cfa ||
	    room < rule->code * sizeof *cfa || room < rule->frame * sizeof *cfa)
		return NOT_PLAIN;
	w->code = cfa[-rule->code] & CODE_BITS;
	if (rule->frame)
		w->frame = cfa[-rule->frame];
	w->stack = (uintptr_t)cfa;
	return w->code ? PASSED : NO_CALLER;
}

static enum passed pass(struct walk *w, uintptr_t code)
{
	struct frame_rule rule;
	enum passed passed = find_rule(&w->object, code, &rule);

	return passed == PASSED ? apply_rule(w, &rule) : passed;
}

/* A control block lies at the end of its thread's stack, but for the initial thread's. */
static uintptr_t stack_end(uintptr_t here)
{
	uintptr_t self = thread_self(), end = os_stack_end();

	return here < self ? self : here < end ? end : UINTPTR_MAX;
}

/* Return addresses as long as frames are plain, from the one on that `f` says; how many. */
static int pass_plain(const struct frame *f, void **ret_frames, int most, enum passed *ret_last)
{
	struct walk w = {.code = f->code,
			 .stack = f->registers[STACK_REGISTER],
			 .frame = f->registers[FRAME_REGISTER],
			 .end = stack_end(f->registers[STACK_REGISTER])};
	enum passed last = pass(&w, w.code);
	int n = 0;

	while (last == PASSED) {
		ret_frames[n++] = (void *)w.code;
		if (n == most)
			break;
		last = pass(&w, w.code - 1);
	}
	*ret_last = last;
	return n;
}

/* --- stacks ---------------------------------------------------------------------------------- */

static int pass_all(struct frame *f, void **ret_frames, int most)
{
	int n = 0;

	while (n < most && step(f))
		ret_frames[n++] = (void *)f->code;
	return n;
}

int unwind_stack(void **ret_frames, int most, bool *ret_whole)
{
	struct frame f = {.is_exact = true};
	enum passed last;
	int n;

	*ret_whole = false;
	if (!load_relaxed(&find_object) || most <= 0)
		return 0;
	f.code = registers_read(f.registers);
	n = pass_plain(&f, ret_frames, most, &last);
	*ret_whole = last == PASSED || last == NO_CALLER;
	if (last != NOT_PLAIN)
		return n;
	n = pass_all(&f, ret_frames, most);
	*ret_whole = n == most || !f.code;
	return n;
}

bool unwind_is_sigreturn(const void *frame)
{
	static const unsigned char code[] = SIGRETURN;
	size_t same = 0;

	while (same < sizeof code && ((const unsigned char *)frame)[same] == code[same])
		same++;
	return same == sizeof code;
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
