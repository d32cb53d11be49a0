/* Files for tests; see os_sim.h. */
#include "os/check.h"
#include "os/files.h"
#include "os_sim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	const char *path, *bytes; /* the file that is not what it is; NULL: none */
	size_t nbytes, at, read_most, read_first, read;
	const struct os_sim_text *texts; /* or NULL */
	int fd, open_files;
} files = {.read_most = SIZE_MAX, .fd = -1};

void os_sim_file(const char *path, const char *bytes, size_t nbytes)
{
	files.path = bytes ? path : NULL;
	files.bytes = bytes;
	files.nbytes = nbytes;
}

void os_sim_read_most(size_t nbytes)
{
	files.read_most = nbytes;
}

void os_sim_read_first(size_t nbytes)
{
	files.read_first = nbytes;
}

void os_sim_texts(const struct os_sim_text *texts)
{
	files.texts = texts;
}

int os_sim_open_files(void)
{
	return files.open_files;
}

/* --- the contract of os/files.h ------------------------------------------------------------- */

/* The result of a call, with errno as it was before. */
static long result_of(long returned, int saved)
{
	long result = returned < 0 ? -errno : returned;

	errno = saved;
	return result;
}

static bool is_ours(const char *path)
{
	return files.path && strcmp(path, files.path) == 0;
}

/* Makes a text the file that is not what it is. */
static void choose_text(const char *path)
{
	const struct os_sim_text *t = files.texts;

	while (t && t->path && strcmp(t->path, path) != 0)
		t++;
	if (t && t->path)
		os_sim_file(t->path, t->text, strlen(t->text));
}

int os_open(const char *path)
{
	int saved = errno, fd;

	if (os_sim_refusals[OS_SIM_FILES])
		return -os_sim_refusals[OS_SIM_FILES];
	choose_text(path);
	fd = (int)result_of(open(is_ours(path) ? "/dev/null" : path, O_RDONLY | O_CLOEXEC), saved);
	if (fd < 0)
		return fd;
	files.open_files++;
	files.read = 0;
	if (is_ours(path)) {
		files.fd = fd;
		files.at = 0;
	}
	return fd;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

long os_read(int fd, void *buffer, size_t nbytes)
{
	int saved = errno;
	long n;

	CHECK(fd >= 0 && nbytes);
	nbytes = least(nbytes, files.read_most);
	if (os_sim_refusals[OS_SIM_READS]) {
		if (files.read >= files.read_first)
			return -os_sim_refusals[OS_SIM_READS];
		nbytes = least(nbytes, files.read_first - files.read);
	}
	if (fd == files.fd) {
		n = (long)least(nbytes, files.nbytes - files.at);
		memcpy(buffer, files.bytes + files.at, (size_t)n);
		files.at += (size_t)n;
	} else {
		n = result_of(read(fd, buffer, nbytes), saved);
	}
	files.read += n > 0 ? (size_t)n : 0;
	return n;
}

long os_read_at(int fd, uint64_t offset, void *buffer, size_t nbytes)
{
	int saved = errno;

	CHECK(fd >= 0 && nbytes);
	if (os_sim_refusals[OS_SIM_READS])
		return -os_sim_refusals[OS_SIM_READS];
	return result_of(pread(fd, buffer, least(nbytes, files.read_most), (off_t)offset), saved);
}

void os_close(int fd)
{
	CHECK(close(fd) == 0); /* nobody closes what is not open */
	files.open_files--;
	if (fd == files.fd)
		files.fd = -1;
}

long os_read_link(const char *path, char *buffer, size_t nbytes)
{
	int saved = errno;

	return os_sim_refusals[OS_SIM_FILES] ? -os_sim_refusals[OS_SIM_FILES]
					     : result_of(readlink(path, buffer, nbytes), saved);
}

/* A copy of what the test gave, so that no byte behind it can be read. */
static const char *map_ours(size_t *ret_nbytes)
{
	char *mem;

	*ret_nbytes = files.nbytes;
	if (!files.nbytes)
		return NULL;
	mem = mmap(NULL, files.nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mem == MAP_FAILED ? NULL : memcpy(mem, files.bytes, files.nbytes);
}

const char *os_map_file(const char *path, size_t *ret_nbytes)
{
	int fd;
	struct stat about;
	void *mem = MAP_FAILED;

	if (!os_sim_refusals[OS_SIM_FILES] && is_ours(path))
		return map_ours(ret_nbytes);
	fd = os_open(path);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &about) == 0 && about.st_size > 0)
		mem = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	os_close(fd);
	*ret_nbytes = (size_t)about.st_size;
	return mem == MAP_FAILED ? NULL : mem;
}

void os_unmap_file(const void *mem, size_t nbytes)
{
	CHECK(munmap((void *)(uintptr_t)mem, nbytes) == 0);
}

int os_create(const char *path, enum os_create how)
{
	int flags = O_CREAT | O_CLOEXEC | O_NOFOLLOW, saved = errno, fd;

	if (os_sim_refusals[OS_SIM_FILES])
		return -os_sim_refusals[OS_SIM_FILES];
	flags |= how == OS_APPEND ? O_WRONLY | O_APPEND | O_NONBLOCK : O_RDWR | O_EXCL;
	fd = (int)result_of(open(path, flags, how == OS_SHARED ? 0644 : 0600), saved);
	files.open_files += fd >= 0;
	return fd;
}

int os_rename(const char *from, const char *to)
{
	int saved = errno;

	return os_sim_refusals[OS_SIM_FILES] ? -os_sim_refusals[OS_SIM_FILES]
					     : (int)result_of(rename(from, to), saved);
}

bool os_is_special(const char *path)
{
	struct stat about;
	int saved = errno;
	bool is_there = lstat(path, &about) == 0;

	errno = saved;
	return is_there && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode);
}

void os_remove(const char *path)
{
	int saved = errno;

	unlink(path);
	errno = saved;
}

int os_move_descriptor(int fd, int low)
{
	int moved = os_sim_refusals[OS_SIM_DESCRIPTORS] ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, low);

	if (moved < 0)
		return fd;
	CHECK(close(fd) == 0);
	return moved;
}

bool os_identify(int fd, uint64_t *ret_device, uint64_t *ret_inode)
{
	struct stat about;

	if (fstat(fd, &about) != 0)
		return false;
	*ret_device = about.st_dev;
	*ret_inode = about.st_ino;
	return true;
}

bool os_write_zero(int fd, uint64_t offset)
{
	return pwrite(fd, "", 1, (off_t)offset) == 1;
}

void *os_map_shared(int fd, uint64_t offset, size_t nbytes)
{
	void *mem = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);

	return mem == MAP_FAILED ? NULL : mem;
}
