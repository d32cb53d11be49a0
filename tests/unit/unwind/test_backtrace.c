/* What unwind/backtrace.h promises, of the real one and of that of the simulated system. */
#include "unwind/backtrace.h"

#include "test.h"

TEST(a_stack_is_not_read_before_the_start)
{
	void *frames[8];

	EXPECT_EQ(backtrace_find(frames, 8), 0);
	backtrace_start();
	EXPECT(backtrace_find(frames, 8) >= 2);
	EXPECT_EQ(backtrace_find(frames, 1), 1);
}

#if defined(__x86_64__)

/* Code without call frame information. */
void call_from_nowhere(void (*callee)(void));
__asm__(".text\n"
	"call_from_nowhere:\n"
	"subq $8, %rsp\n"
	"call *%rdi\n"
	"addq $8, %rsp\n"
	"ret\n"
	".byte 0x90, 0x90\n");

void __register_frame(void *records);
void __deregister_frame(void *records);

/* Of that code: the CFA is the stack pointer plus 16. */
static struct {
	uint32_t length, id;
	uint8_t rest[12];
	uint32_t fde_length, back;
	uint64_t code, nbytes;
	uint8_t rules[4];
	uint32_t end;
} __attribute__((packed, aligned(8))) records = {
	.length = 16,
	.rest = {1, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1},
	.fde_length = 24,
	.back = 24,
	.nbytes = 16,
	.rules = {0x0e, 16},
};

static int depth;

static NOINLINE void count_frames(void)
{
	void *frames[64];

	depth = backtrace_find(frames, 64);
}

/* As compilers at run time do it. */
TEST(code_that_was_registered_with_the_unwinder_of_libc_is_passed)
{
	int below;

	backtrace_start();
	count_frames();
	below = depth;
	records.code = (uint64_t)(uintptr_t)call_from_nowhere;
	__register_frame(&records);
	call_from_nowhere(count_frames);
	__deregister_frame(&records);
	EXPECT_EQ(depth, below + 1);
}

#endif
