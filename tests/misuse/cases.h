/*
 * One misuse a case, for any allocator: a case is a function, and the program runs the one that its
 * command line names.
 *
 *	CASE(double_free) { ... }
 *
 * How it ends says what the allocator did: killed by SIGABRT, it was found; by another signal, it
 * crashed; exit status 0, nobody noticed; 3, the attacker won; 6, the case itself touched what was
 * not mapped, a guard page perhaps.  Without a name it lists its cases; with the word "hot" behind
 * the name the sizes that cases use are in much use when it begins.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CASE(name)                                                                                 \
	static void name(void);                                                                    \
	__attribute__((constructor)) static void register_##name(void)                             \
	{                                                                                          \
		case_register(#name, name);                                                        \
	}                                                                                          \
	static void name(void)

void case_register(const char *name, void (*body)(void));

/* What the compiler must not know. */
static inline void *unknown(void *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

/* Sizes of one of each kind that loam has; most allocators have similar borders. */
enum {
	SMALL = 40,
	MEDIUM = 3000,
	CHUNK = 50000, /* after want_chunks(), as take() calls it for them */
	SHORT_RUN = 40000,
	RUN = 300000,
	HUGE_SIZE = 10 << 20
};

/* From now on what is not huge comes from where small blocks do, as is glibc's way; elsewhere it
   does nothing. */
void want_chunks(void);

/* So many that a size class is served as one that is in much use is. */
void warm_up(size_t size);

/* Allocates, fills with 'x', and keeps the compiler from knowing. */
char *take(size_t size);
void give(void *mem);

/* Ends the program as one whose attack has worked. */
__attribute__((noreturn)) void won(const char *what);

/* Won, if the range lies where no object should, or overlaps one of n others of that size. */
void claim(const char *mem, size_t size, char *const *others, size_t n);

#ifdef __cplusplus
}
#endif
