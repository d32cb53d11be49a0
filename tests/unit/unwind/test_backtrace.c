/* What unwind/backtrace.h promises, of the real one and of that of the simulated system. */
#include "unwind/backtrace.h"

#include "test.h"

TEST(a_stack_is_not_read_before_the_start)
{
	void *frames[8];

	EXPECT_EQ(backtrace_find(frames, 8), 0);
	backtrace_start();
	EXPECT(backtrace_find(frames, 8) >= 2);
	EXPECT_EQ(backtrace_find(frames, 1), 1);
}

#if defined(__x86_64__)

#include "registered_code.h"

static int depth;

static NOINLINE void count_frames(void)
{
	void *frames[64];

	depth = backtrace_find(frames, 64);
}

/* As compilers at run time do it. */
TEST(a_stack_may_end_at_code_that_was_registered_with_the_unwinder_of_libgcc)
{
	int below;

	backtrace_start();
	count_frames();
	below = depth;
	records.code = (uint64_t)(uintptr_t)call_from_nowhere;
	__register_frame(&records);
	call_from_nowhere(count_frames);
	__deregister_frame(&records);
	EXPECT(depth >= 1 && depth <= below + 1);
}

#endif
