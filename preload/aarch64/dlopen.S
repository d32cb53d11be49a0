/* dlopen(file, flags) and dlmopen(namespace, file, flags): see dlopen.h.  Another namespace than the
   first, 0, has a malloc of its own. */
	.macro	without_deepbind name, next, flags, namespace
	.text
	.globl	\name
	.type	\name, %function
\name:
	.cfi_startproc
	hint	#34			/* bti c */
	adrp	x16, \next
	add	x16, x16, :lo12:\next
	ldar	x16, [x16]		/* before the mask, which was stored first */
	cbz	x16, 1f
	.ifnb	\namespace
	cbnz	\namespace, 2f
	.endif
	adrp	x17, dlopen_mask
	ldr	w17, [x17, :lo12:dlopen_mask]
	and	\flags, \flags, w17
2:	br	x16
1:	stp	x29, x30, [sp, #-48]!
	.cfi_def_cfa_offset 48
	.cfi_offset x29, -48
	.cfi_offset x30, -40
	stp	x0, x1, [sp, #16]
	str	x2, [sp, #32]
	bl	dlopen_find
	ldr	x2, [sp, #32]
	ldp	x0, x1, [sp, #16]
	ldp	x29, x30, [sp], #48
	.cfi_restore x30
	.cfi_restore x29
	.cfi_def_cfa_offset 0
	b	\name
	.cfi_endproc
	.size	\name, . - \name
	.endm

	.hidden	dlopen_find
	.hidden	dlopen_mask
	.hidden	dlopen_next
	.hidden	dlmopen_next
	without_deepbind dlopen, dlopen_next, w1
	without_deepbind dlmopen, dlmopen_next, w2, x0
#include "landing_pads.S"
	.section .note.GNU-stack, "", %progbits
