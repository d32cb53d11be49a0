/*
 * The names that the tests of this folder call, in three builds of each file.
 *
 *	API_LOAM     malloc(n) is loam_malloc(n); linked with the core, beside libc's heap
 *	API_PRELOAD  malloc(n) is malloc(n); run with libloam.so preloaded
 *	API_GLIBC    the same against plain glibc: proof that the test asks for what glibc does
 *
 * Only calls are mapped, not a name whose address is taken.  What glibc 2.36 does not keep
 * is left out of the third build under #ifndef API_GLIBC, with the reason beside it.
 *
 * In the first two builds the whole heap must prove sound at exit, and in the second the
 * program must have met libloam.so at all.
 */
#pragma once

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __cplusplus /* the harness is C */
#define _Noreturn [[noreturn]]
extern "C" {
#include "test.h"
}
#else
#include "test.h"
#endif

#if defined(API_LOAM) + defined(API_PRELOAD) + defined(API_GLIBC) != 1
#error "compile with one of -DAPI_LOAM, -DAPI_PRELOAD, -DAPI_GLIBC"
#endif

#ifdef API_LOAM
#include "loam/loam.h"
#define malloc(n)		     loam_malloc(n)
#define free(p)			     loam_free(p)
#define calloc(n, size)		     loam_calloc(n, size)
#define realloc(p, n)		     loam_realloc(p, n)
#define reallocarray(p, n, size)     loam_reallocarray(p, n, size)
#define memalign(align, n)	     loam_memalign(align, n)
#define aligned_alloc(align, n)	     loam_aligned_alloc(align, n)
#define posix_memalign(out, a, n)    loam_posix_memalign(out, a, n)
#define valloc(n)		     loam_valloc(n)
#define pvalloc(n)		     loam_pvalloc(n)
#define cfree(p)		     loam_cfree(p)
#define malloc_usable_size(p)	     loam_malloc_usable_size(p)
#define free_sized(p, n)	     loam_free_sized(p, n)
#define free_aligned_sized(p, a, n)  loam_free_aligned_sized(p, a, n)
#define memalignment(p)		     loam_memalignment(p)
#define mallinfo()		     loam_mallinfo()
#define mallinfo2()		     loam_mallinfo2()
#define mallopt(name, value)	     loam_mallopt(name, value)
#define malloc_trim(pad)	     loam_malloc_trim(pad)
#define malloc_stats()		     loam_malloc_stats()
#define malloc_info(options, stream) loam_malloc_info(options, stream)
#define malloc_get_state()	     loam_malloc_get_state()
#define malloc_set_state(state)	     loam_malloc_set_state(state)
#else
/* Not in glibc 2.36's headers, nor to be linked with: the preloaded library gives them to who asks
   for their version. */
#define cfree(p)	   ((void (*)(void *))versioned("cfree", OLDEST_GLIBC))(p)
#define malloc_get_state() ((void *(*)(void))versioned("malloc_get_state", OLDEST_GLIBC))()
#define malloc_set_state(state)                                                                    \
	((int (*)(void *))versioned("malloc_set_state", OLDEST_GLIBC))(state)
#define free_sized(p, n) ((void (*)(void *, size_t))versioned("free_sized", "GLIBC_2.43"))(p, n)
#define free_aligned_sized(p, a, n)                                                                \
	((void (*)(void *, size_t, size_t))versioned("free_aligned_sized", "GLIBC_2.43"))(p, a, n)
#define memalignment(p) ((size_t(*)(const void *))dlsym(RTLD_DEFAULT, "loam_memalignment"))(p)

static inline void *versioned(const char *name, const char *version)
{
	void *found = dlvsym(RTLD_DEFAULT, name, version);

	if (!found)
		dprintf(2, "there is no %s of version %s\n", name, version);
	return found;
}
#endif

#ifdef API_PRELOAD
__attribute__((constructor)) static void loam_is_preloaded(void)
{
	Dl_info met;

	if (dladdr(dlsym(RTLD_DEFAULT, "malloc"), &met) && strstr(met.dli_fname, "libloam"))
		return;
	dprintf(2, "malloc is not libloam.so's\n");
	_exit(1);
}
#endif

#ifndef API_GLIBC
__attribute__((destructor)) static void the_heap_is_sound(void)
{
	bool (*check)(void);

#ifdef API_LOAM
	check = loam_check;
#else
	*(void **)&check = dlsym(RTLD_DEFAULT, "loam_check");
#endif

	if (check && check())
		return;
	dprintf(2, "%s",
		check ? "the heap is not sound at exit\n" : "no loam_check in libloam.so\n");
	_exit(1);
}
#endif

/* The canary that a test leaves in errno to see whether a call touches it. */
#define ERRNO_CANARY 4242

/* Too large for any object; volatile, so that the compiler does not say so first. */
static const volatile size_t too_large = (size_t)PTRDIFF_MAX + 1;

/* One size or more for each floor: bins, slabs, runs, huge; and the edges between. Volatile, so
   that the compiler does not know them. */
static const volatile size_t sizes[] = {
	1,	7,	 8,	  16,	   24,	    25,	     100,      128,
	129,	500,	 1008,	  1024,	   1500,    4000,    4096,     4097,
	10000,	32768,	 32769,	  65536,   100000,  131071,  131072,   131073,
	200000, 1 << 20, 3000000, 4 << 20, 4194305, 5000000, 16 << 20, 64 << 20,
};
#define SIZES (sizeof sizes / sizeof sizes[0])

/* Fills n bytes at p with a pattern that depends on seed and place; pattern_holds looks for it. */
static inline void pattern_put(void *p, size_t n, unsigned seed)
{
	unsigned char *bytes = (unsigned char *)p;

	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)(seed + i * 31 + (i >> 8));
}

static inline bool pattern_holds(const void *p, size_t n, unsigned seed)
{
	const unsigned char *bytes = (const unsigned char *)p;

	for (size_t i = 0; i < n; i++)
		if (bytes[i] != (unsigned char)(seed + i * 31 + (i >> 8)))
			return false;
	return true;
}

static inline bool all_zero(const void *p, size_t n)
{
	const char *bytes = (const char *)p;

	return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

/* Where p points. What malloc promises the compiler takes for granted; this makes it look. */
static inline uintptr_t address(const void *p)
{
	const void *volatile seen = p;

	return (uintptr_t)seen;
}

static inline bool is_aligned(const void *p, size_t align)
{
	return address(p) % align == 0;
}

static inline bool distinct(const void *p, const void *q)
{
	return address(p) && address(q) && address(p) != address(q);
}

#ifdef __SANITIZE_THREAD__
#define SHADOWED true
#elif defined(__has_feature)
#define SHADOWED __has_feature(thread_sanitizer)
#else
#define SHADOWED false
#endif

/* Bytes of this process that are in RAM. */
static inline size_t resident(void)
{
	unsigned long total, pages = 0;
	char text[128] = "";
	int fd;

	if (SHADOWED)
		test_skip("ThreadSanitizer's shadow of what was touched stays in RAM");
	fd = open("/proc/self/statm", O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof text - 1) <= 0 ||
	    sscanf(text, "%lu %lu", &total, &pages) != 2) {
		dprintf(2, "/proc/self/statm says nothing\n");
		_exit(1);
	}
	close(fd);
	return pages *
	       (test_emulated ? 4096 /* of the kernel below */ : (size_t)sysconf(_SC_PAGESIZE));
}
