/*
 * Code that a program makes at run time and registers with libgcc's unwinder, as compilers at run
 * time do: to find a stack through it, that unwinder allocates under a lock of its own. Every
 * allocation is guarded (option guard=1), so this one's stack would be looked for in turn.
 */
#include "registered_code.h"
#include "test.h"

#include "process.h"

#include <dlfcn.h>

enum { ROUNDS = 20 };

static void *volatile block;

static __attribute__((noinline)) void allocate(void)
{
	block = malloc(100);
}

TEST(an_allocation_of_the_unwinders_is_not_unwound_by_it)
{
	records.code = (uint64_t)(uintptr_t)call_from_nowhere;
	for (int i = 0; i < ROUNDS; i++) {
		__register_frame(&records); /* its unwinder looks at it anew */
		call_from_nowhere(allocate);
		__deregister_frame(&records);
		EXPECT(block != NULL);
		free(block);
	}
}

/* libgcc's unwinder ends the process at some records, such as LuaJIT's, and these, which name a
   register that does not exist. */
TEST(records_that_no_unwinder_can_follow_end_nothing)
{
	if (!dlsym(RTLD_DEFAULT, "_dl_find_object"))
		test_skip("glibc 2.34 leaves all stacks to that unwinder");
	records.code = (uint64_t)(uintptr_t)call_from_nowhere;
	records.rest[4] = 120; /* where the return address is */
	__register_frame(&records);
	call_from_nowhere(allocate);
	__deregister_frame(&records);
	EXPECT(block != NULL);
	free(block);
}
