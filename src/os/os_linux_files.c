/* files.h on Linux. */
#include "os/check.h"
#include "os/files.h"
#include "os/syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_file(const char *path, int flags, int mode)
{
	return (int)syscall6(SYS_openat, AT_FDCWD, (long)path, flags | O_CLOEXEC, mode, 0, 0);
}

int os_open(const char *path)
{
	return open_file(path, O_RDONLY, 0);
}

long os_read(int fd, void *buffer, size_t nbytes)
{
	long n;

	ASSERT(fd >= 0 && nbytes);
	do
		n = syscall3(SYS_read, fd, (long)buffer, (long)nbytes);
	while (n == -EINTR);
	return n;
}

long os_read_at(int fd, uint64_t offset, void *buffer, size_t nbytes)
{
	long n;

	ASSERT(fd >= 0 && nbytes);
	do
		n = syscall6(SYS_pread64, fd, (long)buffer, (long)nbytes, (long)offset, 0, 0);
	while (n == -EINTR);
	return n;
}

void os_close(int fd)
{
	ASSERT(fd >= 0);
	syscall3(SYS_close, fd, 0, 0);
}

long os_read_link(const char *path, char *buffer, size_t nbytes)
{
	return syscall6(SYS_readlinkat, AT_FDCWD, (long)path, (long)buffer, (long)nbytes, 0, 0);
}

static void *map(int fd, uint64_t offset, size_t nbytes, int protection, int flags)
{
	long mem = syscall6(SYS_mmap, 0, (long)nbytes, protection, flags, fd, (long)offset);

	return syscall_failed(mem) ? NULL : (void *)mem;
}

const char *os_map_file(const char *path, size_t *ret_nbytes)
{
	int fd = os_open(path);
	const char *mem = NULL;
	long nbytes;

	if (fd < 0)
		return NULL;
	nbytes = syscall3(SYS_lseek, fd, 0, SEEK_END);
	if (nbytes > 0)
		mem = map(fd, 0, (size_t)nbytes, PROT_READ, MAP_PRIVATE);
	os_close(fd);
	*ret_nbytes = (size_t)nbytes;
	return mem;
}

void os_unmap_file(const void *mem, size_t nbytes)
{
	ASSERT(mem && nbytes);
	syscall3(SYS_munmap, (long)mem, (long)nbytes, 0);
}

int os_create(const char *path, enum os_create how)
{
	int flags = how == OS_APPEND ? O_WRONLY | O_APPEND | O_NONBLOCK : O_RDWR | O_EXCL;

	return open_file(path, O_CREAT | O_NOFOLLOW | flags, how == OS_SHARED ? 0644 : 0600);
}

int os_rename(const char *from, const char *to)
{
	return (int)syscall6(SYS_renameat, AT_FDCWD, (long)from, AT_FDCWD, (long)to, 0, 0);
}

bool os_is_special(const char *path)
{
	struct stat about; /* as the kernel's; statx() is newer than some kernels */

	return syscall6(SYS_newfstatat, AT_FDCWD, (long)path, (long)&about, AT_SYMLINK_NOFOLLOW, 0,
			0) == 0 &&
	       !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode);
}

void os_remove(const char *path)
{
	syscall3(SYS_unlinkat, AT_FDCWD, (long)path, 0);
}

int os_move_descriptor(int fd, int least)
{
	long moved = syscall3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, least);

	if (syscall_failed(moved))
		return fd;
	ASSERT(moved >= least);
	os_close(fd);
	return (int)moved;
}

bool os_identify(int fd, uint64_t *ret_device, uint64_t *ret_inode)
{
	struct stat about;

	if (syscall3(SYS_fstat, fd, (long)&about, 0) != 0)
		return false;
	*ret_device = about.st_dev;
	*ret_inode = about.st_ino;
	return true;
}

bool os_write_zero(int fd, uint64_t offset)
{
	return syscall6(SYS_pwrite64, fd, (long)"", 1, (long)offset, 0, 0) == 1;
}

void *os_map_shared(int fd, uint64_t offset, size_t nbytes)
{
	return map(fd, offset, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED);
}
