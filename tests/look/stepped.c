/*
 * A program whose functions allocate what they are told to, line by line, for profiles that begin
 * and end while it runs. After each line it prints "done":
 *
 *	hold NAME BYTES  alpha, beta, gamma_ or delta allocates so much, and keeps it
 *	free NAME        what that holds is freed
 *	thin NAME N      the same, but for one in N objects
 *	busy N           N threads begin that allocate and free without end, in shares alpha 3
 *	                 beta 1 by bytes; and one that loads and unloads libraries
 *	fork             a child goes on with the lines; its number is printed before "done"
 *	end              the child ends, and its parent goes on
 *	call             one malloc and its free
 */
#include "linked.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BATCH = 64 };

static void *thin_out(void **all, size_t n)
{
	void **kept = NULL;

	for (size_t i = 0; all; i++) {
		void **next = *all;

		if (i % n == 0) {
			*all = kept;
			kept = all;
		} else {
			free(all);
		}
		all = next;
	}
	return kept;
}

#define ALLOCATOR(name, size)                                                                      \
	__attribute__((noinline)) static void *name(size_t nbytes, void *last)                     \
	{                                                                                          \
		void *all = linked_allocate(size, nbytes, last);                                   \
                                                                                                   \
		__asm__ volatile("" : "+r"(all));                                                  \
		return all;                                                                        \
	}

ALLOCATOR(alpha, 96)
ALLOCATOR(beta, 4000)
ALLOCATOR(gamma_, 200000)
ALLOCATOR(delta, 1000)

static struct allocator {
	const char *name;
	void *(*function)(size_t nbytes, void *last);
	void *held;
} allocators[] = {{"alpha", alpha, NULL},
		  {"beta", beta, NULL},
		  {"gamma_", gamma_, NULL},
		  {"delta", delta, NULL}};

static struct allocator *allocator(const char *name)
{
	for (size_t i = 0; i < sizeof allocators / sizeof allocators[0]; i++)
		if (strcmp(allocators[i].name, name) == 0)
			return &allocators[i];
	exit(4);
}

static void *be_busy(void *arg)
{
	(void)arg;
	for (;;) {
		void *held = alpha(3 * BATCH * 4000 / 96 * 96, NULL);

		linked_free(beta(BATCH * 4000, NULL));
		linked_free(held);
	}
	return NULL;
}

/* The dynamic linker allocates in the midst of its work. */
static void *load(void *arg)
{
	(void)arg;
	for (;;) {
		void *library = dlopen("libanl.so.1", RTLD_NOW | RTLD_LOCAL);

		if (library)
			dlclose(library);
		library = dlopen("libresolv.so.2", RTLD_NOW | RTLD_LOCAL);
		if (library)
			dlclose(library);
	}
	return NULL;
}

static void start_thread(void *(*body)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, body, NULL) != 0)
		exit(3);
	pthread_detach(thread);
}

/* In the parent it returns when the child has ended. */
static void fork_child(void)
{
	pid_t child = fork();

	if (child == 0) {
		printf("%d\n", (int)getpid());
		return;
	}
	if (waitpid(child, NULL, 0) != child)
		exit(3);
}

static void obey(const char *command, const char *name, size_t n)
{
	if (strcmp(command, "hold") == 0) {
		struct allocator *one = allocator(name);

		one->held = one->function(n, one->held);
	} else if (strcmp(command, "free") == 0) {
		linked_free(allocator(name)->held);
		allocator(name)->held = NULL;
	} else if (strcmp(command, "thin") == 0) {
		allocator(name)->held = thin_out(allocator(name)->held, n);
	} else if (strcmp(command, "busy") == 0) {
		for (size_t i = 0; i < (size_t)atoi(name); i++)
			start_thread(be_busy);
		start_thread(load);
	} else if (strcmp(command, "fork") == 0) {
		fork_child();
	} else if (strcmp(command, "end") == 0) {
		_exit(0);
	} else {
		void *volatile mem = malloc(100);

		free(mem);
	}
}

/* Reads without stdio, of which a child would have what the parent read ahead. */
static int read_line(char *line, size_t room)
{
	size_t n = 0;

	while (n < room - 1 && read(0, line + n, 1) == 1) {
		if (line[n] == '\n') {
			line[n] = '\0';
			return 1;
		}
		n++;
	}
	return 0;
}

int main(void)
{
	char line[100], command[20], name[20];
	size_t n;

	while (read_line(line, sizeof line)) {
		n = 0;
		name[0] = '\0';
		if (sscanf(line, "%19s %19s %zu", command, name, &n) < 1)
			return 2;
		obey(command, name, n);
		printf("done\n");
		fflush(stdout);
	}
	return 0;
}
