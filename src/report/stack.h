/*
 * Where a thread is: the return addresses on its stack, once unwind/backtrace.h was started.  Only
 * for what the user asked for.
 */
#pragma once

#include "base/compiler.h"

#define STACK_FRAMES 24

struct stack {
	uint64_t thread; /* 0: none was noted */
	uint32_t count;
	const void *frames[STACK_FRAMES]; /* the innermost first */
};

/* Loam's own code lies from own_start to own_end; both may be NULL. */
AT_START void stack_own_code(const void *own_start, const void *own_end);

/* The return addresses of who called loam, the innermost first, at most STACK_MOST; how many. */
COLD int stack_frames(const void **ret_frames, int most);

#define STACK_MOST 40

/* Notes the stack of who called loam, or raised a signal that it handles; its thread alone before
   backtrace_start(). */
COLD void stack_note(struct stack *ret_stack);

/* The lines of return addresses, by line_say(). */
COLD void stack_say_frames(const void *const *frames, size_t count);

/* The lines of a stack, under a heading, by line_say(). */
COLD void stack_say(const char *heading, const struct stack *s);
