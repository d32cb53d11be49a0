/* void call_guarded(void (*f)(void *arg), void *arg): see catch.c. */
	.text
	.globl	call_guarded
	.hidden	call_guarded
	.hidden	catch_all
	.type	call_guarded, %function
call_guarded:
	.cfi_startproc
	.cfi_personality 0x1b, catch_all	/* relative to this place, 4 bytes */
	hint	#34				/* bti c */
	stp	x29, x30, [sp, #-16]!
	.cfi_def_cfa_offset 16
	.cfi_offset x29, -16
	.cfi_offset x30, -8
	mov	x29, sp
	mov	x9, x0
	mov	x0, x1
	blr	x9
	ldp	x29, x30, [sp], #16
	.cfi_restore x30
	.cfi_restore x29
	.cfi_def_cfa_offset 0
	ret
	.cfi_endproc
	.size	call_guarded, . - call_guarded
#include "landing_pads.S"
	.section .note.GNU-stack, "", %progbits
