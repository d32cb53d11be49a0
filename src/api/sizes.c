/* Sizes asked for and given back; see sizes.h. */
#include "api/sizes.h"

#include "api/alloc.h"
#include "api/foreign.h"
#include "os/check.h"
#include "report/report.h"
#include "cache/resize.h"
#include "harden/tools.h"

#include <loam/loam.h>

LATER size_t exact_size(const void *mem, struct descriptor *tag, const char *call)
{
	size_t size;

	ASSERT(is_exact(tag));
	if (tag->kind == KIND_SAMPLED)
		return sampled_size(mem, tag, call);
	tools_enter();
	size = fence_size(mem, tag, call);
	tools_leave();
	return size;
}

size_t loam_malloc_usable_size(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);
	size_t size;

	if (!mem)
		return 0;
	if (!tag)
		return foreign_usable_size(mem);
	if (LIKELY(!is_exact(tag)))
		return cache_usable(mem, tag, "malloc_usable_size");
	size = exact_size(mem, tag, "malloc_usable_size");
	return size == SIZE_MAX ? 0 : size;
}

static bool has_size(const void *mem, struct descriptor *tag, size_t size, const char *call)
{
	size_t real = exact_size(mem, tag, call);

	if (real != SIZE_MAX && real != size)
		report_wrong_size(
			call, (struct report_about){.mem = mem, .kind = "object", .usable = real},
			size);
	return real == size;
}

LATER void free_exact(void *mem, size_t size, const char *call)
{
	struct descriptor *tag = pagemap_get(mem);

	if (mem && tag && is_exact(tag) && !has_size(mem, tag, size, call))
		return;
	loam_free(mem);
}

static void free_of_size(void *mem, size_t size, const char *call)
{
	if (UNLIKELY(load_hot(&fences)))
		free_exact(mem, size, call);
	else
		loam_free(mem);
}

void loam_free_sized(void *mem, size_t size)
{
	free_of_size(mem, size, "free_sized");
}

void loam_free_aligned_sized(void *mem, size_t alignment, size_t size)
{
	(void)alignment;
	free_of_size(mem, size, "free_aligned_sized");
}
