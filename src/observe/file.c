/* Files written through shared mappings; see file.h. */
#include "observe/file.h"

#include "os/files.h"

#define PAGE ((size_t)4096)

/* A byte a page, so that the file system finds room for all of it now, or says that there is
   none. */
static bool write_zeros(int fd, uint64_t offset, size_t nbytes)
{
	for (size_t at = PAGE - 1; at < nbytes; at += PAGE)
		if (!os_write_zero(fd, offset + at))
			return false;
	return true;
}

void *file_append(const struct os_file *file, uint64_t offset, size_t nbytes)
{
	if (!os_is_still(file) || !write_zeros(file->fd, offset, nbytes))
		return NULL;
	return os_map_shared(file->fd, offset, nbytes);
}

void file_close(const struct os_file *file)
{
	if (os_is_still(file))
		os_close(file->fd);
}
