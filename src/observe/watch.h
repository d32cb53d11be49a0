/* Hooks around every call of the program while it is observed: by the trace that is recorded, or by
   a memory checker (harden/tools.h). */
#pragma once

#include "observe/record.h"
#include "harden/tools.h"

enum watch { WATCH_RECORD = 1, WATCH_TOOLS = 2 };

/* From now on every call of the process takes the slow path, where it can be seen. */
COLD void watch_all(void);

/* Opens the fast path of malloc, unless that was called: as loam starts, where another process shut
   it (cache/requests.h), and where `sampling` changed. */
AT_START void watch_open(void);

/* Before a call is served: returns the set of observers; unless 0, watch_end() must follow. */
ALWAYS_INLINE unsigned watch_begin(enum trace_op op)
{
	unsigned watch = record_begin(op) ? WATCH_RECORD : 0;

	if (UNLIKELY(load_hot(&tools))) {
		tools_enter();
		watch |= WATCH_TOOLS;
	}
	return watch;
}

static inline void watch_end(unsigned watch, struct record_call call)
{
	if (watch & WATCH_TOOLS)
		tools_leave();
	if (watch & WATCH_RECORD)
		record_end(call);
}

/* Instead of watch_end(): another call serves this one, and is observed itself. */
static inline void watch_cancel(unsigned watch)
{
	if (watch & WATCH_TOOLS)
		tools_leave();
	if (watch & WATCH_RECORD)
		record_cancel();
}
