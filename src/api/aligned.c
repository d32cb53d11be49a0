/* The aligned family; each function's errors are glibc's. */
#include "api/alloc.h"
#include "api/start.h"
#include "observe/profile.h"
#include "observe/watch.h"
#include "arena/early.h"
#include "base/options.h"
#include "cache/alloc.h"
#include "base/bits.h"
#include "harden/fence.h"
#include "os/check.h"
#include "os/os.h"

#include <errno.h>
#include <loam/loam.h>
#include <string.h>

static void *serve(size_t alignment, size_t req)
{
	unsigned chosen = chosen_now_and_then(req);
	void *mem = chosen & CHOSEN_GUARD ? sampled_alloc(alignment, req) : NULL;
	bool zero = false;

	if (!mem)
		mem = UNLIKELY(fences) ? fence_alloc(alignment, req, &zero)
				       : cache_alloc_aligned(alignment, req);
	if (chosen & CHOSEN_PROFILE)
		profile_allocated(mem, req);
	return mem;
}

static LATER void *aligned_not_plain(size_t alignment, size_t req)
{
	unsigned watch;
	void *mem;

	if (UNLIKELY(!start()))
		return early_alloc(alignment, req);
	watch = watch_begin(TRACE_ALIGNED);
	mem = serve(alignment, req);
	if (mem && UNLIKELY(options.perturb))
		memset(mem, (int)options.perturb ^ 0xff, req);
	if (UNLIKELY(watch))
		watch_end(watch, (struct record_call){alignment, NULL, req, mem});
	return mem;
}

/* alignment is a power of two. */
static void *aligned(size_t alignment, size_t req)
{
	void *mem;

	ASSERT(is_power_of_two(alignment));
	if (UNLIKELY(!cache_is_plain()))
		return aligned_not_plain(alignment, req);
	mem = fast_malloc_aligned(&mine.libc, alignment, req);
	if (LIKELY(mem))
		return mem;
	start_seen();
	return cache_alloc_aligned(alignment, req);
}

static void *or_enomem(void *mem)
{
	return LIKELY(mem) ? mem : out_of_memory();
}

void *loam_memalign(size_t alignment, size_t req)
{
	if (UNLIKELY(alignment > SIZE_MAX / 2 + 1))
		return invalid_argument();
	if (UNLIKELY(!is_power_of_two(alignment)))
		alignment = alignment ? (size_t)1 << log2_ceil(alignment) : 1;
	return or_enomem(aligned(alignment, req));
}

void *loam_aligned_alloc(size_t alignment, size_t req)
{
	if (UNLIKELY(!is_power_of_two(alignment)))
		return invalid_argument();
	return or_enomem(aligned(alignment, req));
}

int loam_posix_memalign(void **ret_mem, size_t alignment, size_t req)
{
	void *mem;

	if (UNLIKELY(!is_power_of_two(alignment) || alignment % sizeof(void *)))
		return EINVAL;
	mem = aligned(alignment, req);
	if (UNLIKELY(!mem))
		return errno = ENOMEM; /* so does glibc, and programs print it */
	*ret_mem = mem;
	return 0;
}

void *loam_valloc(size_t req)
{
	return or_enomem(aligned(os_page_size(), req));
}

void *loam_pvalloc(size_t req)
{
	size_t whole = align_up(req, os_page_size());

	return or_enomem(whole < req ? NULL : aligned(os_page_size(), whole));
}

size_t loam_memalignment(const void *mem)
{
	uintptr_t address = (uintptr_t)mem;

	return address & -address;
}
