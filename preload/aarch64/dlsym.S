/* dlsym(handle, name) and dlvsym(handle, name, version): see dlsym.h. */
	.macro	found_by_handle name, next, find, by_handle
	.text
	.globl	\name
	.type	\name, %function
	.globl	\name\()_oldest, \name\()_libc
	.type	\name\()_oldest, %function
	.type	\name\()_libc, %function
	.cfi_startproc
/* A linker that finds all at one address drops the name without a version. */
\name\()_oldest:
\name\()_libc:
	hint	#34			/* bti c */
	.symver	\name\()_oldest, \name@GLIBC_2.17, remove
	.symver	\name\()_libc, \name@GLIBC_2.34, remove
\name:
	hint	#34			/* bti c */
	add	x16, x0, #1		/* RTLD_NEXT is -1, RTLD_DEFAULT 0 */
	cmp	x16, #1
	b.hi	2f
	adrp	x16, \next
	ldr	x16, [x16, :lo12:\next]
	cbz	x16, 1f
	br	x16
1:	stp	x29, x30, [sp, #-48]!
	.cfi_def_cfa_offset 48
	.cfi_offset x29, -48
	.cfi_offset x30, -40
	stp	x0, x1, [sp, #16]
	str	x2, [sp, #32]
	bl	\find
	mov	x16, x0
	ldr	x2, [sp, #32]
	ldp	x0, x1, [sp, #16]
	ldp	x29, x30, [sp], #48
	.cfi_restore x30
	.cfi_restore x29
	.cfi_def_cfa_offset 0
	br	x16
2:	b	\by_handle
	.cfi_endproc
	.size	\name, . - \name
	.size	\name\()_oldest, . - \name\()_oldest
	.size	\name\()_libc, . - \name\()_libc
	.endm

	.hidden	dlsym_next
	.hidden	dlsym_find
	.hidden	dlsym_of_handle
	.hidden	dlvsym_next
	.hidden	dlvsym_find
	.hidden	dlvsym_of_handle
	found_by_handle dlsym, dlsym_next, dlsym_find, dlsym_of_handle
	found_by_handle dlvsym, dlvsym_next, dlvsym_find, dlvsym_of_handle
#include "landing_pads.S"
	.section .note.GNU-stack, "", @progbits
