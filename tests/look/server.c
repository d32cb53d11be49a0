/*
 * The server of docs/on-call.md, whose heap has all that somebody on call meets: a large index,
 * sessions of which one in eight stayed open, a log of requests that nobody frees, and buffers of
 * a burst that has just ended.
 *
 *	server MIB     a heap of about so many MiB
 *
 * Lines of input, each answered by `ready` as is its beginning:
 *
 *	work     serves requests, whose log grows by an eighth of MIB
 *	burst    has buffers of half of MIB, and frees them
 *
 * Meanwhile a thread allocates and frees, as one that waits for requests does. It ends with its
 * input.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SESSION = 96, NAME = 80, SHARE = 8, ENTRY = 200, BUFFER = 300000, DOCUMENT = 40000 };

#define MIB ((size_t)1 << 20)

/* A frame of its own in each stack. */
#define CALLED __attribute__((noinline, noclone))

static void *volatile kept; /* what is in use as compilers see it */

CALLED static void *allocate(size_t nbytes)
{
	void *mem = malloc(nbytes);

	if (!mem)
		exit(3);
	memset(mem, 'x', nbytes);
	kept = mem;
	return mem;
}

CALLED static void load_documents(size_t nbytes)
{
	for (size_t some = 0, n; some < nbytes; some += n) {
		n = DOCUMENT + some % 20000;
		allocate(n);
	}
}

CALLED static void load_index(size_t nbytes)
{
	allocate(nbytes / 4 * 3);
	load_documents(nbytes / 4);
}

struct session {
	char *state, *name;
};

CALLED static void open_session(struct session *s)
{
	s->state = allocate(SESSION);
	s->name = allocate(NAME);
}

CALLED static void close_session(struct session *s)
{
	free(s->state);
	free(s->name);
}

CALLED static void serve_sessions(size_t nbytes)
{
	size_t n = nbytes / (SESSION + NAME);
	struct session *all = allocate(n * sizeof *all);

	for (size_t i = 0; i < n; i++)
		open_session(&all[i]);
	for (size_t i = 0; i < n; i++)
		if (i % SHARE)
			close_session(&all[i]);
	free(all);
}

CALLED static void log_request(void)
{
	allocate(ENTRY);
}

CALLED static void serve_requests(size_t nbytes)
{
	for (size_t n = nbytes / ENTRY; n; n--)
		log_request();
}

CALLED static void serve_burst(size_t nbytes)
{
	size_t n = nbytes / BUFFER + 1;
	void **all = allocate(n * sizeof *all);

	for (size_t i = 0; i < n; i++)
		all[i] = allocate(BUFFER);
	for (size_t i = 0; i < n; i++)
		free(all[i]);
	free(all);
}

static void *wait_for_requests(void *arg)
{
	for (;;) {
		free(malloc(64));
		usleep(1000);
	}
	return arg;
}

CALLED static void obey(const char *line, size_t nbytes)
{
	if (strcmp(line, "work\n") == 0)
		serve_requests(nbytes / 8);
	else if (strcmp(line, "burst\n") == 0)
		serve_burst(nbytes / 2);
	puts("ready");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	size_t nbytes = (size_t)(argc > 1 ? atoi(argv[1]) : 64) * MIB;
	pthread_t thread;
	char line[64] = "work\n";

	load_index(nbytes / 4);
	serve_sessions(nbytes / 2);
	if (pthread_create(&thread, NULL, wait_for_requests, NULL) != 0)
		return 3;
	do
		obey(line, nbytes);
	while (fgets(line, sizeof line, stdin));
	return 0;
}
