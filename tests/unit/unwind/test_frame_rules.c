/* Rules of plain frames: which frames are plain, and what a remembered rule still holds for. */
#include "unwind/frame_rules.h"

#include "test.h"

#include <string.h>

enum { RETURN = REGISTERS - 1 - (REGISTERS - 1 == STACK_REGISTER) };

/* What stands in for an object's tables: a header, and an FDE behind it. */
static struct {
	uint8_t header[64];
	uint8_t fde[32];
} tables;

static struct cfi_row row;
static struct cfi_about about;
static struct frame_rule rule;

/* CFA = stack pointer + 64; the frame pointer and the return address are saved below it. */
static void make_plain(void)
{
	memset(&row, 0, sizeof row);
	row.cfa_register = STACK_REGISTER;
	row.cfa_offset = 64;
	row.rules[FRAME_REGISTER] = row.rules[RETURN] = CFI_AT_OFFSET;
	row.values[FRAME_REGISTER] = -16;
	row.values[RETURN] = -8;
	about = (struct cfi_about){.return_register = RETURN};
}

static bool is_plain(void)
{
	bool plain = frame_rule_of(&row, &about, &rule);

	make_plain();
	return plain;
}

TEST(plain_frames)
{
	make_plain();
	EXPECT(is_plain() && rule.cfa == 16 && rule.frame == 2 && rule.code == 1);
	row.cfa_register = FRAME_REGISTER;
	row.cfa_offset = 16;
	EXPECT(is_plain() && rule.cfa == 5);
	row.rules[FRAME_REGISTER] = CFI_SAME;
	EXPECT(is_plain() && rule.frame == 0);
	row.rules[RETURN] = CFI_UNDEFINED;
	EXPECT(is_plain() && rule.code == 0);
}

TEST(frames_that_are_not)
{
	const uint8_t expression = 0;

	make_plain();
	row.cfa_expression = &expression;
	EXPECT(!is_plain());
	row.cfa_register = 3;
	EXPECT(!is_plain());
	row.cfa_offset = 60;
	EXPECT(!is_plain());
	row.cfa_offset = MIB;
	EXPECT(!is_plain());
	row.rules[FRAME_REGISTER] = CFI_IN_REGISTER;
	EXPECT(!is_plain());
	row.values[RETURN] = 8;
	EXPECT(!is_plain());
	row.values[FRAME_REGISTER] = -4096;
	EXPECT(!is_plain());
	row.rules[RETURN] = CFI_SAME;
	EXPECT(!is_plain());
	row.rules[STACK_REGISTER] = CFI_AT_OFFSET;
	EXPECT(!is_plain());
	about.of_signal = true;
	EXPECT(!is_plain());
}

static struct mapped_object object_of(uint64_t number)
{
	return (struct mapped_object){.header = tables.header, .number = number};
}

static void make_fde(uint8_t last)
{
	const uint32_t length = sizeof tables.fde - 4;

	memset(tables.fde, 7, sizeof tables.fde);
	memcpy(tables.fde, &length, sizeof length);
	tables.fde[sizeof tables.fde - 5] = last;
}

static void note(const struct mapped_object *o, uintptr_t code, int16_t cfa)
{
	frame_rules_note(o, code,
			 (struct frame_rule){.fde = (int32_t)(tables.fde - tables.header),
					     .cfa = cfa,
					     .frame = 2,
					     .code = 1});
}

TEST(what_is_remembered)
{
	struct mapped_object o = object_of(99), other = object_of(98);

	make_fde(1);
	EXPECT(!frame_rules_find(&o, 0x1234, &rule));
	note(&o, 0x1234, 10);
	note(&o, 0x5678, 20);
	EXPECT(frame_rules_find(&o, 0x1234, &rule) && rule.cfa == 10 && rule.code == 1);
	EXPECT(frame_rules_find(&o, 0x5678, &rule) && rule.cfa == 20 && rule.frame == 2);
	EXPECT(!frame_rules_find(&o, 0x1235, &rule));
	EXPECT(!frame_rules_find(&other, 0x1234, &rule));
}

/* As after a library was unloaded, and another version of it lies there. */
TEST(an_fde_that_changed)
{
	struct mapped_object o = object_of(7);

	make_fde(1);
	note(&o, 0x1234, 10);
	EXPECT(frame_rules_find(&o, 0x1234, &rule));
	make_fde(2);
	EXPECT(!frame_rules_find(&o, 0x1234, &rule));
}

/* Any number of places: each is found or not, and never with another one's rule. */
TEST(many_places)
{
	struct mapped_object o = object_of(3);
	int found = 0;

	make_fde(1);
	for (uintptr_t i = 0; i < 10000; i++)
		note(&o, 0x400000 + i * 5, (int16_t)i);
	for (uintptr_t i = 0; i < 10000; i++)
		if (frame_rules_find(&o, 0x400000 + i * 5, &rule)) {
			EXPECT_EQ(rule.cfa, (int16_t)i);
			found++;
		}
	EXPECT(found > 1000 && found <= 2048);
}
