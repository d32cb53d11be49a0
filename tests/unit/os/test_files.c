/* What os/files.h promises, of the real system and of the simulated one. */
#include "os/files.h"

#include "os/os.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *path_of(const char *name)
{
	static char path[80];

	snprintf(path, sizeof path, "%s/%s", test_folder(), name);
	return path;
}

/* A file with a text in it. */
static const char *file_with(const char *name, const char *text)
{
	const char *path = path_of(name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	REQUIRE(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	return path;
}

TEST(a_file_is_read_to_its_end)
{
	const char *path = file_with("read", "some text");
	char buffer[5];
	int fd = os_open(path);

	REQUIRE(fd >= 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(os_read(fd, buffer, sizeof buffer), 5);
	EXPECT(memcmp(buffer, "some ", 5) == 0);
	EXPECT_EQ(os_read(fd, buffer, sizeof buffer), 4);
	EXPECT_EQ(os_read(fd, buffer, sizeof buffer), 0);
	os_close(fd);
	EXPECT_EQ(fcntl(fd, F_GETFD), -1);
	unlink(path);
}

TEST(errors_are_results_and_errno_stays)
{
	char buffer[8];

	errno = ERANGE;
	EXPECT_EQ(os_open("/nowhere/at all"), -ENOENT);
	EXPECT_EQ(os_create("/nowhere/at all", OS_NEW), -ENOENT);
	EXPECT_EQ(os_read_link("/nowhere/at all", buffer, sizeof buffer), -ENOENT);
	EXPECT_EQ(errno, ERANGE);
}

TEST(a_link_is_cut_off_and_has_no_end_mark)
{
	char buffer[5] = "xxxx";

	EXPECT_EQ(os_read_link("/proc/self/exe", buffer, 3), 3);
	EXPECT(buffer[0] == '/' && buffer[3] == 'x');
}

TEST(a_file_is_mapped_whole_and_an_empty_one_is_not)
{
	size_t nbytes = 0;
	const char *path = file_with("mapped", "all of it");
	const char *mem = os_map_file(path, &nbytes);

	REQUIRE(mem);
	EXPECT_EQ(nbytes, 9);
	EXPECT(memcmp(mem, "all of it", 9) == 0);
	os_unmap_file(mem, nbytes);
	unlink(path);
	path = file_with("empty", "");
	EXPECT(!os_map_file(path, &nbytes));
	unlink(path);
	EXPECT(!os_map_file(path, &nbytes));
}

TEST(a_file_that_is_made_is_the_users_alone)
{
	const char *path = path_of("made");
	struct stat about;
	int fd = os_create(path, OS_NEW);

	REQUIRE(fd >= 0);
	EXPECT_EQ(fstat(fd, &about), 0);
	EXPECT_EQ(about.st_mode & 0777, 0600);
	EXPECT_EQ(os_create(path, OS_NEW), -EEXIST);
	os_close(fd);
	fd = os_create(path, OS_APPEND);
	EXPECT_EQ(fcntl(fd, F_GETFL) & (O_APPEND | O_ACCMODE), O_APPEND | O_WRONLY);
	os_close(fd);
	unlink(path);
	REQUIRE(symlink("/tmp/loam-nobody", path) == 0);
	EXPECT_EQ(os_create(path, OS_NEW), -EEXIST);
	EXPECT_EQ(os_create(path, OS_APPEND), -ELOOP);
	unlink(path);
	REQUIRE(mkfifo(path, 0600) == 0);
	EXPECT_EQ(os_create(path, OS_APPEND), -ENXIO);
	unlink(path);
}

TEST(what_is_no_file_and_no_folder_is_special)
{
	const char *path = file_with("plain", "");

	errno = ERANGE;
	EXPECT(!os_is_special(path) && !os_is_special("/") && !os_is_special("/nowhere/at all"));
	unlink(path);
	EXPECT(os_is_special("/dev/null") && os_is_special("/proc/self/exe"));
	EXPECT_EQ(errno, ERANGE);
}

TEST(a_descriptor_moves_and_is_still_that_file)
{
	const char *path = path_of("moved");
	int fd = os_create(path, OS_NEW), moved = os_move_descriptor(fd, 500);
	uint64_t device, inode, device_then, inode_then;
	struct stat about;
	char *mem;

	EXPECT(moved >= 500);
	EXPECT_EQ(fcntl(fd, F_GETFD), -1);
	EXPECT_EQ(fcntl(moved, F_GETFD), FD_CLOEXEC);
	EXPECT(os_identify(moved, &device, &inode));
	EXPECT(!os_identify(fd, &device_then, &inode_then));
	EXPECT_EQ(stat(path, &about), 0);
	EXPECT_EQ(inode, about.st_ino);
	EXPECT(os_write_zero(moved, os_page_size() - 1));
	mem = os_map_shared(moved, 0, os_page_size());
	REQUIRE(mem);
	mem[0] = 'x';
	EXPECT(pread(moved, &device, 1, 0) == 1 && *(char *)&device == 'x');
	os_unmap_file(mem, os_page_size());
	os_close(moved);
	EXPECT(!os_write_zero(moved, 0));
	unlink(path);
}
