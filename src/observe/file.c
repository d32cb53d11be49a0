/* Files written through shared mappings; see file.h. */
#include "observe/file.h"

#include "os/files.h"

/* Shells and servers use the descriptors below. */
#define DESCRIPTOR_LEAST 500

#define PAGE ((size_t)4096)

static bool is_still(const struct file *file)
{
	uint64_t device, inode;

	return os_identify(file->fd, &device, &inode) && device == file->device &&
	       inode == file->inode;
}

/* A high descriptor, or the number of an error, negative. */
static int open_high(const char *path, enum os_create how)
{
	int fd = os_create(path, how);

	return fd < 0 ? fd : os_move_descriptor(fd, DESCRIPTOR_LEAST);
}

int file_create(struct file *ret_file, const char *path)
{
	int fd = open_high(path, OS_NEW);

	if (fd < 0)
		return -fd;
	*ret_file = (struct file){.fd = fd};
	os_identify(fd, &ret_file->device, &ret_file->inode);
	return 0;
}

int file_open(const char *path)
{
	return open_high(path, OS_APPEND);
}

/* A byte a page, so that the file system finds room for all of it now, or says that there is
   none. */
static bool write_zeros(int fd, uint64_t offset, size_t nbytes)
{
	for (size_t at = PAGE - 1; at < nbytes; at += PAGE)
		if (!os_write_zero(fd, offset + at))
			return false;
	return true;
}

void *file_append(const struct file *file, uint64_t offset, size_t nbytes)
{
	if (!is_still(file) || !write_zeros(file->fd, offset, nbytes))
		return NULL;
	return os_map_shared(file->fd, offset, nbytes);
}

void file_unmap(void *mem, size_t nbytes)
{
	os_unmap_file(mem, nbytes);
}

void file_close(const struct file *file)
{
	if (is_still(file))
		os_close(file->fd);
}
