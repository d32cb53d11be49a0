/* All memory is used up: NULL and ENOMEM, and after half was freed a large block is had again. */
#include "test.h"

#include "process.h"

#include <pthread.h>
#include <sys/resource.h>

enum { ROOM_MIB = 96, LARGE_MIB = 16 };

/* A list through the blocks themselves, the newest first, takes no memory. */
struct link {
	struct link *older;
};

static void limit_room(int which, const char *in_use)
{
	rlim_t bytes =
		((rlim_t)proc_number("/proc/self/status", in_use) << 10) + ((rlim_t)ROOM_MIB << 20);
	struct rlimit limit = {bytes, bytes};

	MUST(setrlimit(which, &limit) == 0);
}

static void exhaust(size_t nbytes)
{
	struct link *newest = NULL, *made;
	size_t count = 0;
	void *large;

	errno = 0;
	while ((made = malloc(nbytes))) {
		made->older = newest;
		newest = made;
		count++;
	}
	MUST(errno == ENOMEM);
	MUST(count * nbytes > (size_t)ROOM_MIB << 19);
	errno = 0;
	MUST(!calloc(ROOM_MIB, 1 << 20) && errno == ENOMEM);
	errno = 0;
	MUST(!realloc(newest, (size_t)ROOM_MIB << 20) && errno == ENOMEM);
	for (size_t i = 0; i < count / 2; i++) {
		made = newest->older;
		free(newest);
		newest = made;
	}
	large = malloc((size_t)LARGE_MIB << 20);
	MUST(large);
	memset(large, 1, (size_t)LARGE_MIB << 20);
	free(large);
	for (; newest; newest = made) {
		made = newest->older;
		free(newest);
	}
	large = malloc((size_t)ROOM_MIB << 19);
	MUST(large);
	free(large);
	allocate_every_size();
}

static void *exhaust_in_thread(void *nbytes)
{
	exhaust(*(size_t *)nbytes);
	return NULL;
}

static const size_t sizes[] = {64, 1000, 5000, 60000, 200000, 1 << 20, 6 << 20};

static void exhaust_each_in_a_child(int which, const char *in_use, bool in_thread)
{
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		pid_t child = fork();
		pthread_t thread;

		if (child == 0) {
			alarm(CHILD_SECONDS);
			limit_room(which, in_use);
			if (!in_thread)
				exhaust(sizes[i]);
			else if (pthread_create(&thread, NULL, exhaust_in_thread,
						(void *)&sizes[i]) == 0)
				pthread_join(thread, NULL);
			_exit(0);
		}
		if (!EXPECT_EQ(child_wait(child), 0))
			printf("    in blocks of %zu bytes\n", sizes[i]);
	}
}

TEST(address_space)
{
	exhaust_each_in_a_child(RLIMIT_AS, "\nVmSize:", false);
}

/* glibc alone passes this or not as the place of its thread heaps, aligned to 64 MiB, has it. */
TEST(address_space_of_a_thread)
{
	exhaust_each_in_a_child(RLIMIT_AS, "\nVmSize:", true);
}

TEST(data)
{
	exhaust_each_in_a_child(RLIMIT_DATA, "\nVmData:", false);
}
