/*
 * What loam says: every misuse that it finds, one function each, what ends the program.
 *
 * A report is one line on standard error, written without allocation or lock:
 *
 *	loam: free(): double free detected: 0x7f12a4c01040: 48 bytes, free (arena 2, thread 0x...)
 *
 * With option `report=full` more lines follow, of what lies around the pointer and of who called;
 * with `report_file` the same is written there as a line of JSON.
 */
#pragma once

#include "base/compiler.h"
#include "os/line.h"

struct stack; /* report/stack.h */

/* What is known of a pointer when it is reported; a field that is 0 or NULL is left out. */
struct report_about {
	const void *mem;   /* the pointer as the caller gave it */
	const char *kind;  /* "object", "chunk", "run", "huge object", "sampled object" */
	size_t usable;	   /* bytes of the object that it lies in */
	const void *start; /* where that object starts, when mem is not it */
	const char *state; /* "in use", "free" */
	uint32_t arena;	   /* the number of the arena that it belongs to, from 1 on */
	/* who did; then the report has the caller's stack too */
	const struct stack *allocated, *freed;
};

/*
 * The program misused the heap; call names its function, as "free".  Ends the program by SIGABRT,
 * but with option harden_action=warn, or with harden=0, when nothing is said either: then these
 * return, and the call must do nothing.
 */
COLD void report_double_free(const char *call, struct report_about about);
COLD void report_interior_pointer(const char *call, struct report_about about);
COLD void report_misaligned_pointer(const char *call, struct report_about about);
COLD void report_stack_pointer(const char *call, struct report_about about);
COLD void report_metadata_pointer(const char *call, struct report_about about);
COLD void report_unknown_pointer(const char *call, struct report_about about);

/* The pointer lies in free memory of about.usable bytes, if that is known.  was_object: where an
   object was freed, whose size is not known any more. */
COLD void report_free_memory(const char *call, struct report_about about, bool was_object);

/* A sized free of an object that has another size. */
COLD void report_wrong_size(const char *call, struct report_about about, size_t size);

/* What lies behind an object was overwritten; the first such byte is at offset. */
COLD void report_overflow(const char *call, struct report_about about, size_t offset);

/* What lies before an object was overwritten, from that many bytes before it on. */
COLD void report_underflow(const char *call, struct report_about about, size_t distance);

/* A free object was overwritten; the first such byte is at offset. */
COLD void report_write_after_free(const char *call, struct report_about about, size_t offset);

/* The program touched what it must not: the system is about to end it. */
COLD void report_access(const char *what, struct report_about about);

/* Memory that loam keeps was overwritten, and nothing can be trusted any more; what says which in
   glibc's words ("corrupted size vs. prev_size"). */
_Noreturn COLD void report_corruption(const char *what, struct report_about about);

/* A signal handler did not return to the call of loam that it had interrupted, and that holds locks
   and has things half changed: nothing can go on. */
_Noreturn COLD void report_left_inside(void);

/* Prints what lies around a pointer, and the bytes around `at`, by line_say(); for report=full. */
extern HIDDEN void (*report_details)(const void *mem, const void *at);

struct os_file;

/* Reports are appended to that file as well, in JSON; the path must stay valid. */
COLD void report_to(const struct os_file *file, const char *path);

/* In the child of a fork: no other thread reports. */
COLD void report_recover(void);
