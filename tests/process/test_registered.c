/*
 * Code that a program makes at run time and registers with libgcc's unwinder, as compilers at run
 * time do: to find a stack through it, that unwinder allocates under a lock of its own. Every
 * allocation is guarded (option guard=1), so this one's stack would be looked for in turn.
 */
#include "test.h"

#include "process.h"

enum { ROUNDS = 20 };

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
void *__deregister_frame(void *records);

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

static void *volatile block;

static __attribute__((noinline)) void allocate(void)
{
	block = malloc(100);
}

TEST(an_allocation_of_the_unwinders_is_not_unwound_by_it)
{
	records.code = (uint64_t)(uintptr_t)call_from_nowhere;
	for (int i = 0; i < ROUNDS; i++) {
		__register_frame(&records); /* its unwinder looks at it anew */
		call_from_nowhere(allocate);
		__deregister_frame(&records);
		EXPECT(block != NULL);
		free(block);
	}
}
