/* Stacks by both unwinders; see backtrace.h. */
#include "unwind/backtrace.h"

#include "os/libc.h"
#include "unwind/unwind.h"

/* libc's backtrace(); NULL: not started. Atomic. */
static int (*libc_backtrace)(void **frames, int count);

void backtrace_start(void)
{
	int (*found)(void **, int);
	void *frames[2];

	libc_find(&found, "backtrace");
	if (found)
		found(frames, 2);
	store_relaxed(&libc_backtrace, found);
	unwind_start();
}

void backtrace_start_inside(void)
{
	unwind_start();
}

__thread unsigned backtrace_shut;

/* A stack that loam's unwinder finds a part of is not searched again by libc's: the part ends at
   code made at run time, as a rule, and if that is registered with libgcc's unwinder, libc's may
   end the process there (LuaJIT's code does that), or allocate under a lock of its own. */
int backtrace_find(void **ret_frames, int most)
{
	int (*by)(void **, int) = load_relaxed(&libc_backtrace);
	bool is_whole;
	int n = unwind_stack(ret_frames, most, &is_whole);

	if (n || !by || backtrace_shut)
		return n;
	backtrace_shut++;
	n = by(ret_frames, most);
	backtrace_shut--;
	return n;
}
