/*
 * The target of bench/looked_at: fixed work of malloc and free, done when a line of input asks for
 * it.
 *
 *	target small|large THREADS
 *
 *	small	each thread exchanges 2,000 objects of 16 to 512 bytes, which stay in the caches
 *		of processors: most of the time is malloc's and free's. 32 MiB lie beside them.
 *	large	each thread exchanges 64 MiB of objects of 64 bytes to 64 KiB, and a few of 1 to
 *		6 MiB, and writes each whole: most of the time is memory's and page faults'.
 *
 * A line of input is a number of operations for each thread; the answer is two numbers, nanoseconds
 * of wall time and of the process's processor time.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	THREADS_MOST = 64,
	SMALL = 2000,	 /* objects of a thread */
	LARGE = 5600,	 /* 64 MiB of them, on average */
	HUGE_PLACES = 4, /* of a thread, for the largest */
	SELDOM = 2000,	 /* one object in so many is one of these */
	IDLE = 200000	 /* objects of 160 bytes on average that nobody touches again */
};

/* Two threads' share no cache line. */
struct worker {
	__attribute__((aligned(128))) uint64_t chance;
	char **places;
	char *huge[HUGE_PLACES];
};

static int is_large;
static unsigned nthreads;
static uint64_t nops; /* of the round; written between the barriers */
static pthread_barrier_t begin, end;
static struct worker workers[THREADS_MOST];

static uint64_t draw(struct worker *w)
{
	w->chance = w->chance * 6364136223846793005u + 1442695040888963407u;
	return w->chance >> 33;
}

static void exchange(char **place, size_t nbytes, size_t nwritten)
{
	char *mem = malloc(nbytes);

	if (!mem)
		exit(3);
	memset(mem, 1, nwritten);
	free(*place);
	*place = mem;
}

static void small(struct worker *w)
{
	uint64_t chance = draw(w);

	exchange(&w->places[chance % SMALL], 16 + (chance >> 12) % 497, 16);
}

static void large(struct worker *w)
{
	uint64_t chance = draw(w);
	size_t nbytes = ((size_t)64 << (chance >> 14) % 11) + (chance >> 18) % 64;

	if (chance % SELDOM == 0) {
		nbytes = (size_t)(1 + (chance >> 12) % 6) << 20;
		exchange(&w->huge[(chance >> 20) % HUGE_PLACES], nbytes, nbytes);
	} else {
		exchange(&w->places[chance % LARGE], nbytes, nbytes);
	}
}

static void work(struct worker *w)
{
	for (uint64_t i = 0; i < nops; i++)
		(is_large ? large : small)(w);
}

static void *follow(void *arg)
{
	for (;;) {
		pthread_barrier_wait(&begin);
		work(arg);
		pthread_barrier_wait(&end);
	}
	return NULL;
}

static int64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void obey(void)
{
	int64_t wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);

	pthread_barrier_wait(&begin);
	work(&workers[0]);
	pthread_barrier_wait(&end);
	printf("%" PRId64 " %" PRId64 "\n", now(CLOCK_MONOTONIC) - wall,
	       now(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}

static void start(void)
{
	pthread_barrier_init(&begin, NULL, nthreads);
	pthread_barrier_init(&end, NULL, nthreads);
	for (unsigned i = 0; i < nthreads; i++) {
		pthread_t thread;

		workers[i].chance = i + 1;
		workers[i].places = calloc(is_large ? LARGE : SMALL, sizeof(char *));
		if (!workers[i].places ||
		    (i && pthread_create(&thread, NULL, follow, &workers[i]) != 0))
			exit(3);
	}
}

int main(int argc, char **argv)
{
	struct worker idle = {.chance = 99};
	char line[64];

	if (argc != 3)
		return 2;
	is_large = strcmp(argv[1], "large") == 0;
	nthreads = (unsigned)atoi(argv[2]);
	if (nthreads < 1 || nthreads > THREADS_MOST)
		return 2;
	for (int i = 0; i < IDLE && !is_large; i++) {
		char *kept = NULL;

		exchange(&kept, 64 + draw(&idle) % 193, 64);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	start();
	while (fgets(line, sizeof line, stdin)) {
		nops = strtoull(line, NULL, 10);
		obey();
	}
	return 0;
}
