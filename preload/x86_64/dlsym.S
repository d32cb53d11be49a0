/* dlsym(handle, name) and dlvsym(handle, name, version): see dlsym.h. */
	.macro	found_by_handle name, next, find, by_handle
	.text
	.globl	\name
	.type	\name, @function
	.globl	\name\()_oldest, \name\()_libc
	.type	\name\()_oldest, @function
	.type	\name\()_libc, @function
	.cfi_startproc
/* A linker that finds all at one address drops the name without a version. */
\name\()_oldest:
\name\()_libc:
	endbr64
	.symver	\name\()_oldest, \name@GLIBC_2.2.5, remove
	.symver	\name\()_libc, \name@GLIBC_2.34, remove
\name:
	endbr64
	lea	1(%rdi), %rax		/* RTLD_NEXT is -1, RTLD_DEFAULT 0 */
	cmp	$1, %rax
	ja	\by_handle
	mov	\next(%rip), %rax
	test	%rax, %rax
	jz	1f
	jmp	*%rax
1:	push	%rdi
	.cfi_adjust_cfa_offset 8
	push	%rsi
	.cfi_adjust_cfa_offset 8
	push	%rdx
	.cfi_adjust_cfa_offset 8
	call	\find
	pop	%rdx
	.cfi_adjust_cfa_offset -8
	pop	%rsi
	.cfi_adjust_cfa_offset -8
	pop	%rdi
	.cfi_adjust_cfa_offset -8
	jmp	*%rax
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
#include <cet.h>	/* notes that landing pads are there, where they are wanted */
	.section .note.GNU-stack, "", @progbits
