/* void call_guarded(void (*f)(void *arg), void *arg): see catch.c. */
	.text
	.globl	call_guarded
	.hidden	call_guarded
	.hidden	catch_all
	.type	call_guarded, @function
call_guarded:
	.cfi_startproc
	.cfi_personality 0x1b, catch_all	/* relative to this place, 4 bytes */
	endbr64
	sub	$8, %rsp
	.cfi_adjust_cfa_offset 8
	mov	%rdi, %rax
	mov	%rsi, %rdi
	call	*%rax
	add	$8, %rsp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	call_guarded, . - call_guarded
#include <cet.h>	/* notes that landing pads are there, where they are wanted */
	.section .note.GNU-stack, "", @progbits
