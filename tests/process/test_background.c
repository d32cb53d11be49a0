/*
 * background=1, with decay_ms=50: what threads freed that sleep now goes back, in the child of a
 * fork too; the thread that does it is named, takes no signal, and does not keep the process alive.
 */
#include "test.h"

#include "process.h"

#include <dirent.h>
#include <pthread.h>

enum { THREADS = 4, ROUNDS = 10, BLOCKS = 4000, KEPT_KIB = 24 << 10, SECONDS = 60 };

static pthread_barrier_t meeting;

static size_t size_of(size_t i)
{
	return 64 + i * 7919 % 8000;
}

/* Frees and allocates so often that loam learns to keep as much. */
static void *work(void *unused)
{
	static __thread struct block blocks[BLOCKS];

	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < BLOCKS; i++)
			blocks[i] = block_new(size_of(i));
		for (size_t i = 0; i < BLOCKS; i++)
			block_free(blocks[i]);
	}
	pthread_barrier_wait(&meeting);
	pthread_barrier_wait(&meeting); /* sleeps here */
	return unused;
}

/* Whether the process shrinks to so much while nothing is allocated or freed. */
static bool shrinks_to(size_t kib)
{
	for (int i = 0; i < SECONDS * 20; i++) {
		if (resident_kib() <= kib)
			return true;
		usleep(50000);
	}
	return false;
}

/* False: it has ended. One that was joined may be listed for a moment. */
static bool read_of_thread(const char *thread, const char *what, char *ret_text, size_t nbytes)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof path, "/proc/self/task/%s/%s", thread, what);
	file = fopen(path, "r");
	if (!file)
		return false;
	ret_text[fread(ret_text, 1, nbytes - 1, file)] = '\0';
	fclose(file);
	return true;
}

/* All signals but those that cannot be blocked, and two of libc's own, which must not be. */
#define BLOCKED (~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1) | 3ull << 31))

/* How many threads are called "loam"; no signal is delivered to them. */
static int threads_of_loam(void)
{
	DIR *directory = opendir("/proc/self/task");
	char name[32], status[8192], *blocked;
	struct dirent *entry;
	int count = 0;

	MUST(directory);
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		if (!read_of_thread(entry->d_name, "comm", name, sizeof name) ||
		    strcmp(name, "loam\n") != 0)
			continue;
		count++;
		MUST(read_of_thread(entry->d_name, "status", status, sizeof status));
		blocked = strstr(status, "SigBlk:");
		MUST(blocked && strtoull(blocked + 7, NULL, 16) == BLOCKED);
	}
	closedir(directory);
	return count;
}

static bool shrinks_when_idle(void)
{
	pthread_t threads[THREADS];
	bool shrunk;

	pthread_barrier_init(&meeting, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		MUST(pthread_create(&threads[i], NULL, work, NULL) == 0);
	pthread_barrier_wait(&meeting);
	shrunk = shrinks_to(KEPT_KIB);
	pthread_barrier_wait(&meeting);
	for (int i = 0; i < THREADS; i++)
		MUST(pthread_join(threads[i], NULL) == 0);
	return shrunk;
}

TEST(what_sleeping_threads_freed_goes_back)
{
	EXPECT(shrinks_when_idle());
	EXPECT_EQ(threads_of_loam(), 1);
}

TEST(a_child_of_fork_has_such_a_thread_of_its_own)
{
	pid_t child = fork();

	MUST(child >= 0);
	if (child == 0) {
		alarm(CHILD_SECONDS);
		MUST(shrinks_when_idle());
		MUST(threads_of_loam() == 1);
		MUST(setgid(getgid()) == 0); /* libc waits until each thread has done it */
		_exit(0);
	}
	EXPECT_EQ(child_wait(child), 0);
}

static void *outlive_the_first(void *unused)
{
	usleep(200000);
	allocate_every_size();
	return unused;
}

/* SIGALRM would not end it: the one thread that is left takes none. */
TEST(a_process_ends_with_the_last_thread_of_the_program)
{
	pid_t child = fork();
	pthread_t thread;
	int status = -1;

	MUST(child >= 0);
	if (child == 0) {
		MUST(pthread_create(&thread, NULL, outlive_the_first, NULL) == 0);
		pthread_exit(NULL);
	}
	for (int i = 0; i < SECONDS * 20 && waitpid(child, &status, WNOHANG) == 0; i++)
		usleep(50000);
	if (status == -1)
		kill(child, SIGKILL);
	EXPECT_EQ(status, 0);
}
