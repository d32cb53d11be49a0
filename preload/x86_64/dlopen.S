/* dlopen(file, flags) and dlmopen(namespace, file, flags): see dlopen.h.  Another namespace than the
   first, 0, has a malloc of its own. */
	.macro	without_deepbind name, next, flags, namespace
	.text
	.globl	\name
	.type	\name, @function
\name:
	.cfi_startproc
	endbr64
	mov	\next(%rip), %rax
	test	%rax, %rax
	jz	1f
	.ifnb	\namespace
	test	\namespace, \namespace
	jnz	2f
	.endif
	and	dlopen_mask(%rip), \flags
2:	jmp	*%rax
1:	push	%rdi
	.cfi_adjust_cfa_offset 8
	push	%rsi
	.cfi_adjust_cfa_offset 8
	push	%rdx
	.cfi_adjust_cfa_offset 8
	call	dlopen_find
	pop	%rdx
	.cfi_adjust_cfa_offset -8
	pop	%rsi
	.cfi_adjust_cfa_offset -8
	pop	%rdi
	.cfi_adjust_cfa_offset -8
	jmp	\name
	.cfi_endproc
	.size	\name, . - \name
	.endm

	.hidden	dlopen_find
	.hidden	dlopen_mask
	.hidden	dlopen_next
	.hidden	dlmopen_next
	without_deepbind dlopen, dlopen_next, %esi
	without_deepbind dlmopen, dlmopen_next, %edx, %rdi
#include <cet.h>	/* notes that landing pads are there, where they are wanted */
	.section .note.GNU-stack, "", @progbits
