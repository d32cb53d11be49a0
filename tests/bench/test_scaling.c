/* The model of the caches, the locks, and the instructions that bench/scale knows. */
#include "coherence.h"
#include "decode.h"
#include "locks.h"
#include "test.h"

enum { A = 4096, B = A + LINE_BYTES };

static enum source access_by(struct coherence *c, unsigned processor, bool write)
{
	enum source source = coherence_access(c, processor, A, write, ALLOCATOR).source;

	EXPECT(coherence_check(c));
	return source;
}

TEST(a_line_comes_from_who_has_it)
{
	struct coherence c;

	coherence_init(&c);
	EXPECT_EQ(access_by(&c, 0, false), FROM_MEMORY);
	EXPECT_EQ(access_by(&c, 0, true), FROM_OWN);
	EXPECT_EQ(access_by(&c, 2, false), FROM_NEAR); /* processors of one socket are even */
	EXPECT_EQ(access_by(&c, 1, false), FROM_FAR);
	EXPECT_EQ(access_by(&c, 3, false), FROM_NEAR); /* 1 has it as well */
	EXPECT_EQ(access_by(&c, 0, false), FROM_OWN);
	EXPECT_EQ(coherence_line(&c, A)->moved[ALLOCATOR][0], 2);
	EXPECT_EQ(coherence_line(&c, A)->moved[ALLOCATOR][1], 1);
	coherence_deinit(&c);
}

TEST(a_write_takes_a_line_from_all_others)
{
	struct coherence c;
	struct effect e;

	coherence_init(&c);
	for (unsigned i = 0; i < 4; i++)
		access_by(&c, i, false);
	e = coherence_access(&c, 0, A, true, ALLOCATOR);
	EXPECT_EQ(e.source, FROM_OWN);
	EXPECT(e.upgrade && e.far);
	EXPECT_EQ(e.invalidated, 3);
	EXPECT_EQ(access_by(&c, 0, true), FROM_OWN);
	EXPECT_EQ(access_by(&c, 1, true), FROM_FAR);
	EXPECT_EQ(access_by(&c, 0, false), FROM_FAR);
	coherence_deinit(&c);
}

TEST(lines_are_apart_and_many)
{
	struct coherence c;

	coherence_init(&c);
	access_by(&c, 0, true);
	EXPECT_EQ(coherence_access(&c, 1, B, true, ALLOCATOR).source, FROM_MEMORY);
	for (uint64_t i = 0; i < 100000; i++)
		coherence_access(&c, 2, B + LINE_BYTES * (i + 1), true, ALLOCATOR);
	EXPECT_EQ(access_by(&c, 0, true), FROM_OWN);
	coherence_deinit(&c);
}

TEST(what_the_program_touches_is_no_line_of_the_allocator)
{
	struct coherence c;

	coherence_init(&c);
	access_by(&c, 0, true);
	EXPECT(!coherence_line(&c, A)->in_block);
	coherence_access(&c, 1, A, false, PROGRAM);
	EXPECT(coherence_line(&c, A)->in_block);
	coherence_reset(&c);
	EXPECT_EQ(coherence_line(&c, A)->moved[PROGRAM][1], 0);
	coherence_deinit(&c);
}

static struct locks locks;

static uint64_t acquisitions(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < MAX_LOCKS; i++)
		n += locks.word[i].acquisitions;
	return n;
}

TEST(a_word_that_is_given_back_is_a_lock)
{
	struct holder h = {0};

	locks_reset(&locks, 0);
	locks_atomic(&locks, &h, A, 0, 1, 10);
	EXPECT(locks_watches(&h, A));
	locks_store(&locks, &h, A, 2, 15);
	EXPECT_EQ(acquisitions(), 0);
	locks_store(&locks, &h, A, 0, 30);
	EXPECT_EQ(acquisitions(), 1);
	locks_atomic(&locks, &h, A, 0, 1, 40);
	locks_atomic(&locks, &h, A, 2, 0, 45); /* a waiter left its mark meanwhile */
	EXPECT_EQ(acquisitions(), 2);
	for (unsigned i = 0; i < MAX_LOCKS; i++)
		if (locks.word[i].address)
			EXPECT_EQ(locks.word[i].held, 25);
}

TEST(counters_are_no_locks)
{
	struct holder h = {0};

	locks_reset(&locks, 0);
	for (uint64_t i = 0; i < 100; i++)
		locks_atomic(&locks, &h, A, i, i + 1, i);
	locks_leave(&h);
	locks_store(&locks, &h, A, 99, 200);
	EXPECT_EQ(acquisitions(), 0);
}

TEST(who_waits_for_a_lock_gets_it_later)
{
	struct holder h = {0};

	locks_reset(&locks, 0);
	locks_atomic(&locks, &h, A, 1, 1, 5);
	locks_atomic(&locks, &h, A, 1, 2, 10);
	locks_atomic(&locks, &h, A, 0, 2, 50);
	locks_store(&locks, &h, A, 0, 60);
	for (unsigned i = 0; i < MAX_LOCKS; i++)
		if (locks.word[i].address) {
			EXPECT_EQ(locks.word[i].acquisitions, 1);
			EXPECT_EQ(locks.word[i].waits, 1);
			EXPECT_EQ(locks.word[i].held, 10);
		}
}

/* Length, what is done to memory, and how much of it. */
static const struct {
	uint8_t bytes[INSN_MAX];
	unsigned nbytes, kind, nbytes_mem;
	bool atomic;
} insns[] = {
	{{0x48, 0x8b, 0x44, 0x24, 0x08}, 5, ACCESS_READ, 8, false},	   /* mov 8(%rsp),%rax */
	{{0x89, 0x05, 1, 0, 0, 0}, 6, ACCESS_WRITE, 4, false},		   /* mov %eax,1(%rip) */
	{{0xf0, 0x48, 0x0f, 0xb1, 0x0f}, 5, ACCESS_BOTH, 8, true},	   /* lock cmpxchg */
	{{0x87, 0x07}, 2, ACCESS_BOTH, 4, true},			   /* xchg %eax,(%rdi) */
	{{0x48, 0x8d, 0x04, 0x8d, 0, 0, 0, 0}, 8, ACCESS_NONE, 8, false},  /* lea */
	{{0x80, 0x3d, 1, 0, 0, 0, 5}, 7, ACCESS_READ, 1, false},	   /* cmpb $5,1(%rip) */
	{{0x66, 0xc7, 0x07, 1, 2}, 5, ACCESS_WRITE, 2, false},		   /* movw */
	{{0x0f, 0x11, 0x07}, 3, ACCESS_WRITE, 16, false},		   /* movups */
	{{0xc5, 0xfe, 0x6f, 0x06}, 4, ACCESS_READ, 32, false},		   /* vmovdqu */
	{{0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8}, 10, ACCESS_NONE, 0, false}, /* movabs */
	{{0x0f, 0x84, 1, 0, 0, 0}, 6, ACCESS_NONE, 0, false},		   /* je */
	{{0xf3, 0x0f, 0x1e, 0xfa}, 4, ACCESS_NONE, 0, false},		   /* endbr64 */
	{{0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0}, 9, ACCESS_READ, 8, false},
};

TEST(instructions_are_known)
{
	for (size_t i = 0; i < sizeof insns / sizeof *insns; i++) {
		struct insn insn;

		EXPECT(decode(&insn, insns[i].bytes));
		EXPECT_EQ(insn.nbytes, insns[i].nbytes);
		EXPECT_EQ(insn.kind, insns[i].kind);
		EXPECT_EQ(insn.nbytes_mem, insns[i].nbytes_mem);
		EXPECT_EQ(insn.atomic, insns[i].atomic);
	}
}
