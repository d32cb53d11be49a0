/* Files written through shared mappings, by system calls alone; see file.h. */
#include "observe/file.h"

#include "os/syscall.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Shells and servers use the descriptors below. */
#define DESCRIPTOR_LEAST 500

#define PAGE ((size_t)4096)

/* Which file a descriptor is; false if none. */
static bool identify(int fd, uint64_t *ret_device, uint64_t *ret_inode)
{
	struct statx about;

	if (syscall6(SYS_statx, fd, (long)"", AT_EMPTY_PATH, STATX_INO, (long)&about, 0) != 0)
		return false;
	*ret_device = (uint64_t)about.stx_dev_major << 32 | about.stx_dev_minor;
	*ret_inode = about.stx_ino;
	return true;
}

static bool is_still(const struct file *file)
{
	uint64_t device, inode;

	return identify(file->fd, &device, &inode) && device == file->device &&
	       inode == file->inode;
}

/* A high descriptor, or the number of an error, negative. */
static int open_high(const char *path, int flags)
{
	long low = syscall6(SYS_openat, AT_FDCWD, (long)path,
			    flags | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600, 0, 0);
	long high;

	if (syscall_failed(low))
		return (int)low;
	high = syscall3(SYS_fcntl, low, F_DUPFD_CLOEXEC, DESCRIPTOR_LEAST);
	if (syscall_failed(high))
		return (int)low;
	syscall3(SYS_close, low, 0, 0);
	return (int)high;
}

int file_create(struct file *ret_file, const char *path)
{
	int fd = open_high(path, O_RDWR | O_EXCL);

	if (fd < 0)
		return -fd;
	*ret_file = (struct file){.fd = fd};
	identify(fd, &ret_file->device, &ret_file->inode);
	return 0;
}

int file_open(const char *path)
{
	return open_high(path, O_WRONLY | O_APPEND);
}

/* A byte a page, so that the file system finds room for all of it now, or says that there is
   none. */
static bool write_zeros(int fd, uint64_t offset, size_t nbytes)
{
	for (size_t at = PAGE - 1; at < nbytes; at += PAGE)
		if (syscall6(SYS_pwrite64, fd, (long)"", 1, (long)(offset + at), 0, 0) != 1)
			return false;
	return true;
}

void *file_append(const struct file *file, uint64_t offset, size_t nbytes)
{
	long mem;

	if (!is_still(file) || !write_zeros(file->fd, offset, nbytes))
		return NULL;
	mem = syscall6(SYS_mmap, 0, (long)nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd,
		       (long)offset);
	return syscall_failed(mem) ? NULL : (void *)mem;
}

void file_unmap(void *mem, size_t nbytes)
{
	syscall3(SYS_munmap, (long)mem, (long)nbytes, 0);
}

void file_close(const struct file *file)
{
	if (is_still(file))
		syscall3(SYS_close, file->fd, 0, 0);
}
