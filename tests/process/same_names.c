/*
 * A program whose own functions have names that libc has too.  They are other
 * functions, and nobody else may call them.  Linked with the archive, too, also without dynamic
 * linking.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARENA_BYTES = 1 << 20, BLOCKS = 3000, THREADS = 30 };

static int called;
static char arena[ARENA_BYTES]; /* an emulator's memory, say */
static size_t used;

static void call_of(const char *name)
{
	called++;
	(void)!write(2, name, strlen(name));
	(void)!write(2, " of the program was called\n", 27);
}

/* Under a name of its own to the compiler, since headers declare libc's. */
#define OWN(type, name, arguments, value)                                                          \
	type own_##name arguments __asm__(#name);                                                  \
	type own_##name arguments                                                                  \
	{                                                                                          \
		call_of(#name);                                                                    \
		return value;                                                                      \
	}

OWN(int, backtrace, (const char *why, int line), (int)strlen(why) + line)
OWN(int, clock_gettime, (int hour, int minute), hour * 60 + minute)
OWN(unsigned long, getauxval, (unsigned long n), n)
OWN(int, sigaction, (int n), n)
OWN(void *, dlsym, (const char *name), (void *)name)
OWN(void *, dlvsym, (const char *name), (void *)name)
OWN(int, dladdr1, (int n), n)
OWN(int, dl_iterate_phdr, (int n), n)
OWN(void *, madvise, (void *mem), mem)
OWN(void *, mremap, (void *mem), mem)
OWN(int, munmap, (int n), n)
OWN(int, pthread_atfork, (int n), n)
OWN(int, pthread_mutex_init, (int n), n)
OWN(int, pthread_mutex_trylock, (int n), n)
OWN(int, pthread_mutex_consistent, (int n), n)
OWN(int, pthread_mutexattr_setrobust, (int n), n)
OWN(int, prctl, (int n), n)
OWN(int, syscall, (int n), n)
OWN(int, raise, (int n), n)
OWN(int, getrlimit, (int n), n)
OWN(int, longjmp, (int n), n)
OWN(int, fputs, (int n), n)

/* Grows the program's own memory: who calls it by mistake gets a heap in there. */
void *own_sbrk(intptr_t nbytes) __asm__("sbrk");
void *own_sbrk(intptr_t nbytes)
{
	void *old = arena + used;

	call_of("sbrk");
	used += (size_t)nbytes;
	return old;
}

static void check(bool holds, const char *what)
{
	if (!holds) {
		printf("does not hold: %s\n", what);
		fflush(stdout);
		_exit(1);
	}
}

static void *churn(void *unused)
{
	for (size_t i = 0; i < 1000; i++)
		free(malloc(i * 37 % 3000));
	return unused;
}

static void use_the_heap(void)
{
	static char *blocks[BLOCKS];
	char *huge = malloc(6 << 20);

	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i] = calloc(1, i * 10);
	huge = realloc(huge, 30 << 20);
	check(huge != NULL, "a block grows");
	memset(huge, 1, 30 << 20);
	free(huge);
	for (size_t i = 0; i < BLOCKS; i++) {
		check(blocks[i] != NULL, "there is memory");
		check(blocks[i] < arena || blocks[i] >= arena + sizeof arena,
		      "a block is not in the arena");
		free(blocks[i]);
	}
}

int main(void)
{
	pthread_t thread;
	int status;
	pid_t child;

	for (int i = 0; i < THREADS; i++) {
		check(pthread_create(&thread, NULL, churn, NULL) == 0, "a thread starts");
		check(pthread_join(thread, NULL) == 0, "it ends");
	}
	use_the_heap();
	child = fork();
	if (child == 0) {
		use_the_heap();
		_exit(called);
	}
	check(waitpid(child, &status, 0) == child && status == 0, "the child does so, too");
	check(called == 0, "nobody calls what is the program's");
	for (size_t i = 0; i < sizeof arena; i++)
		check(arena[i] == 0, "nobody writes to the arena");
	return 0;
}
