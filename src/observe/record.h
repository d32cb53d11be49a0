/*
 * Option record: every call of the process is written to a trace (observe/trace_format.h).
 *
 * While a process is recorded all its calls take the slow path, and each is made and written under
 * one lock: so the order in the file is the order in which they took effect, at the price that
 * threads wait for each other.  The file is written through a shared mapping, so that nothing is
 * lost however the process ends.  Without the option nothing of this costs an instruction on the
 * fast path.
 *
 * A call by a signal handler that interrupted a recorded one is served, not written, and counted as
 * lost; but not where it interrupted a calloc or realloc, which are made of other calls themselves.
 */
#pragma once

#include "base/compiler.h"
#include "observe/trace_format.h"
#include "os/lock.h"

/* Calls are recorded; set at start alone. */
extern HIDDEN bool recording;

/* Begins to record into that file, which must not be there yet; else into one with the number of
   the process added to its name. */
COLD void record_start(const char *path);

/* Marks the trace as whole; what is still called later is added to it. */
COLD void record_finish(void);

bool record_enter(enum trace_op op);

/* Before a call is served; false: it is not to be recorded.  If true, record_end() must follow. */
ALWAYS_INLINE bool record_begin(enum trace_op op)
{
	return UNLIKELY(load_relaxed(&recording)) && record_enter(op);
}

/* What there is to say of a call; only what its op has. */
struct record_call {
	size_t alignment; /* a power of two */
	const void *given;
	size_t size;
	const void *result;
};

COLD void record_end(struct record_call call);

/* Instead of record_end(): the call is served by another one, which is recorded. */
COLD void record_cancel(void);

extern HIDDEN struct lock record_lock;

/* In every child: it writes a file of its own, and leaves the parent's. */
COLD void record_begin_anew(void);
