/* Call frame information: each instruction, and what is refused. */
#include "unwind/cfi.h"

#include "test.h"

#include <string.h>

#define CODE	  ((uintptr_t)0x10000)
#define CODE_SIZE 0x100

/* A CIE of augmentation "zR" with addresses in full, and one FDE with the bytes under test. */
struct records {
	uint8_t cie[24];
	uint8_t fde[200];
} __attribute__((aligned(8)));

static struct records records;

static void put(uint8_t *at, uint64_t value, size_t nbytes)
{
	memcpy(at, &value, nbytes);
}

/* CIE: code unit 4, data unit -8, return address in register 16; CFA = register 7 + 8, that
   register saved at CFA - 8. */
static void make(const char *letters, const uint8_t *instructions, size_t n)
{
	static const uint8_t rest[] = {4, 0x78, 16, 1, 0x00, 0x0c, 7, 8, 0x90, 1, 0};

	memset(&records, 0, sizeof records);
	put(records.cie, sizeof records.cie - 4, 4);
	records.cie[8] = 1;
	memcpy(records.cie + 9, letters, 3);
	memcpy(records.cie + 12, rest, sizeof rest);
	put(records.fde, 4 + 16 + 1 + n, 4);
	put(records.fde + 4, (uint64_t)(records.fde + 4 - records.cie), 4);
	put(records.fde + 8, CODE, 8);
	put(records.fde + 16, CODE_SIZE, 8);
	memcpy(records.fde + 25, instructions, n);
}

static struct cfi_row row;
static struct cfi_about about;

static bool read_at(uintptr_t code)
{
	return cfi_row_of(records.fde, code, &row, &about);
}

/* The row behind instructions; the last byte is no nop. */
static bool row_of(const uint8_t *instructions, size_t n)
{
	make("zR", instructions, n);
	return read_at(CODE + CODE_SIZE - 1);
}

#define ROW_OF(...) row_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

TEST(what_the_cie_says_holds)
{
	EXPECT(ROW_OF(0));
	EXPECT_EQ(about.return_register, 16);
	EXPECT(!about.of_signal);
	EXPECT_EQ(row.cfa_register, 7);
	EXPECT_EQ(row.cfa_offset, 8);
	EXPECT_EQ(row.rules[16], CFI_AT_OFFSET);
	EXPECT_EQ(row.values[16], -8);
	EXPECT_EQ(row.rules[3], CFI_SAME);
}

TEST(an_fde_is_of_its_code_alone)
{
	make("zR", (const uint8_t[]){0}, 1);
	EXPECT(read_at(CODE));
	EXPECT(!read_at(CODE - 1));
	EXPECT(!read_at(CODE + CODE_SIZE));
}

TEST(rows_begin_where_the_code_advances)
{
	/* def_cfa_offset 16 from 4 on, 24 from 8 on, 32 from 0x48 on, 40 from 0x88 on */
	make("zR",
	     (const uint8_t[]){0x41, 0x0e, 16, 0x02, 1, 0x0e, 24, 0x03, 16, 0, 0x0e, 32, 0x04, 16,
			       0, 0, 0, 0x0e, 40},
	     19);
	EXPECT(read_at(CODE + 3) && row.cfa_offset == 8);
	EXPECT(read_at(CODE + 4) && row.cfa_offset == 16);
	EXPECT(read_at(CODE + 8) && row.cfa_offset == 24);
	EXPECT(read_at(CODE + 0x47) && row.cfa_offset == 24);
	EXPECT(read_at(CODE + 0x48) && row.cfa_offset == 32);
	EXPECT(read_at(CODE + 0x88) && row.cfa_offset == 40);
}

TEST(rules_of_registers)
{
	EXPECT(ROW_OF(0x83, 2) && row.rules[3] == CFI_AT_OFFSET && row.values[3] == -16);
	EXPECT(ROW_OF(0x05, 3, 3) && row.rules[3] == CFI_AT_OFFSET && row.values[3] == -24);
	EXPECT(ROW_OF(0x11, 3, 0x7f) && row.rules[3] == CFI_AT_OFFSET && row.values[3] == 8);
	EXPECT(ROW_OF(0x14, 3, 1) && row.rules[3] == CFI_IS_OFFSET && row.values[3] == -8);
	EXPECT(ROW_OF(0x15, 3, 0x7f) && row.rules[3] == CFI_IS_OFFSET && row.values[3] == 8);
	EXPECT(ROW_OF(0x07, 16) && row.rules[16] == CFI_UNDEFINED);
	EXPECT(ROW_OF(0x08, 16) && row.rules[16] == CFI_SAME);
	EXPECT(ROW_OF(0x09, 16, 3) && row.rules[16] == CFI_IN_REGISTER && row.values[16] == 3);
	EXPECT(ROW_OF(0x10, 3, 1, 0x35) && row.rules[3] == CFI_AT_EXPRESSION);
	EXPECT(ROW_OF(0x16, 3, 1, 0x35) && row.rules[3] == CFI_IS_EXPRESSION);
	EXPECT(ROW_OF(0x07, 16, 0xd0) && row.rules[16] == CFI_AT_OFFSET); /* restored */
	EXPECT(ROW_OF(0x07, 16, 0x06, 16) && row.values[16] == -8);
	EXPECT(ROW_OF(0xbf, 2, 0x05, 0x90, 0x01, 1)); /* registers that hold no address */
}

TEST(rules_of_the_cfa)
{
	EXPECT(ROW_OF(0x0c, 6, 16) && row.cfa_register == 6 && row.cfa_offset == 16);
	EXPECT(ROW_OF(0x0d, 6) && row.cfa_register == 6 && row.cfa_offset == 8);
	EXPECT(ROW_OF(0x12, 6, 0x7e) && row.cfa_register == 6 && row.cfa_offset == 16);
	EXPECT(ROW_OF(0x13, 0x7d) && row.cfa_register == 7 && row.cfa_offset == 24);
	EXPECT(ROW_OF(0x0f, 1, 0x35) && row.cfa_expression);
	EXPECT(ROW_OF(0x0f, 1, 0x35, 0x0c, 6, 0x80, 1) && !row.cfa_expression);
	EXPECT_EQ(row.cfa_offset, 128);
	EXPECT(ROW_OF(0x0a, 0x0e, 99, 0x07, 16, 0x0b) && row.cfa_offset == 8 &&
	       row.rules[16] == CFI_AT_OFFSET);
	EXPECT(ROW_OF(0x2e, 16, 0x2d, 0x0e, 48) && row.cfa_offset == 48); /* read over */
}

TEST(letters_of_the_cie)
{
	make("zS", (const uint8_t[]){0}, 1);
	EXPECT(read_at(CODE) && about.of_signal);
	make("zQ", (const uint8_t[]){0}, 1); /* the length says where it ends */
	EXPECT(read_at(CODE) && row.cfa_offset == 8);
	make("eh", (const uint8_t[]){0}, 1);
	EXPECT(!read_at(CODE));
}

TEST(what_is_not_known_or_whole_is_refused)
{
	EXPECT(!ROW_OF(0x3f, 1));
	EXPECT(!ROW_OF(0x0b)); /* nothing is remembered */
	EXPECT(ROW_OF(0x0a, 0x0a, 0x0a, 0x0a));
	EXPECT(!ROW_OF(0x0a, 0x0a, 0x0a, 0x0a, 0x0a)); /* too much */
	EXPECT(!ROW_OF(0x0e));
	EXPECT(!ROW_OF(0x04, 1, 1));
	EXPECT(!ROW_OF(0x0f, 9, 0x35));
	make("zR", (const uint8_t[]){0}, 1);
	records.cie[16] = 0x50;
	EXPECT(!read_at(CODE));
	make("zR", (const uint8_t[]){0}, 1);
	records.cie[8] = 4;
	EXPECT(!read_at(CODE));
	make("zR", (const uint8_t[]){0}, 1);
	put(records.fde, UINT32_MAX, 4);
	EXPECT(!read_at(CODE));
}

static struct frame frame;

static bool evaluates(const uint8_t *code, size_t n, uintptr_t expected)
{
	uint8_t block[32] = {(uint8_t)n};
	uintptr_t first = 1000, value;

	memcpy(block + 1, code, n);
	return cfi_evaluate(block, &frame, &first, &value) && value == expected;
}

#define EVALUATES(expected, ...)                                                                   \
	evaluates((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), expected)

TEST(expressions)
{
	static uintptr_t word = 77;

	frame.registers[7] = (uintptr_t)&word - 8;
	EXPECT(EVALUATES(1000, 0x30 + 0, 0x22));
	EXPECT(EVALUATES(31, 0x4f));
	EXPECT(EVALUATES(77, 0x77, 8, 0x06));
	EXPECT(EVALUATES(996, 0x34, 0x1c));
	EXPECT(EVALUATES(1000 & 24, 0x48, 0x1a));
	EXPECT(EVALUATES(1001, 0x31, 0x21));
	EXPECT(EVALUATES(8000, 0x33, 0x24));
	EXPECT(EVALUATES(125, 0x33, 0x25));
	EXPECT(EVALUATES(1, 0x4f, 0x2a));
	EXPECT(EVALUATES(0, 0x0a, 0xe9, 0x03, 0x2a)); /* 1000 >= 1001 */
	EXPECT(EVALUATES(1128, 0x23, 0x80, 1));
	EXPECT(EVALUATES(250, 0x08, 250));
	EXPECT(EVALUATES((uintptr_t)-6, 0x09, 250));
	EXPECT(EVALUATES((uintptr_t)-2, 0x0b, 0xfe, 0xff));
	EXPECT(EVALUATES(0x12345678, 0x0c, 0x78, 0x56, 0x34, 0x12));
	/* as linkers write it for their tables of calls: rsp + 8 + ((rip & 15) >= 11 ? 8 : 0) */
	frame.registers[16] = 0x100b;
	EXPECT(EVALUATES((uintptr_t)&word + 8, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24,
			 0x22));
}

TEST(expressions_that_make_no_sense)
{
	uint8_t empty = 0, deep[32] = {17};
	uintptr_t value;

	memset(deep + 1, 0x31, 17);
	EXPECT(!cfi_evaluate(&empty, &frame, NULL, &value));
	EXPECT(!cfi_evaluate(deep, &frame, NULL, &value));
	EXPECT(!EVALUATES(0, 0x22));
	EXPECT(!EVALUATES(0, 0xff));
	EXPECT(!EVALUATES(0, 0x31, 0x1b)); /* division */
}
