/* Rules of frames by return address; see frame_rules.h. */
#include "unwind/frame_rules.h"

#include "base/bits.h"

#include <string.h>

#define WORD	  ((intptr_t)sizeof(uintptr_t))
#define CFA_MOST  (INT16_MAX / 2 * WORD)
#define ROW_BITS  11
#define READ_MOST 64 /* bytes of an FDE that are compared */

static struct {
	uint64_t key; /* of code and object, mixed with rule; all atomic */
	uint64_t rule;
	uint64_t bytes; /* sum of the FDE's */
} rows[1 << ROW_BITS];

/* Where a register is saved, in words below the CFA; false: in no such place. */
static bool words_below(const struct cfi_row *row, uint64_t n, uint8_t *ret_words)
{
	intptr_t below = -row->values[n];

	if (row->rules[n] != CFI_AT_OFFSET || below <= 0 || below % WORD ||
	    below / WORD > UINT8_MAX)
		return false;
	*ret_words = (uint8_t)(below / WORD);
	return true;
}

static bool find_cfa(const struct cfi_row *row, int16_t *ret_cfa)
{
	bool by_frame = row->cfa_register == FRAME_REGISTER;
	intptr_t offset = row->cfa_offset;

	if (row->cfa_expression || (!by_frame && row->cfa_register != STACK_REGISTER) ||
	    offset % WORD || offset > CFA_MOST || offset < -CFA_MOST)
		return false;
	*ret_cfa = (int16_t)(offset / WORD * 2 + by_frame);
	return true;
}

bool frame_rule_of(const struct cfi_row *row, const struct cfi_about *about,
		   struct frame_rule *ret_rule)
{
	struct frame_rule rule = {.fde = 0};

	if (about->of_signal || about->return_register >= REGISTERS ||
	    row->rules[STACK_REGISTER] != CFI_SAME || !find_cfa(row, &rule.cfa))
		return false;
	if (row->rules[FRAME_REGISTER] != CFI_SAME &&
	    !words_below(row, FRAME_REGISTER, &rule.frame))
		return false;
	if (row->rules[about->return_register] != CFI_UNDEFINED &&
	    !words_below(row, about->return_register, &rule.code))
		return false;
	*ret_rule = rule;
	return true;
}

static size_t place_of(uintptr_t code)
{
	return code * SPREAD >> (64 - ROW_BITS);
}

/* The FDE's first bytes, its length among them. */
static uint64_t sum_of(const uint8_t *fde)
{
	uint64_t sum = 0, word;
	uint32_t length;

	memcpy(&length, fde, sizeof length);
	if (length > READ_MOST)
		length = READ_MOST;
	for (uint32_t i = 0; i + 4 <= length; i += 8) {
		memcpy(&word, fde + i, sizeof word);
		sum = (sum ^ word) * 0xbf58476d1ce4e5b9u;
		sum ^= sum >> 32;
	}
	return sum;
}

bool frame_rules_find(const struct mapped_object *o, uintptr_t code, struct frame_rule *ret_rule)
{
	size_t at = place_of(code);
	uint64_t word = load_relaxed(&rows[at].rule);
	struct frame_rule rule;

	if ((load_relaxed(&rows[at].key) ^ mix64(word)) != (code ^ o->number))
		return false;
	memcpy(&rule, &word, sizeof rule);
	if (load_relaxed(&rows[at].bytes) != sum_of(o->header + rule.fde))
		return false;
	*ret_rule = rule;
	return true;
}

void frame_rules_note(const struct mapped_object *o, uintptr_t code, struct frame_rule rule)
{
	size_t at = place_of(code);
	uint64_t word;

	memcpy(&word, &rule, sizeof word);
	store_relaxed(&rows[at].rule, word);
	store_relaxed(&rows[at].bytes, sum_of(o->header + rule.fde));
	store_relaxed(&rows[at].key, code ^ o->number ^ mix64(word));
}
