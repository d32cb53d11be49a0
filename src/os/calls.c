/* Calls by libc's code; see calls.h. */
#include "os/calls.h"

#include "os/libc.h"
#include "os/syscall.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/types.h>

SEALED static struct {
	void *(*mmap)(void *, size_t, int, int, int, off_t);
	int (*munmap)(void *, size_t);
	void *(*mremap)(void *, size_t, size_t, int, ...);
	int (*madvise)(void *, size_t, int);
	void *(*sbrk)(intptr_t);
} code;

void calls_start(void)
{
	libc_find(&code.mmap, "mmap");
	libc_find(&code.munmap, "munmap");
	libc_find(&code.mremap, "mremap");
	libc_find(&code.madvise, "madvise");
	libc_find(&code.sbrk, "sbrk");
}

/* The kernel's result of what libc returned, and errno as it was before. */
static long result_of(long returned, int saved)
{
	long result = returned == -1 ? -errno : returned;

	errno = saved;
	return result;
}

/* Not read before libc is found: errno is a thread variable, which exists once loam is
   relocated. */
#define BY_LIBC(call)                                                                              \
	({                                                                                         \
		int saved = errno;                                                                 \
		result_of((long)(call), saved);                                                    \
	})

long call_mmap(void *address, size_t nbytes, int protection, int flags)
{
	long result;

	flags |= MAP_PRIVATE | MAP_ANONYMOUS;
	result = code.mmap ? BY_LIBC(code.mmap(address, nbytes, protection, flags, -1, 0))
			   : syscall6(SYS_mmap, (long)address, (long)nbytes, protection, flags, -1,
				      0);
	found_at(&code); /* another thread may have unmapped what was there */
	return result;
}

long call_munmap(void *mem, size_t nbytes)
{
	left_by(&code);
	return code.munmap ? BY_LIBC(code.munmap(mem, nbytes))
			   : syscall3(SYS_munmap, (long)mem, (long)nbytes, 0);
}

long call_mremap(void *mem, size_t old_nbytes, size_t new_nbytes, int flags, void *onto)
{
	long result;

	left_by(&code);
	result = code.mremap ? BY_LIBC(code.mremap(mem, old_nbytes, new_nbytes, flags, onto))
			     : syscall6(SYS_mremap, (long)mem, (long)old_nbytes, (long)new_nbytes,
					flags, (long)onto, 0);
	found_at(&code);
	return result;
}

long call_madvise(void *mem, size_t nbytes, int advice)
{
	return code.madvise ? BY_LIBC(code.madvise(mem, nbytes, advice))
			    : syscall3(SYS_madvise, (long)mem, (long)nbytes, advice);
}

long call_sbrk(intptr_t nbytes)
{
	return code.sbrk ? BY_LIBC(code.sbrk(nbytes)) : -ENOSYS;
}
