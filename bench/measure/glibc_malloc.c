/*
 * Preloaded, this gives a program glibc's own malloc whatever else it is linked with: a library
 * that defines malloc comes behind this one in the loader's search.  glibc exports its functions
 * by a second name each, and malloc_usable_size is looked up in libc itself.
 *
 * What a program asks of another allocator by names that glibc does not have (mallocx, mallctl)
 * still goes there.  Out of memory in operator new ends the program: it cannot throw from C.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *mem, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void *__libc_valloc(size_t size);
extern void *__libc_pvalloc(size_t size);
extern void __libc_free(void *mem);

void *malloc(size_t size)
{
	return __libc_malloc(size);
}
void *calloc(size_t n, size_t size)
{
	return __libc_calloc(n, size);
}
void *realloc(void *mem, size_t size)
{
	return __libc_realloc(mem, size);
}
void *memalign(size_t alignment, size_t size)
{
	return __libc_memalign(alignment, size);
}
void *aligned_alloc(size_t alignment, size_t size)
{
	return __libc_memalign(alignment, size);
}
void *valloc(size_t size)
{
	return __libc_valloc(size);
}
void *pvalloc(size_t size)
{
	return __libc_pvalloc(size);
}
void free(void *mem)
{
	__libc_free(mem);
}

void *reallocarray(void *mem, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_realloc(mem, total);
}

int posix_memalign(void **mem, size_t alignment, size_t size)
{
	int saved = errno;
	void *got;

	if (alignment % sizeof(void *) || !alignment || (alignment & (alignment - 1)))
		return EINVAL;
	got = __libc_memalign(alignment, size);
	errno = saved;
	if (!got)
		return ENOMEM;
	*mem = got;
	return 0;
}

/* Looked up before there are threads that could race for it. */
static size_t (*usable_size)(void *mem);

static __attribute__((constructor)) void find_usable_size(void)
{
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

	usable_size = (size_t(*)(void *))(uintptr_t)dlsym(libc, "malloc_usable_size");
}

size_t malloc_usable_size(void *mem)
{
	if (!usable_size)
		find_usable_size();
	return usable_size(mem);
}

/* The operators of C++, by their names in the binary interface; m is size_t, St11align_val_t too.
 */
static void *new_or_end(void *mem)
{
	static const char message[] = "glibc_malloc: out of memory in operator new\n";

	if (mem)
		return mem;
	if (write(STDERR_FILENO, message, sizeof(message) - 1) < 0)
		_exit(1);
	abort();
}

#define NEW(name)                                                                                  \
	void *name(size_t size);                                                                   \
	void *name##RKSt9nothrow_t(size_t size, const void *nothrow);                              \
	void *name##St11align_val_t(size_t size, size_t alignment);                                \
	void *name##St11align_val_tRKSt9nothrow_t(size_t size, size_t alignment,                   \
						  const void *nothrow);                            \
	void *name(size_t size)                                                                    \
	{                                                                                          \
		return new_or_end(__libc_malloc(size));                                            \
	}                                                                                          \
	void *name##RKSt9nothrow_t(size_t size, const void *nothrow)                               \
	{                                                                                          \
		return __libc_malloc(size);                                                        \
	}                                                                                          \
	void *name##St11align_val_t(size_t size, size_t alignment)                                 \
	{                                                                                          \
		return new_or_end(__libc_memalign(alignment, size));                               \
	}                                                                                          \
	void *name##St11align_val_tRKSt9nothrow_t(size_t size, size_t alignment,                   \
						  const void *nothrow)                             \
	{                                                                                          \
		return __libc_memalign(alignment, size);                                           \
	}

/* Sizes, alignments and nothrow come after the block, and nothing is made of them. */
#define DELETE(name)                                                                               \
	void name(void *mem);                                                                      \
	void name(void *mem)                                                                       \
	{                                                                                          \
		__libc_free(mem);                                                                  \
	}

NEW(_Znwm)
NEW(_Znam)
DELETE(_ZdlPv)
DELETE(_ZdlPvm)
DELETE(_ZdlPvRKSt9nothrow_t)
DELETE(_ZdlPvSt11align_val_t)
DELETE(_ZdlPvmSt11align_val_t)
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t)
DELETE(_ZdaPv)
DELETE(_ZdaPvm)
DELETE(_ZdaPvRKSt9nothrow_t)
DELETE(_ZdaPvSt11align_val_t)
DELETE(_ZdaPvmSt11align_val_t)
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t)
