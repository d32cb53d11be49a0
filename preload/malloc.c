/*
 * The names of C, POSIX and glibc: here alone are they defined.
 *
 * malloc and free hold the fast path, so that a call costs no second call, and
 * begin a cache line.  All names of libc's own malloc.o stand in this one file:
 * a static link that took one of them from there would get the rest of that file
 * too, and each twice.  A program linked with libloam.a may have a function of its own under all
 * but malloc, free and realloc, as with libc.a.
 */
#include "api/alloc.h"
#include "front.h"

#include <loam/loam.h>
#include <stdlib.h>

PUBLIC ALIGNED(CACHE_LINE) void *malloc(size_t req)
{
	return malloc_inline(req);
}

extern __typeof__(malloc) malloc_itself __attribute__((alias("malloc")));

PUBLIC ALIGNED(CACHE_LINE) void free(void *mem)
{
	free_inline(mem);
}

extern __typeof__(free) free_itself __attribute__((alias("free")));

PUBLIC void *calloc(size_t count, size_t size)
{
	return loam_calloc(count, size);
}

NOINLINE PUBLIC void *realloc(void *mem, size_t req)
{
	return loam_realloc(mem, req);
}

extern __typeof__(realloc) realloc_itself __attribute__((alias("realloc")));

/* libc's calls the process's realloc.  So does this one, and has none of its code: a tool that
   takes over a function where it finds it (valgrind) may know realloc alone. */
PUBLIC void *reallocarray(void *mem, size_t count, size_t size)
{
	size_t req;

	if (UNLIKELY(__builtin_mul_overflow(count, size, &req)))
		return loam_reallocarray(mem, count, size);
	front_find();
	return UNLIKELY(front.realloc) ? front.realloc(mem, req) : realloc(mem, req);
}

PUBLIC void *memalign(size_t alignment, size_t req)
{
	return loam_memalign(alignment, req);
}

PUBLIC void *aligned_alloc(size_t alignment, size_t req)
{
	return loam_aligned_alloc(alignment, req);
}

PUBLIC int posix_memalign(void **ret_mem, size_t alignment, size_t req)
{
	return loam_posix_memalign(ret_mem, alignment, req);
}

PUBLIC void *valloc(size_t req)
{
	return loam_valloc(req);
}

PUBLIC void *pvalloc(size_t req)
{
	return loam_pvalloc(req);
}

PUBLIC size_t malloc_usable_size(void *mem)
{
	return loam_malloc_usable_size(mem);
}

PUBLIC struct mallinfo mallinfo(void)
{
	return loam_mallinfo();
}

PUBLIC struct mallinfo2 mallinfo2(void)
{
	return loam_mallinfo2();
}

PUBLIC int mallopt(int parameter, int value)
{
	return loam_mallopt(parameter, value);
}

PUBLIC int malloc_trim(size_t pad)
{
	return loam_malloc_trim(pad);
}

PUBLIC void malloc_stats(void)
{
	loam_malloc_stats();
}

PUBLIC int malloc_info(int options_given, FILE *file)
{
	return loam_malloc_info(options_given, file);
}

/* Another name of the same code: those of libc's names for itself that nobody calls to reach libc's
   heap (libc_names.c has the others). */

#define SAME_AS(name) PUBLIC __attribute__((alias(#name)))

SAME_AS(free) void __libc_cfree(void *mem);
SAME_AS(reallocarray) void *__libc_reallocarray(void *mem, size_t count, size_t size);
SAME_AS(posix_memalign) int __posix_memalign(void **ret_mem, size_t alignment, size_t req);
SAME_AS(mallinfo) struct mallinfo __libc_mallinfo(void);
SAME_AS(mallopt) int __libc_mallopt(int parameter, int value);

ITSELF(calloc);
ITSELF(reallocarray);
ITSELF(memalign);
ITSELF(aligned_alloc);
ITSELF(posix_memalign);
ITSELF(valloc);
ITSELF(pvalloc);
ITSELF(malloc_usable_size);
ITSELF(mallinfo2);
ITSELF(mallopt);
ITSELF(malloc_trim);
ITSELF(malloc_stats);
ITSELF(malloc_info);
