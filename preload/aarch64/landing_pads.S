/* The note that branches lead to landing pads (BTI): without it a linker would mark no program that
   this code is part of.  GCC has it for x86-64, in cet.h. */
	.section .note.gnu.property, "a"
	.balign	8
	.long	4, 16, 5		/* bytes of "GNU", bytes of the property; properties */
	.asciz	"GNU"
	.long	0xc0000000, 4, 1, 0	/* aarch64's: BTI */
