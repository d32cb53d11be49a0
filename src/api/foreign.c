/* Pointers that are not loam's; see foreign.h. */
#include "api/foreign.h"

#include "cache/bad_pointer.h"
#include "base/bits.h"
#include "base/options.h"
#include "os/line.h"
#include "report/report.h"
#include "report/frame.h"
#include "os/os.h"
#include "pages/huge.h"
#include "pages/zone.h"

SEALED struct foreign_allocator foreign_next;

/* Whether an address without a tag lies in loam's memory all the same. */
static bool is_loams(const void *mem)
{
	return huge_around(mem, false) || huge_around(mem, true) || zone_is_free(mem);
}

/* Whether memory may be a block of the next allocator's: before each of libc's lies its size. */
static bool may_be_next(const void *mem)
{
	return os_is_writable(mem) &&
	       (!foreign_next.is_libc || os_is_writable((const char *)mem - sizeof(size_t)));
}

/* Whether a pointer may be another allocator's, to whom it can be handed; says so once.  What is no
   allocator's is reported. */
static bool can_forward(const void *mem, const char *call, bool to_somebody)
{
	static bool said;
	struct report_about about = {.mem = mem};

	if (frame_holds(mem)) {
		report_stack_pointer(call, about);
		return false;
	}
	if (!is_aligned((uintptr_t)mem, sizeof(void *))) {
		report_misaligned_pointer(call, about);
		return false;
	}
	if (!to_somebody || is_loams(mem) || !may_be_next(mem)) {
		cache_report_bad(mem, NULL, call);
		return false;
	}
	if (options.verbose && !__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
		line_say("%s of %p, which is another allocator's: handed to it, as all such are",
			 call, mem);
	return true;
}

void foreign_free(void *mem)
{
	if (can_forward(mem, "free", foreign_next.free))
		foreign_next.free(mem);
}

void *foreign_realloc(void *mem, size_t req)
{
	return can_forward(mem, "realloc", foreign_next.realloc) ? foreign_next.realloc(mem, req)
								 : NULL;
}

size_t foreign_usable_size(void *mem)
{
	return can_forward(mem, "malloc_usable_size", foreign_next.usable_size)
		       ? foreign_next.usable_size(mem)
		       : 0;
}
