/*
 * malloc, calloc, realloc, free and what derives from them: what a caller was
 * promised.  errno is set here and nowhere below.
 */
#include "api/alloc.h"

#include "api/foreign.h"
#include "api/start.h"
#include "arena/early.h"
#include "base/check.h"
#include "base/options.h"

#include <errno.h>
#include <loam/loam.h>
#include <string.h>

static void *out_of_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

static void perturb(void *mem, size_t nbytes, size_t byte)
{
	memset(mem, (int)byte, nbytes);
}

void *malloc_slow(size_t req)
{
	void *mem;
	bool is_zero;

	if (UNLIKELY(!start()))
		return early_alloc(GRANULE, req);
	mem = arena_alloc(req, &is_zero);
	if (UNLIKELY(!mem))
		return out_of_memory();
	if (UNLIKELY(options.perturb))
		perturb(mem, req, options.perturb ^ 0xff);
	return mem;
}

void free_slow(void *mem)
{
	struct descriptor *tag;

	if (!mem)
		return;
	if (UNLIKELY(!start()))
		return;
	tag = pagemap_get(mem);
	if (UNLIKELY(options.perturb) && tag)
		perturb(mem, arena_usable(mem, tag, "free"), options.perturb);
	if (!arena_release(mem, "free"))
		foreign_free(mem);
}

void *loam_malloc(size_t req)
{
	return malloc_inline(req);
}

void loam_free(void *mem)
{
	free_inline(mem);
}

/* A fresh object that is not known to be zero is cleared, one from the hot path too. */
static void *zeroed(size_t req)
{
	void *mem;
	bool is_zero;

	if (req <= FAST_MAX) {
		mem = malloc_inline(req);
		if (mem)
			memset(mem, 0, req);
		return mem;
	}
	mem = arena_alloc(req, &is_zero);
	if (UNLIKELY(!mem))
		return out_of_memory();
	if (!is_zero)
		memset(mem, 0, req);
	return mem;
}

void *loam_calloc(size_t count, size_t size)
{
	size_t req;

	if (UNLIKELY(__builtin_mul_overflow(count, size, &req)))
		return start() ? out_of_memory() : NULL;
	if (LIKELY(load_hot(&fast_limit)) || start())
		return zeroed(req);
	return early_alloc(GRANULE, req);
}

/* A new object with the old one's contents, which is freed; it stays when there is no memory. */
static void *move(void *mem, size_t usable, size_t req)
{
	void *moved = malloc_inline(req);

	if (!moved)
		return NULL;
	memcpy(moved, mem, usable < req ? usable : req);
	free_inline(mem);
	return moved;
}

/* Before relocation nothing of libc can be called. */
static void *realloc_early(void *mem, size_t req)
{
	size_t usable = early_usable(mem);
	char *moved = early_alloc(GRANULE, req);

	for (size_t i = 0; moved && i < usable && i < req; i++)
		moved[i] = ((char *)mem)[i];
	return moved;
}

static void *realloc_object(void *mem, struct descriptor *tag, size_t req)
{
	size_t usable = arena_usable(mem, tag, "realloc");
	void *resized;

	if (UNLIKELY(req > PTRDIFF_MAX))
		return out_of_memory();
	resized = arena_resize(mem, tag, req);
	return resized ? resized : move(mem, usable, req);
}

void *loam_realloc(void *mem, size_t req)
{
	struct descriptor *tag = pagemap_get(mem);

	if (!mem)
		return malloc_inline(req);
	if (req == 0) {
		free_inline(mem);
		return NULL;
	}
	if (UNLIKELY(!start()))
		return tag ? realloc_early(mem, req) : NULL;
	if (UNLIKELY(!tag))
		return foreign_realloc(mem, req);
	return realloc_object(mem, tag, req);
}

void *loam_reallocarray(void *mem, size_t count, size_t size)
{
	size_t req;

	if (UNLIKELY(__builtin_mul_overflow(count, size, &req)))
		return out_of_memory();
	return loam_realloc(mem, req);
}

size_t loam_malloc_usable_size(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	if (!mem)
		return 0;
	return tag ? arena_usable(mem, tag, "malloc_usable_size") : foreign_usable_size(mem);
}

void loam_cfree(void *mem)
{
	free_inline(mem);
}

void loam_free_sized(void *mem, size_t size)
{
	(void)size;
	free_inline(mem);
}

void loam_free_aligned_sized(void *mem, size_t alignment, size_t size)
{
	(void)alignment;
	(void)size;
	free_inline(mem);
}
