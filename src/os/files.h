/*
 * Files, by system calls alone: what the kernel says of the process under /proc, the files whose
 * symbols name functions, traces and reports. Only for what the user asked for; allocation opens no
 * file, but for limit=auto (os/memory_limits.h).
 *
 * A result below 0 is the negative of an error number. os_linux_files.c ships; tests link
 * os_sim_files.c in its place, where any file can have other contents, or be refused.
 */
#pragma once

#include "base/compiler.h"

/* A descriptor to read the file by. */
int os_open(const char *path);

/* Up to nbytes of what follows, perhaps less; how many, 0 at the end. */
long os_read(int fd, void *buffer, size_t nbytes);

void os_close(int fd);

/* The beginning of a file as a string; "" when it cannot be read. */
static inline void os_read_string(const char *path, char *buffer, size_t size)
{
	int fd = os_open(path);
	long length = fd >= 0 ? os_read(fd, buffer, size - 1) : 0;

	if (fd >= 0)
		os_close(fd);
	buffer[length > 0 ? length : 0] = '\0';
}

/* As os_read() from an offset on, wherever reads go on. */
long os_read_at(int fd, uint64_t offset, void *buffer, size_t nbytes);

/* Where a symbolic link leads, without an end mark and cut off at nbytes; how many bytes. */
long os_read_link(const char *path, char *buffer, size_t nbytes);

/* All of a file, to be read; NULL when it has nothing or cannot be mapped. */
const char *os_map_file(const char *path, size_t *ret_nbytes);
void os_unmap_file(const void *mem, size_t nbytes);

/*
 * A descriptor to write by. The file is made for the user alone if it is not there; no symbolic
 * link is followed. OS_NEW: it must not be there yet, and can be mapped; OS_SHARED: the same, and
 * others may read it; OS_APPEND: what is written goes to its end, and never waits: of a pipe that
 * nobody reads the error is ENXIO.
 */
enum os_create { OS_NEW, OS_APPEND, OS_SHARED };
int os_create(const char *path, enum os_create how);

/* Gives a file another name, in place of what had that; 0 or an error. */
int os_rename(const char *from, const char *to);

/* Whether the path is a link's, a device's, a pipe's or a socket's, which os_rename() to it would
   take away. */
bool os_is_special(const char *path);

void os_remove(const char *path);

/* Gives an open file a descriptor of at least that number, and closes the other; the same one when
   the system refuses. */
int os_move_descriptor(int fd, int least);

/* Which file a descriptor is; false: none. */
bool os_identify(int fd, uint64_t *ret_device, uint64_t *ret_inode);

/* A file that is kept open, and how it is known again after the program has closed or reused
   descriptors. */
struct os_file {
	int fd;
	uint64_t device, inode;
};

/* Shells and servers use the descriptors below. */
#define OS_DESCRIPTOR_LEAST 500

/* os_create(), with a descriptor out of the way of those that programs count on. */
static inline int os_create_high(const char *path, enum os_create how)
{
	int fd = os_create(path, how);

	return fd < 0 ? fd : os_move_descriptor(fd, OS_DESCRIPTOR_LEAST);
}

/* The same for a file that stays open; 0, or the number of an error. */
static inline int os_create_aside(struct os_file *ret_file, const char *path, enum os_create how)
{
	int fd = os_create_high(path, how);

	if (fd < 0)
		return -fd;
	*ret_file = (struct os_file){.fd = fd};
	os_identify(ret_file->fd, &ret_file->device, &ret_file->inode);
	return 0;
}

/* Whether the descriptor is still that file's, or the system does not say. */
static inline bool os_is_still(const struct os_file *file)
{
	uint64_t device, inode;

	if (!file->inode)
		return true;
	return os_identify(file->fd, &device, &inode) && device == file->device &&
	       inode == file->inode;
}

/* Writes a zero at an offset; false when there is no room. */
bool os_write_zero(int fd, uint64_t offset);

/* Maps a part of a file, for os_unmap_file(): what is stored there is in the file. NULL when the
   system refuses. */
void *os_map_shared(int fd, uint64_t offset, size_t nbytes);
