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

long call_mmap(void *address, size_t nbytes, int protection, int flags)
{
	const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
	int saved;

	if (!code.mmap)
		return syscall6(SYS_mmap, (long)address, (long)nbytes, protection, anonymous | flags,
				-1, 0);
	saved = errno;
	return result_of((long)code.mmap(address, nbytes, protection, anonymous | flags, -1, 0),
			 saved);
}

long call_munmap(void *mem, size_t nbytes)
{
	int saved;

	if (!code.munmap)
		return syscall3(SYS_munmap, (long)mem, (long)nbytes, 0);
	saved = errno;
	return result_of(code.munmap(mem, nbytes), saved);
}

long call_mremap(void *mem, size_t old_nbytes, size_t new_nbytes, int flags, void *onto)
{
	int saved;

	if (!code.mremap)
		return syscall6(SYS_mremap, (long)mem, (long)old_nbytes, (long)new_nbytes, flags,
				(long)onto, 0);
	saved = errno;
	return result_of((long)code.mremap(mem, old_nbytes, new_nbytes, flags, onto), saved);
}

long call_madvise(void *mem, size_t nbytes, int advice)
{
	int saved;

	if (!code.madvise)
		return syscall3(SYS_madvise, (long)mem, (long)nbytes, advice);
	saved = errno;
	return result_of(code.madvise(mem, nbytes, advice), saved);
}

long call_sbrk(intptr_t nbytes)
{
	int saved;

	if (!code.sbrk)
		return -ENOSYS;
	saved = errno;
	return result_of((long)code.sbrk(nbytes), saved);
}
