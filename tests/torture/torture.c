/*
 * Everything at once, at random: threads that come and go, objects that one allocates and another
 * frees, every function of the interface, forks, signals that interrupt; and the heap is proved
 * sound again and again.
 *
 *	torture [--seconds N] [--threads N] [--seed N] [--no-fork]
 *
 * Every object bears its size and a pattern made of its seed, which are looked at when it is freed.
 */
#include "api/fork.h"
#include "base/compiler.h"

#include <loam/loam.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	PLACES = 4096,
	LIFE = 20000 /* operations of a thread, on average */,
	EDGE = 512,
	HANDLERS = 3000
};

struct object {
	size_t size; /* of all of it */
	uint64_t seed;
};

static struct object *table[PLACES]; /* exchanged atomically */
static unsigned long seconds = 10, nthreads = 32;
static uint64_t seed;
static bool forks = true, over; /* over: atomic */
static char *handlers;		/* an object */
static uint64_t operations, lives, signals, children, checks;

#define MUST(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "torture: %s:%d: does not hold: %s (--seed %llu)\n",       \
				__FILE__, __LINE__, #cond, (unsigned long long)seed);              \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static uint64_t next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

static size_t below(uint64_t *state, size_t n)
{
	return (size_t)(next(state) >> 20) % n;
}

/* --- objects -------------------------------------------------------------------------------- */

/* The bytes behind the head: all of a small object, both ends of a large one. */
static void each_byte(struct object *o, bool check)
{
	unsigned char *bytes = (unsigned char *)(o + 1);
	size_t n = o->size - sizeof *o;

	for (size_t i = 0; i < n; i++) {
		unsigned char byte = (unsigned char)(o->seed * 31 + i);

		if (n > 2 * EDGE && i == EDGE)
			i = n - EDGE, byte = (unsigned char)(o->seed * 31 + i);
		MUST(!check || bytes[i] == byte);
		bytes[i] = byte;
	}
}

static struct object *mark(struct object *o, size_t size, uint64_t *random)
{
	if (!o)
		return NULL;
	MUST((uintptr_t)o % 16 == 0 && loam_malloc_usable_size(o) >= size);
	o->size = size;
	o->seed = next(random);
	each_byte(o, false);
	return o;
}

static void drop(struct object *o)
{
	if (!o)
		return;
	each_byte(o, true);
	loam_free(o);
}

/* Mostly small; all sizes up to 16 MiB. */
static size_t some_size(uint64_t *random)
{
	unsigned log2 =
		(unsigned)(below(random, 100) < 97 ? 5 + below(random, 8) : 5 + below(random, 20));

	return sizeof(struct object) + below(random, (size_t)1 << log2);
}

static struct object *make(uint64_t *random)
{
	size_t size = some_size(random);
	struct object *o;

	switch (below(random, 8)) {
	case 0:
		o = loam_calloc(1, size);
		for (size_t i = 0; o && i < size; i += 1 + size / 64)
			MUST(!((char *)o)[i]);
		break;
	case 1:
		o = loam_memalign((size_t)16 << below(random, 10), size);
		break;
	default:
		o = loam_malloc(size);
	}
	return mark(o, size, random);
}

static struct object *resize(struct object *o, uint64_t *random)
{
	size_t size = some_size(random);
	struct object *resized;

	if (!o)
		return NULL;
	each_byte(o, true);
	resized = loam_realloc(o, size);
	return resized ? mark(resized, size, random) : o;
}

static struct object *exchange(uint64_t *random, struct object *o)
{
	return __atomic_exchange_n(&table[below(random, PLACES)], o, __ATOMIC_ACQ_REL);
}

/* --- threads -------------------------------------------------------------------------------- */

static void operate(uint64_t *random)
{
	struct mallinfo2 info;

	switch (below(random, 1000)) {
	case 0:
		loam_malloc_trim(below(random, 1 << 20));
		break;
	case 1:
		info = loam_mallinfo2();
		MUST(info.arena || info.hblkhd);
		break;
	case 2 ... 199:
		drop(exchange(random, resize(exchange(random, NULL), random)));
		break;
	case 200 ... 399:
		drop(exchange(random, NULL));
		break;
	default:
		drop(exchange(random, make(random)));
	}
}

static void *live(void *arg)
{
	uint64_t random = (uintptr_t)arg | 1, n = below(&random, 2 * LIFE), i;

	for (i = 0; i < n && !load_relaxed(&over); i++)
		operate(&random);
	add_relaxed(&operations, i);
	return NULL;
}

/* Interrupts whatever it is, and does what a handler may.  (What one that allocates may count on:
   docs/locking.md, tests/process/test_handlers.c.) */
static void on_alarm(int signal)
{
	(void)signal;
	MUST(loam_malloc_usable_size(handlers) >= HANDLERS);
	add_relaxed(&signals, 1);
}

static void start_alarms(void)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct itimerval often = {{0, 3000}, {0, 3000}};

	MUST(handlers = loam_malloc(HANDLERS));
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

/* Has all the objects, and one thread. */
static void run_child(uint64_t random)
{
	for (int i = 0; i < 2000; i++)
		operate(&random);
	MUST(loam_check());
	_exit(0);
}

static void fork_one(uint64_t *random)
{
	uint64_t childs = next(random);
	pid_t child = fork();
	int status;

	if (child == 0)
		run_child(childs);
	MUST(child > 0 && waitpid(child, &status, 0) == child);
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	children++;
}

/* Threads that ended make room for others. */
static void run(void)
{
	pthread_t *threads = calloc(nthreads, sizeof *threads);
	uint64_t random = seed | 1;
	time_t end = time(NULL) + (time_t)seconds;

	for (unsigned long i = 0; i < nthreads; i++)
		MUST(!pthread_create(&threads[i], NULL, live, (void *)next(&random)));
	while (time(NULL) < end) {
		unsigned long i = below(&random, nthreads);

		pthread_join(threads[i], NULL);
		lives++;
		MUST(!pthread_create(&threads[i], NULL, live, (void *)next(&random)));
		if (below(&random, 8) == 0) {
			MUST(loam_check());
			checks++;
		}
		if (forks && below(&random, 32) == 0)
			fork_one(&random);
	}
	store_relaxed(&over, true);
	for (unsigned long i = 0; i < nthreads; i++)
		pthread_join(threads[i], NULL);
	free(threads);
}

static unsigned long long number(char **argv, int i)
{
	return argv[i] ? strtoull(argv[i], NULL, 10) : 0;
}

int main(int argc, char **argv)
{
	seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--no-fork"))
			forks = false;
		else if (!strcmp(argv[i], "--seconds"))
			seconds = number(argv, ++i);
		else if (!strcmp(argv[i], "--threads"))
			nthreads = number(argv, ++i);
		else if (!strcmp(argv[i], "--seed"))
			seed = number(argv, ++i);
		else
			return fprintf(stderr, "torture: what is %s?\n", argv[i]), 2;
	}
	if (!nthreads)
		return fprintf(stderr, "torture: --threads is at least 1\n"), 2;
	printf("--seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	pthread_atfork(NULL, NULL, fork_child);
	start_alarms();
	run();
	for (int i = 0; i < PLACES; i++)
		drop(table[i]);
	MUST(loam_check());
	printf("%llu operations, %llu threads, %llu signals, %llu children, %llu checks\n",
	       (unsigned long long)operations, (unsigned long long)lives,
	       (unsigned long long)signals, (unsigned long long)children,
	       (unsigned long long)checks);
	return 0;
}
