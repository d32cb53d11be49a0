/*
 * Last words: every way in which loam ends a program, one function each, and
 * the lines it prints while the program goes on.
 *
 * A report is one line on standard error, written without allocation or lock:
 *
 *	loam: free(): double free of 0x7f12a4c01040: object of 48 bytes (thread 0x7f12a4d8a740)
 */
#pragma once

#include "base/compiler.h"

/* What is known of a pointer when it is reported; a field that is 0 or NULL is left out. */
struct report_about {
	const void *mem;   /* the pointer as the caller gave it */
	const char *kind;  /* "object", "chunk", "run", "huge object", "metadata" */
	size_t usable;     /* bytes of the object that it lies in */
	const void *start; /* where that object starts, when mem is not it */
};

/* The program gave a pointer that it must not give; call names the function, as "free". */
_Noreturn COLD void report_double_free(const char *call, struct report_about about);
_Noreturn COLD void report_interior_pointer(const char *call, struct report_about about);
_Noreturn COLD void report_misaligned_pointer(const char *call, struct report_about about);
_Noreturn COLD void report_stack_pointer(const char *call, struct report_about about);
_Noreturn COLD void report_metadata_pointer(const char *call, struct report_about about);
_Noreturn COLD void report_unknown_pointer(const char *call, struct report_about about);

/* Memory that loam keeps was overwritten; what names the thing ("chunk header"). */
_Noreturn COLD void report_corruption(const char *what, struct report_about about);

/* A condition that always holds does not. */
_Noreturn COLD void report_check(const char *cond, const char *file, int line);

/* For x_check(): true when a == b, else prints both under the label of the invariant. */
bool report_expect(const char *label, const char *a_text, uint64_t a, const char *b_text,
		   uint64_t b);

/*
 * One line "loam: ..." on standard error; the program goes on.  The format
 * knows %s, %zu, %p (const void *) and %%, nothing else.  A line is cut at
 * 500 bytes.
 */
void report_line(const char *format, ...) PRINTF(1, 2);
