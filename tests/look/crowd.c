/*
 * 32 threads that always allocate and free, come and go, and yet always hold the same much:
 * objects of every kind lie in one table, a place of which always has objects of one size. A
 * thread exchanges one for a new one and frees it, whoever made it.
 *
 * The first line of output says how many bytes that is (usable ones: a block that is used again
 * may have a few more than one that is new), and in how many objects. Lines of input, each
 * answered by one that says how many operations were done so far, nanoseconds of processor time,
 * and, of `pause`, what it holds:
 *
 *	pause    all threads stop between two operations
 *	go       they go on
 *	work
 *
 * It ends with its input.
 */
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS = 32, PLACES = 16384, LIFE = 50000 /* operations of a thread */ };

static char *table[PLACES]; /* exchanged atomically */
static unsigned long operations, waiting;
static int paused;

/* Objects of slabs most; chunks; runs; a few of a mapping of their own. */
static size_t size_of(size_t place)
{
	if (place % 4096 == 4095)
		return (size_t)6 << 20;
	if (place % 256 == 255)
		return 150000 + place * 4;
	if (place % 32 == 31)
		return 2000 + place * 7;
	return 16 + place % 1000;
}

static char *made(size_t place)
{
	char *mem = malloc(size_of(place));

	if (!mem)
		exit(3);
	*mem = 1;
	return mem;
}

static void wait_for_go(void)
{
	__atomic_fetch_add(&waiting, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&paused, __ATOMIC_SEQ_CST))
		sched_yield();
	__atomic_fetch_sub(&waiting, 1, __ATOMIC_SEQ_CST);
}

static void *churn(void *arg);

static void begin(uintptr_t seed)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, churn, (void *)seed) != 0)
		exit(3);
	pthread_detach(thread);
}

/* Runs are exchanged seldom, as programs do, and huge objects never: one on its way would be much
   of what is held. The thread begins the next at its end. */
static void *churn(void *arg)
{
	uint64_t chance = (uintptr_t)arg * 0x9e3779b97f4a7c15u;

	for (int i = 0; i < LIFE; i++) {
		size_t place;

		if (__atomic_load_n(&paused, __ATOMIC_RELAXED))
			wait_for_go();
		chance = chance * 6364136223846793005u + 1442695040888963407u;
		place = (size_t)(chance >> 33) % PLACES;
		if (place % 4096 == 4095 || (place % 256 == 255 && chance >> 56))
			continue;
		free(__atomic_exchange_n(&table[place], made(place), __ATOMIC_ACQ_REL));
		__atomic_fetch_add(&operations, 1, __ATOMIC_RELAXED);
	}
	begin(chance >> 32 | 1);
	return NULL;
}

static size_t held(void)
{
	size_t nbytes = 0;

	for (size_t place = 0; place < PLACES; place++)
		nbytes += malloc_usable_size(table[place]);
	return nbytes;
}

static void obey(const char *line)
{
	bool pauses = strcmp(line, "pause\n") == 0;
	struct timespec now;

	if (pauses) {
		__atomic_store_n(&paused, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) < THREADS)
			sched_yield();
	} else if (strcmp(line, "go\n") == 0) {
		__atomic_store_n(&paused, 0, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST))
			sched_yield();
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	printf("%lu %lld %zu\n", __atomic_load_n(&operations, __ATOMIC_RELAXED),
	       (long long)now.tv_sec * 1000000000 + now.tv_nsec, pauses ? held() : 0);
}

int main(void)
{
	char line[64];

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t place = 0; place < PLACES; place++)
		table[place] = made(place);
	printf("%zu %d\n", held(), PLACES);
	for (uintptr_t i = 1; i <= THREADS; i++)
		begin(i);
	while (fgets(line, sizeof line, stdin))
		obey(line);
	return 0;
}
