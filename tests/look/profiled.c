/*
 * A program of which is known what each of its functions allocates, for profiles.
 *
 *	profiled hold       alpha, beta and gamma hold memory; delta frees what it allocated
 *	profiled threads    alpha in four threads, each of which ends; beta frees it all
 *	profiled fork       alpha holds memory; a child frees that, and beta holds some there
 *	profiled signal     alpha in a signal handler, at the first instruction of touch
 *
 * It prints the number of each process and, of each function, its name, the bytes that it holds and
 * those that it allocated; then a line "ready", and ends with its input.
 */
#include "linked.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1 << 20, THREADS = 4 };

/* What each function calls is no tail call. */
#define ALLOCATOR(name, size)                                                                      \
	__attribute__((noinline)) void *name(size_t nbytes);                                       \
	void *name(size_t nbytes)                                                                  \
	{                                                                                          \
		void *all = linked_allocate(size, nbytes, NULL);                                   \
                                                                                                   \
		__asm__ volatile("" : "+r"(all));                                                  \
		return all;                                                                        \
	}

ALLOCATOR(alpha, 96)
ALLOCATOR(beta, 4000)
ALLOCATOR(gamma_, 200000)
ALLOCATOR(delta, 1000)

static void tell(const char *name, size_t held, size_t allocated)
{
	printf("%d %s %zu %zu\n", (int)getpid(), name, held, allocated);
	fflush(stdout);
}

static void wait_for_end(void)
{
	char byte;

	printf("ready\n");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
}

static void hold(void)
{
	alpha(48 * MIB);
	tell("alpha", 48 * MIB, 48 * MIB);
	beta(24 * MIB);
	tell("beta", 24 * MIB, 24 * MIB);
	gamma_(24 * MIB);
	tell("gamma_", 24 * MIB, 24 * MIB);
	for (int i = 0; i < 4; i++)
		linked_free(delta(16 * MIB));
	tell("delta", 0, 64 * MIB);
}

static void *thread(void *arg)
{
	(void)arg;
	return alpha(8 * MIB);
}

static void threads(void)
{
	pthread_t all[THREADS];
	void *held[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&all[i], NULL, thread, NULL) != 0)
			exit(3);
	for (int i = 0; i < THREADS; i++)
		pthread_join(all[i], &held[i]);
	for (int i = 1; i < THREADS; i++)
		linked_free(held[i]);
	tell("alpha", 8 * MIB, 32 * MIB);
}

static void in_two(void)
{
	void *all = alpha(16 * MIB);
	pid_t child = fork();

	if (child == 0) {
		linked_free(all);
		beta(16 * MIB);
		tell("alpha", 0, 16 * MIB);
		tell("beta", 16 * MIB, 16 * MIB);
		exit(0);
	}
	if (waitpid(child, NULL, 0) != child)
		exit(3);
	tell("alpha", 16 * MIB, 16 * MIB);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	alpha(8 * MIB);
	if (mprotect(info->si_addr, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE) != 0)
		_exit(3);
}

__attribute__((noinline)) static void touch(char *byte)
{
	*byte = 1;
	__asm__ volatile("");
}

static void in_signal(void)
{
	struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &act, NULL);
	touch(mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0));
	tell("alpha", 8 * MIB, 8 * MIB);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	if (strcmp(argv[1], "hold") == 0)
		hold();
	else if (strcmp(argv[1], "threads") == 0)
		threads();
	else if (strcmp(argv[1], "signal") == 0)
		in_signal();
	else
		in_two();
	wait_for_end();
	return 0;
}
