/* Pointers that are not loam's; see foreign.h. */
#include "api/foreign.h"

#include "arena/arena.h"
#include "base/bits.h"
#include "base/options.h"
#include "base/report.h"
#include "os/os.h"
#include "pages/huge.h"

struct foreign_allocator foreign_next;

/* Whether an address lies on the calling thread's stack, above this call.  A thread's control
   block lies at the end of its stack; the initial thread's stack has an end of its own. */
static bool on_stack(const void *mem)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0), address = (uintptr_t)mem;
	uintptr_t self = thread_self(), end = os_stack_end();

	if (address < here)
		return false;
	return here < end && end - here < GIB ? address < end : address < self && self - here < GIB;
}

/* Ends the program for a pointer that is no allocator's; says once what becomes of others. */
static void look_at(const void *mem, const char *call, bool can_forward)
{
	static bool said;
	struct report_about about = {.mem = mem};

	if (on_stack(mem))
		report_stack_pointer(call, about);
	if (!is_aligned((uintptr_t)mem, sizeof(void *)))
		report_misaligned_pointer(call, about);
	if (!can_forward || huge_around(mem))
		arena_report_bad(mem, NULL, call);
	if (options.verbose && !__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
		report_line("%s of %p, which is another allocator's: handed to it, as all such are",
			    call, mem);
}

void foreign_free(void *mem)
{
	look_at(mem, "free", foreign_next.free);
	foreign_next.free(mem);
}

void *foreign_realloc(void *mem, size_t req)
{
	look_at(mem, "realloc", foreign_next.realloc);
	return foreign_next.realloc(mem, req);
}

size_t foreign_usable_size(void *mem)
{
	look_at(mem, "malloc_usable_size", foreign_next.usable_size);
	return foreign_next.usable_size(mem);
}
