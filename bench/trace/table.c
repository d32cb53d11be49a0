#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void table_fail(const char *what, const char *why)
{
	dprintf(2, "replay: %s: %s\n", what, why);
	_exit(2);
}

static void *map(size_t nbytes, int protection, int flags, int fd, const char *what)
{
	void *table = mmap(NULL, nbytes ? nbytes : 1, protection, flags, fd, 0);

	if (table == MAP_FAILED)
		table_fail(what, strerror(errno));
	return table;
}

void *table_map(size_t nbytes)
{
	return map(nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		   "memory for tables");
}

void table_unmap(void *table, size_t nbytes)
{
	munmap(table, nbytes ? nbytes : 1);
}

void *table_in_file(size_t nbytes)
{
	int fd = table_temporary();
	void *table;

	table_reserve(fd, "a temporary file", 0, nbytes);
	table = map(nbytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
		    "a temporary file");
	close(fd);
	return table;
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0666);

	if (fd < 0)
		table_fail(path, strerror(errno));
	return fd;
}

int table_create(const char *path)
{
	return open_file(path, O_RDWR | O_CREAT | O_TRUNC);
}

/* TMPDIR, else /var/tmp where there is one: /tmp may be in memory. */
int table_temporary(void)
{
	const char *folder = getenv("TMPDIR");
	char path[4096];
	int fd;

	if (!folder || !*folder)
		folder = access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp";
	snprintf(path, sizeof(path), "%s/replay-XXXXXX", folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		table_fail(path, strerror(errno));
	unlink(path);
	return fd;
}

int table_open(const char *path, size_t *nbytes)
{
	int fd = open_file(path, O_RDONLY);
	struct stat status;

	if (fstat(fd, &status))
		table_fail(path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		table_fail(path, "not a file");
	*nbytes = (size_t)status.st_size;
	return fd;
}

void *table_map_file(int fd, const char *path, size_t nbytes, bool writable)
{
	return map(nbytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED | MAP_NORESERVE, fd,
		   path);
}

void table_reserve(int fd, const char *path, size_t offset, size_t nbytes)
{
	errno = nbytes ? posix_fallocate(fd, (off_t)offset, (off_t)nbytes) : 0;
	if (errno)
		table_fail(path, strerror(errno));
}
