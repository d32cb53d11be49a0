/* The note that branches lead to landing pads (BTI), where the compiler makes them: without it a
   linker would mark no program that this code is part of.  GCC has it in cet.h for x86 alone. */
#if defined(__ARM_FEATURE_BTI_DEFAULT)
	.section .note.gnu.property, "a"
	.balign	8
	.long	4, 16, 5		/* "GNU", its length; of the value; properties */
	.asciz	"GNU"
	.long	0xc0000000, 4, 1, 0	/* of aarch64: BTI */
#endif
