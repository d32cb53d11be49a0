/* For emulated.py: three thousand threads one after the other, memory that was used and must be
   zero, and children: one that has threads of its own, and many that run no fork handler while
   other threads allocate.  Prints "ok". */
#include "process.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIVES = 3000, BLOCKS = 50, BUSY = 2, CHILDREN = 100 };

static bool is_zero(const char *mem, size_t nbytes)
{
	return !mem[0] && memcmp(mem, mem + 1, nbytes - 1) == 0;
}

static void *live(void *arg)
{
	size_t nbytes = 100 + (uintptr_t)arg * 7919 % 50000;
	char *mems[BLOCKS];

	for (int i = 0; i < BLOCKS; i++) {
		mems[i] = malloc(nbytes);
		MUST(mems[i]);
		memset(mems[i], i + 1, nbytes);
	}
	for (int i = 0; i < BLOCKS; i++) {
		MUST(mems[i][0] == i + 1 && mems[i][nbytes - 1] == i + 1);
		free(mems[i]);
	}
	mems[0] = calloc(1, 3 * nbytes);
	MUST(mems[0] && is_zero(mems[0], 3 * nbytes));
	free(mems[0]);
	return NULL;
}

static void have_threads(uintptr_t n)
{
	pthread_t thread;

	for (uintptr_t i = 0; i < n; i++) {
		MUST(pthread_create(&thread, NULL, live, (void *)i) == 0);
		MUST(pthread_join(thread, NULL) == 0);
	}
}

/* Memory that was given back to the system, as it is said. */
static void expect_zero_after_trim(size_t nbytes)
{
	static char *mems[BLOCKS];

	for (int i = 0; i < BLOCKS; i++) {
		mems[i] = malloc(nbytes);
		MUST(mems[i]);
		memset(mems[i], 1, nbytes);
	}
	for (int i = 0; i < BLOCKS; i++)
		free(mems[i]);
	malloc_trim(0);
	for (int i = 0; i < BLOCKS; i++) {
		mems[i] = calloc(1, nbytes);
		MUST(mems[i] && is_zero(mems[i], nbytes));
	}
	for (int i = 0; i < BLOCKS; i++)
		free(mems[i]);
}

static bool stop; /* atomic */

static void *be_busy(void *unused)
{
	for (uintptr_t i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++)
		live((void *)i);
	return unused;
}

/* Locks that the busy threads held are held in the child by nobody. */
static void expect_children_to_allocate(void)
{
	pthread_t threads[BUSY];

	for (int i = 0; i < BUSY; i++)
		MUST(pthread_create(&threads[i], NULL, be_busy, NULL) == 0);
	for (int i = 0; i < CHILDREN; i++) {
		pid_t child = _Fork();

		if (child == 0) {
			alarm(CHILD_SECONDS);
			for (uintptr_t n = 0; n < 5; n++)
				live((void *)n);
			_exit(0);
		}
		MUST(child_wait(child) == 0);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < BUSY; i++)
		MUST(pthread_join(threads[i], NULL) == 0);
}

int main(void)
{
	int status = -1;
	pid_t child;

	for (size_t nbytes = 1000; nbytes < 300000; nbytes *= 3)
		expect_zero_after_trim(nbytes);
	have_threads(LIVES);
	child = fork();
	if (child == 0) {
		have_threads(10);
		_exit(0);
	}
	MUST(waitpid(child, &status, 0) == child && status == 0);
	expect_children_to_allocate();
	puts("ok");
	return 0;
}
