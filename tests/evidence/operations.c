/*
 * Performs one operation N times, for instructions.py to count.
 *
 *	operations            prints what there is: its name, the empty loop to subtract, options
 *	operations NAME N     N is a multiple of BATCH
 *
 * What an operation needs once is done in each run, so that the difference of two leaves it out.
 * The clock stands still: what loam does once a second would fall into one run and not the other.
 */
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 1024
#define HOT   1000 /* allocations of a class after which it is hot, and more */

int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	(void)clock;
	*ret_now = (struct timespec){0};
	return 0;
}

/* --- loops around nothing ------------------------------------------------------------------ */

static void empty(long n, size_t size)
{
	(void)size;
	for (long i = 0; i < n; i++)
		__asm__ volatile("");
}

static void *object[BATCH];

static void empty_batches(long n, size_t size)
{
	for (; n > 0; n -= BATCH) {
		for (long i = 0; i < BATCH; i++) {
			__asm__ volatile("" : "+r"(size));
			object[i] = (void *)size;
		}
		for (long i = 0; i < BATCH; i++)
			__asm__ volatile("" ::"r"(object[i]));
	}
}

/* --- operations ---------------------------------------------------------------------------- */

static void pairs(long n, size_t size)
{
	for (long i = 0; i < n; i++)
		free(malloc(size));
}

/* C++ calls these; the library has them. */
void *_Znwm(size_t size) __attribute__((weak));
void _ZdlPvm(void *mem, size_t size) __attribute__((weak));

static void news(long n, size_t size)
{
	for (long i = 0; i < n; i++)
		_ZdlPvm(_Znwm(size), size);
}

static void callocs(long n, size_t size)
{
	for (long i = 0; i < n; i++)
		free(calloc(1, size));
}

/* Objects of their own size at multiples of it. */
static void aligned(long n, size_t size)
{
	for (long i = 0; i < n; i++)
		free(aligned_alloc(size, size));
}

static void batches(long n, size_t size)
{
	for (; n > 0; n -= BATCH) {
		for (long i = 0; i < BATCH; i++)
			object[i] = malloc(size);
		for (long i = 0; i < BATCH; i++)
			free(object[i]);
	}
}

/* Pairs where a free chunk of hole bytes lies between two in use. */
static void pairs_in_hole(long n, size_t size, size_t hole)
{
	void *before = malloc(size), *between = malloc(hole), *behind = malloc(size);

	free(between);
	pairs(n, size);
	free(behind);
	free(before);
}

static void fitting_chunks(long n, size_t size)
{
	pairs_in_hole(n, size, size);
}

static void split_chunks(long n, size_t size)
{
	pairs_in_hole(n, size, 5 * size / 2);
}

/* Every second call shrinks to three quarters, every other one grows back. */
static void resizes(long n, size_t size)
{
	size_t less = size / 4 * 3;
	void *mem;

	pairs(HOT, size);
	mem = malloc(size);
	for (long i = 0; i < n; i += 2) {
		mem = realloc(mem, less);
		mem = realloc(mem, size);
	}
	free(mem);
}

static void moves(long n, size_t size)
{
	size_t more = 3 * size;

	for (long i = 0; i < n; i++)
		free(realloc(malloc(size), more));
}

static sem_t full, done;

static void *free_batches(void *arg)
{
	for (long n = *(long *)arg; n > 0; n -= BATCH) {
		sem_wait(&full);
		for (long i = 0; i < BATCH; i++)
			free(object[i]);
		sem_post(&done);
	}
	return NULL;
}

/* Batches that another thread frees, in strict turns. */
static void remote_batches(long n, size_t size)
{
	pthread_t thread;
	long count = n;

	sem_init(&full, 0, 0);
	sem_init(&done, 0, 0);
	pthread_create(&thread, NULL, free_batches, &count);
	for (; n > 0; n -= BATCH) {
		for (long i = 0; i < BATCH; i++)
			object[i] = malloc(size);
		sem_post(&full);
		sem_wait(&done);
	}
	pthread_join(thread, NULL);
}

/* --- which --------------------------------------------------------------------------------- */

#define COLD "promote_after=65535" /* no class becomes hot */

static const struct operation {
	const char *name;
	void (*run)(long n, size_t size);
	size_t size;
	const char *empty, *options;
} operations[] = {
	{"empty", empty, 0, "empty", ""},
	{"empty-batch", empty_batches, 0, "empty-batch", ""},
	{"pair-16", pairs, 16, "empty", ""},
	{"pair-64", pairs, 64, "empty", ""},
	{"pair-200", pairs, 200, "empty", ""},
	{"pair-1000", pairs, 1000, "empty", ""},
	{"pair-64-prof", pairs, 64, "empty", "prof=64G"}, /* no sample is taken */
	{"pair-4K", pairs, 4096, "empty", ""},
	{"pair-32K", pairs, 32768, "empty", ""},
	{"new-64", news, 64, "empty", ""},
	{"new-64-prof", news, 64, "empty", "prof=64G"},
	{"batch-64", batches, 64, "empty-batch", ""},
	{"calloc-64", callocs, 64, "empty", ""},
	{"calloc-1024", callocs, 1024, "empty", ""},
	{"realloc-stays", resizes, 200, "empty", ""},
	{"realloc-moves", moves, 64, "empty", ""},
	{"aligned-64", aligned, 64, "empty", ""},
	{"aligned-4K", aligned, 4096, "empty", ""},
	{"remote-16", remote_batches, 16, "empty-batch", ""},
	{"remote-256", remote_batches, 256, "empty-batch", ""},
	{"chunk-64", fitting_chunks, 64, "empty", COLD},
	{"chunk-split", split_chunks, 12000, "empty", COLD},
	{"chunk-top", pairs, 20000, "empty", COLD},
	{"chunk-realloc", resizes, 20000, "empty", COLD},
	{"run-40K", pairs, 40000, "empty", ""},
	{"run-realloc", resizes, 40000, "empty", ""},
	{"run-256K", pairs, 256 << 10, "empty", ""},
	{"huge-8M", pairs, 8 << 20, "empty", ""},
};

#define OPERATIONS (sizeof operations / sizeof operations[0])

int main(int argc, char **argv)
{
	for (size_t i = 0; i < OPERATIONS; i++) {
		const struct operation *o = &operations[i];

		if (argc < 3)
			printf("%s %s %s\n", o->name, o->empty, o->options);
		else if (!strcmp(argv[1], o->name))
			o->run(atol(argv[2]), o->size);
	}
	return 0;
}
