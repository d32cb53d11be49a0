/*
 * A program started with descriptors 0, 1 and 2 closed: the first file that it opens is
 * number 0, and nothing is written there by the allocator.
 */
#include "process.h"

#include <pthread.h>

static void *allocate(void *unused)
{
	allocate_every_size();
	return unused;
}

/* The second start: its three files stand where standard error would. */
static int run_without_descriptors(const char *path)
{
	pthread_t thread;

	for (int fd = 0; fd < 3; fd++)
		if (open(path, O_RDWR | O_APPEND) != fd)
			return 2;
	allocate_every_size();
	if (pthread_create(&thread, NULL, allocate, NULL) != 0 || pthread_join(thread, NULL) != 0)
		return 3;
	return 0;
}

int main(int argc, char **argv)
{
	char path[] = "/tmp/loam-descriptors-XXXXXX", text[200];
	ssize_t got;
	pid_t child;
	int fd;

	if (argc > 1)
		return run_without_descriptors(argv[1]);
	fd = mkstemp(path);
	MUST(fd >= 0);
	child = fork();
	if (child == 0) {
		for (int closed = 0; closed < 3; closed++)
			close(closed);
		close(fd);
		execl("/proc/self/exe", argv[0], path, (char *)NULL);
		_exit(127);
	}
	MUST(child_wait(child) == 0);
	got = read(fd, text, sizeof text);
	unlink(path);
	if (got > 0)
		dprintf(2, "written to a file of the program: %.*s\n", (int)got, text);
	MUST(got == 0);
	return 0;
}
