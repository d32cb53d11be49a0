/*
 * Probes: places at which a tracer (bpftrace, perf, SystemTap, gdb) may stop or count, with values
 * that it can read there. They are those of SystemTap's <sys/sdt.h>, version 3 of the note, without
 * that header.
 *
 *	code                        .note.stapsdt (in the file, not in memory)
 *	+------+                    +---------------------------------------------+
 *	| nop  | <----------------- | address | .stapsdt.base | semaphore         |
 *	+------+                    | "loam" "purge" "8@%rdi 8@$4096"             |
 *	                            +---------------------------------------------+
 *
 * A probe is one nop. Each of its arguments has 8 bytes, and lies in a register or is a constant;
 * the compiler says which. A semaphore is a count that tracers raise while they look on, so that
 * what is computed for a probe alone can be left out.
 *
 * base/probes.def has all of them. They stand on slow paths alone.
 */
#pragma once

#include "base/compiler.h"

/* Nobody writes it here; tracers do, from outside. */
#define PROBE(provider, name, ...) extern HIDDEN volatile uint16_t provider##_##name##_semaphore;
#include "base/probes.def"
#undef PROBE

/* Tools move what the note says by how far the section .stapsdt.base was moved since; so all notes
   of a program, libc's too, need the same one. */
#define PROBE_BASE(percent)                                                                        \
	".ifndef _.stapsdt.base\n"                                                                 \
	".pushsection .stapsdt.base, \"aG\", " percent "progbits, .stapsdt.base, comdat\n"         \
	".weak _.stapsdt.base\n"                                                                   \
	".hidden _.stapsdt.base\n"                                                                 \
	"_.stapsdt.base: .space 1\n"                                                               \
	".size _.stapsdt.base, 1\n"                                                                \
	".popsection\n"                                                                            \
	".endif\n"

#define PROBE_WITH(provider, name, form, ...)                                                      \
	__asm__ volatile("990: nop\n"                                                              \
			 ".pushsection .note.stapsdt, \"\", %%note\n"                              \
			 ".balign 4\n"                                                             \
			 ".4byte 992f - 991f, 994f - 993f, 3\n"                                    \
			 "991: .asciz \"stapsdt\"\n"                                               \
			 "992: .balign 4\n"                                                        \
			 "993: .8byte 990b, _.stapsdt.base, " #provider "_" #name "_semaphore\n"   \
			 ".asciz \"" #provider "\"\n"                                              \
			 ".asciz \"" #name "\"\n"                                                  \
			 ".asciz \"" form "\"\n"                                                   \
			 "994: .balign 4\n"                                                        \
			 ".popsection\n" PROBE_BASE("%%")::__VA_ARGS__)

#define PROBE_VALUE(x) "nr"((uint64_t)(x))

#define PROBE1(provider, name, a) PROBE_WITH(provider, name, "8@%0", PROBE_VALUE(a))
#define PROBE2(provider, name, a, b)                                                               \
	PROBE_WITH(provider, name, "8@%0 8@%1", PROBE_VALUE(a), PROBE_VALUE(b))
#define PROBE3(provider, name, a, b, c)                                                            \
	PROBE_WITH(provider, name, "8@%0 8@%1 8@%2", PROBE_VALUE(a), PROBE_VALUE(b), PROBE_VALUE(c))
