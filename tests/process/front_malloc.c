/*
 * A preload in front of loam that counts what the process allocates and frees, and hands it on to
 * the next allocator, as heap profilers do.
 */
#include <dlfcn.h>
#include <stddef.h>

long front_allocated, front_freed;

#define NEXT(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

void *malloc(size_t nbytes);
void *realloc(void *mem, size_t nbytes);
void *aligned_alloc(size_t alignment, size_t nbytes);
void free(void *mem);

void *malloc(size_t nbytes)
{
	front_allocated++;
	return NEXT(malloc)(nbytes);
}

void *realloc(void *mem, size_t nbytes)
{
	front_allocated++;
	return NEXT(realloc)(mem, nbytes);
}

void *aligned_alloc(size_t alignment, size_t nbytes)
{
	front_allocated++;
	return NEXT(aligned_alloc)(alignment, nbytes);
}

void free(void *mem)
{
	front_freed++;
	NEXT(free)(mem);
}
