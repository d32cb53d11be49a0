/* Files written through shared mappings, by system calls alone; see file.h. */
#include "os/file.h"

#include "os/clock.h"
#include "os/os.h"
#include "os/syscall.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/mman.h>
#include <sys/resource.h>
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

static bool is_still(const struct os_file *file)
{
	uint64_t device, inode;

	return identify(file->fd, &device, &inode) && device == file->device &&
	       inode == file->inode;
}

/* A high descriptor, or the number of an error, negative. */
static int open_high(const char *path, int flags)
{
	long low = syscall6(SYS_openat, AT_FDCWD, (long)path, flags | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			    0600, 0, 0);
	long high;

	if (syscall_failed(low))
		return (int)low;
	high = syscall3(SYS_fcntl, low, F_DUPFD_CLOEXEC, DESCRIPTOR_LEAST);
	if (syscall_failed(high))
		return (int)low;
	syscall3(SYS_close, low, 0, 0);
	return (int)high;
}

int os_file_create(struct os_file *ret_file, const char *path)
{
	int fd = open_high(path, O_RDWR | O_EXCL);

	if (fd < 0)
		return -fd;
	*ret_file = (struct os_file){.fd = fd};
	identify(fd, &ret_file->device, &ret_file->inode);
	return 0;
}

int os_file_open(const char *path)
{
	return open_high(path, O_WRONLY | O_APPEND);
}

/* A byte a page, so that the file system finds room for all of it now, or says that there is none. */
static bool write_zeros(int fd, uint64_t offset, size_t nbytes)
{
	for (size_t at = PAGE - 1; at < nbytes; at += PAGE)
		if (syscall6(SYS_pwrite64, fd, (long)"", 1, (long)(offset + at), 0, 0) != 1)
			return false;
	return true;
}

void *os_file_append(const struct os_file *file, uint64_t offset, size_t nbytes)
{
	long mem;

	if (!is_still(file) || !write_zeros(file->fd, offset, nbytes))
		return NULL;
	mem = syscall6(SYS_mmap, 0, (long)nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd,
		       (long)offset);
	return syscall_failed(mem) ? NULL : (void *)mem;
}

void os_file_unmap(void *mem, size_t nbytes)
{
	syscall3(SYS_munmap, (long)mem, (long)nbytes, 0);
}

void os_file_close(const struct os_file *file)
{
	if (is_still(file))
		syscall3(SYS_close, file->fd, 0, 0);
}

void os_program(char *buffer, size_t size)
{
	long n = syscall6(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)buffer,
			  (long)size - 1, 0, 0);

	buffer[syscall_failed(n) ? 0 : n] = '\0';
}

/* The second number of a line. */
static size_t second_number(const char *text)
{
	size_t n = 0;

	while (*text && *text != ' ')
		text++;
	for (text += *text != 0; *text >= '0' && *text <= '9'; text++)
		n = 10 * n + (size_t)(*text - '0');
	return n;
}

void os_resident(size_t *ret_now, size_t *ret_most)
{
	char text[128] = "";
	struct rusage usage = {.ru_maxrss = 0};
	int fd = (int)syscall6(SYS_openat, AT_FDCWD, (long)"/proc/self/statm", O_RDONLY | O_CLOEXEC, 0, 0, 0);

	if (fd >= 0) {
		syscall3(SYS_read, fd, (long)text, sizeof text - 1);
		syscall3(SYS_close, fd, 0, 0);
	}
	syscall3(SYS_getrusage, RUSAGE_SELF, (long)&usage, 0);
	*ret_now = second_number(text) * os_page_size();
	*ret_most = (size_t)usage.ru_maxrss * KIB;
	if (*ret_most < *ret_now)
		*ret_most = *ret_now; /* the kernel counts in batches */
}

uint64_t os_time_of_day(void)
{
	return clock_read(CLOCK_REALTIME);
}

uint64_t os_process(void)
{
	return (uint64_t)syscall3(SYS_getpid, 0, 0, 0);
}
