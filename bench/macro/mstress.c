/*
 * Threads of unequal work with some long-lived blocks, some that move between threads, and now and
 * then a large one; all threads end after each of 100 phases, and new ones begin.
 *
 * A thread keeps a list of blocks of 8 to 128 bytes and one of retained blocks of 8 to 512 bytes.
 * At each step it allocates into one of them; with a chance of 66% it frees a random block of the
 * first list, and with one of 25% it exchanges one with a table of 1,000 that all threads share.
 * One block in a hundred is 100 times as large, one in a thousand 1,000 times, one in ten thousand
 * 10,000 times.  Half of what is in the shared table survives a phase.  Blocks are filled, and all
 * of it is checked when they are freed.
 *
 * Stands for: a server under stress: requests of unequal size, sessions that outlive them, buffers.
 * Cares: all who want to know how an allocator does when everything happens at once.
 * Source: Daan Leijen, mstress in mimalloc-bench (2019); also mimalloc's own stress test.
 */
#include "block.h"

enum {
	PHASES = 100,
	SHARED = 1000,
	LOAD = 100000, /* blocks of all threads a phase, beside the retained */
	UNEQUAL = 8,   /* the busiest threads do as many times more than the least busy */
	SHIFTS = 5,
	RETAINED_SHIFTS = 7,
	FIRST_ROOM = 1000,
};

static const uint64_t cookie = 0xbf58476d1ce4e5b9;

static void *shared[SHARED];
static uint64_t load; /* of the least busy thread */

/* Pointers that grow by realloc, as in a program. */
struct list {
	void **item;
	size_t count, room;
};

static void list_add(struct workload_thread *self, struct list *list, void *item)
{
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : FIRST_ROOM;

		list->item = workload_realloc(self, list->item, list->room * sizeof(void *),
					      room * sizeof(void *));
		list->room = room;
	}
	list->item[list->count++] = item;
}

static bool chance(struct workload_thread *self, unsigned percent)
{
	return random_below(&self->random, 100) < percent;
}

/* A filled block of a power of two of words below shifts. */
static void *filled_alloc(struct workload_thread *self, unsigned shifts)
{
	uint64_t words = 1ull << random_below(&self->random, shifts);
	uint64_t dice = random_below(&self->random, 10000);
	uint64_t *mem;

	words *= dice < 1 ? 10000 : dice < 11 ? 1000 : dice < 111 ? 100 : 1;
	mem = parcel_alloc(self, words * sizeof *mem);
	for (uint64_t i = 1; i < words; i++)
		mem[i] = (words - i) ^ cookie;
	return mem;
}

/* Returns a sum of the block's size and of the words that are not as they were left. */
static uint64_t filled_free(struct workload_thread *self, void *parcel)
{
	uint64_t *mem = parcel;
	uint64_t words = mem ? mem[0] / sizeof *mem : 0;
	uint64_t wrong = 0;

	for (uint64_t i = 1; i < words; i++)
		wrong += (mem[i] ^ cookie) != words - i;
	if (mem)
		workload_free(self, mem, words * sizeof *mem);
	return words + (wrong << 48);
}

static uint64_t list_free(struct workload_thread *self, struct list *list)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < list->count; i++)
		sum += filled_free(self, list->item[i]);
	if (list->room)
		workload_free(self, list->item, list->room * sizeof(void *));
	return sum;
}

static uint64_t free_some(struct workload_thread *self, struct list *list)
{
	uint64_t sum = 0;

	if (list->count && chance(self, 66)) {
		void **item = &list->item[random_below(&self->random, list->count)];

		sum = filled_free(self, *item);
		*item = NULL;
	}
	if (list->count && chance(self, 25)) {
		void **item = &list->item[random_below(&self->random, list->count)];

		*item = parcel_exchange(&shared[random_below(&self->random, SHARED)], *item);
	}
	return sum;
}

/* How many times more than the least busy thread one does. */
static unsigned share_of(unsigned index)
{
	return index % UNEQUAL + 1;
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	uint64_t allocs = load * share_of(self->index);
	uint64_t retain = allocs / 2;
	struct list passing = {0}, retained = {0};
	uint64_t sum = 0;

	while (allocs || retain) {
		if (!retain || (allocs && chance(self, 50))) {
			list_add(self, &passing, filled_alloc(self, SHIFTS));
			allocs--;
		} else {
			list_add(self, &retained, filled_alloc(self, RETAINED_SHIFTS));
			retain--;
		}
		sum += free_some(self, &passing);
	}
	return sum + list_free(self, &retained) + list_free(self, &passing);
}

static uint64_t free_shared(struct workload_thread *self, unsigned percent)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SHARED; i++)
		if (chance(self, percent))
			sum += filled_free(self, parcel_exchange(&shared[i], NULL));
	return sum;
}

int main(int argc, char **argv)
{
	unsigned nthreads, shares = 0;
	uint64_t sum = 0;

	workload_start(argc, argv, "mstress", NULL);
	nthreads = workload_threads(4);
	for (unsigned i = 0; i < nthreads; i++)
		shares += share_of(i);
	load = workload_scaled(LOAD) / shares + 1;
	for (unsigned phase = 0; phase < PHASES; phase++) {
		sum += workload_run(nthreads, body, NULL);
		sum += free_shared(workload_main_thread(), phase + 1 < PHASES ? 50 : 100);
	}
	return workload_end(sum);
}
