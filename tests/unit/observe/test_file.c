/* Files written through shared mappings: they are new, they outlive a killed process, and a
   descriptor that the program took away is noticed. */
#include "observe/file.h"

#include "os_sim.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[64];

static const char *fresh(const char *name)
{
	snprintf(path, sizeof path, "%s/%s", test_folder(), name);
	return path;
}

static int create(struct os_file *ret_file, const char *name)
{
	return os_create_aside(ret_file, name, OS_NEW);
}

TEST(a_file_is_new_and_out_of_the_way)
{
	struct os_file file;

	os_start();
	EXPECT_EQ(create(&file, fresh("new")), 0);
	EXPECT(file.fd >= 500);
	EXPECT_EQ(fcntl(file.fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(create(&file, path), EEXIST);
	EXPECT_EQ(create(&file, "/nowhere/at all"), ENOENT);
	unlink(path);
}

TEST(where_there_are_no_more_descriptors_the_low_one_serves)
{
	struct os_file file;

	os_sim_refuse(OS_SIM_FILES, EMFILE);
	EXPECT_EQ(create(&file, fresh("refused")), EMFILE);
	EXPECT_EQ(access(path, F_OK), -1);
	os_sim_refuse(OS_SIM_FILES, 0);
	os_sim_refuse(OS_SIM_DESCRIPTORS, EMFILE);
	EXPECT_EQ(create(&file, path), 0);
	EXPECT(file.fd < 500);
	EXPECT(file_append(&file, 0, os_page_size()) != NULL);
	os_sim_refuse(OS_SIM_DESCRIPTORS, 0);
	file_close(&file);
	unlink(path);
}

TEST(what_was_stored_outlives_a_killed_process)
{
	struct os_file file;
	char read_back[8] = "";
	pid_t child;
	int fd;

	fresh("killed");
	child = fork();
	if (child == 0) {
		char *mem;

		create(&file, path);
		file_append(&file, 0, os_page_size());
		mem = file_append(&file, os_page_size(), os_page_size());
		memcpy(mem, "stored", 7);
		raise(SIGKILL);
	}
	waitpid(child, NULL, 0);
	fd = open(path, O_RDONLY);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), 2 * os_page_size());
	EXPECT_EQ(pread(fd, read_back, 7, (off_t)os_page_size()), 7);
	EXPECT_STR(read_back, "stored");
	close(fd);
	unlink(path);
}

TEST(a_descriptor_that_became_another_file_is_left_alone)
{
	struct os_file file;
	struct stat other;

	REQUIRE(create(&file, fresh("mine")) == 0);
	unlink(path);
	fresh("theirs");
	REQUIRE(dup2(open(path, O_RDWR | O_CREAT, 0600), file.fd) == file.fd);
	EXPECT(file_append(&file, 0, os_page_size()) == NULL);
	file_close(&file);
	EXPECT_EQ(fstat(file.fd, &other), 0);
	EXPECT_EQ(other.st_size, 0);
	close(file.fd);
	EXPECT(file_append(&file, 0, os_page_size()) == NULL);
	unlink(path);
}
