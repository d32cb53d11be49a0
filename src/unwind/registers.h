/*
 * The registers by which a stack is unwound, under the numbers that call frame information has for
 * them (unwind/unwind.h). SIGRETURN is the code that a signal handler returns to.
 */
#pragma once

#include "base/compiler.h"

#if defined(__x86_64__)

#define REGISTERS      17
#define STACK_REGISTER 7
#define FRAME_REGISTER 6
#define CODE_BITS      UINTPTR_MAX
#define SIGRETURN                                                                                  \
	{                                                                                          \
		0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05                               \
	} /* mov $15, %rax; syscall */

/* Writes those that a function keeps for its caller, and the stack pointer; returns the address of
   the code that runs. */
ALWAYS_INLINE uintptr_t registers_read(uintptr_t *ret_registers)
{
	uintptr_t code;

	__asm__ volatile("movq %%rbx, 3*8(%1)\n\t"
			 "movq %%rbp, 6*8(%1)\n\t"
			 "movq %%rsp, 7*8(%1)\n\t"
			 "movq %%r12, 12*8(%1)\n\t"
			 "movq %%r13, 13*8(%1)\n\t"
			 "movq %%r14, 14*8(%1)\n\t"
			 "movq %%r15, 15*8(%1)\n\t"
			 "leaq (%%rip), %0"
			 : "=&r"(code)
			 : "r"(ret_registers)
			 : "memory");
	return code;
}

#else /* aarch64 */

#define REGISTERS      32
#define STACK_REGISTER 31
#define FRAME_REGISTER 29
#define CODE_BITS      (((uintptr_t)1 << 48) - 1) /* above may be a signature */
#define SIGRETURN                                                                                  \
	{                                                                                          \
		0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4                                     \
	} /* mov x8, #139; svc #0 */

ALWAYS_INLINE uintptr_t registers_read(uintptr_t *ret_registers)
{
	uintptr_t code;

	__asm__ volatile("stp x19, x20, [%1, #19*8]\n\t"
			 "stp x21, x22, [%1, #21*8]\n\t"
			 "stp x23, x24, [%1, #23*8]\n\t"
			 "stp x25, x26, [%1, #25*8]\n\t"
			 "stp x27, x28, [%1, #27*8]\n\t"
			 "stp x29, x30, [%1, #29*8]\n\t"
			 "mov %0, sp\n\t"
			 "str %0, [%1, #31*8]\n\t"
			 "adr %0, ."
			 : "=&r"(code)
			 : "r"(ret_registers)
			 : "memory");
	return code;
}

#endif
