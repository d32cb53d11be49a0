/* Code without call frame information, of which libgcc's unwinder is told at run time, as compilers
   at run time tell it: __register_frame(&records) after records.code was set. x86-64 alone. */
#pragma once

#include <stdint.h>

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
