/*
 * Threads of a service that serve requests in a load that rises and falls, and keep one block in
 * 500 for good.
 *
 * A request has one to eight blocks of mixed sizes.  Between 100 and 2,000 requests of a thread are
 * open at a time, as the hour of its day says; which one ends next is chance.  What is kept is a
 * list, and is never freed.
 *
 * Stands for: daemons that run for weeks: caches without a bound, sessions never closed, real
 * leaks.
 * Cares: operators who ask whether a process grows by what it keeps, or by more: each kept block
 * may hold a page of the last peak, and the hole around it must serve the next.
 * Source: ours, after the leaks of few objects among many in Matthias Hauswirth and Trishul
 * Chilimbi, "Low-overhead memory leak detection using adaptive statistical profiling" (ASPLOS
 * 2004), and Michael Bond and Kathryn McKinley, "Bell: bit-encoding online memory leak detection"
 * (ASPLOS 2006).
 */
#include "block.h"

enum {
	THREADS = 4,
	REQUESTS = 4500000, /* of all threads */
	BLOCKS = 8,	    /* of a request, at most */
	FEW_OPEN = 100,
	MANY_OPEN = 2000,
	DAY = 40000, /* requests from one hour of few to the next */
	KEEP = 500   /* one in as many */
};

struct request {
	size_t nblocks;
	struct block block[BLOCKS];
};

/* What lies at the start of a block that is kept. */
struct kept {
	struct kept *next;
	size_t nbytes;
};

struct service {
	struct workload_thread *self;
	struct request *open;
	size_t nopen;
	struct kept *kept;
};

/* Static, as what is kept is to be found from here to the end. */
static struct service services[WORKLOAD_MAX_THREADS];

static size_t random_size(struct random *r)
{
	uint64_t percent = random_below(r, 100);

	if (percent < 80)
		return random_between(r, 16, 256);
	if (percent < 99)
		return random_between(r, 256, 4096);
	return random_between(r, 4096, 65536);
}

static void request_start(struct service *s)
{
	struct request *request = &s->open[s->nopen++];

	request->nblocks = random_between(&s->self->random, 1, BLOCKS);
	for (size_t i = 0; i < request->nblocks; i++) {
		struct block *block = &request->block[i];

		block_alloc(s->self, block, random_size(&s->self->random));
		memset(block->mem, block->mem[0], block->nbytes);
	}
}

static void keep(struct service *s, const struct block *block)
{
	struct kept *kept = (struct kept *)block->mem;

	*kept = (struct kept){s->kept, block->nbytes};
	s->kept = kept;
}

/* Ends a random request; the sum of what was read of its blocks. */
static uint64_t request_end(struct service *s)
{
	struct request *request = &s->open[random_below(&s->self->random, s->nopen)];
	uint64_t sum = 0;

	for (size_t i = 0; i < request->nblocks; i++) {
		struct block *block = &request->block[i];

		sum += block_read(block);
		if (random_below(&s->self->random, KEEP))
			block_free(s->self, block);
		else
			keep(s, block);
	}
	*request = s->open[--s->nopen];
	return sum;
}

/* How many requests are open after n of them: up in the first half of a day, down in the second. */
static size_t open_at(uint64_t n)
{
	uint64_t hour = n % DAY, half = DAY / 2, away = hour < half ? hour : DAY - hour;

	return FEW_OPEN + (MANY_OPEN - FEW_OPEN) * away / half;
}

/* The sum of what is read of the blocks kept. */
static uint64_t read_kept(const struct service *s)
{
	uint64_t sum = 0;

	for (const struct kept *kept = s->kept; kept; kept = kept->next) {
		sum += kept->nbytes;
		if (kept->nbytes > sizeof *kept)
			sum += ((const unsigned char *)kept)[kept->nbytes - 1];
	}
	return sum;
}

static uint64_t serve(struct workload_thread *self, void *arg)
{
	struct service *s = &services[self->index];
	uint64_t requests = *(const uint64_t *)arg, sum = 0;

	s->self = self;
	s->open = workload_table((MANY_OPEN + 1) * sizeof *s->open);
	for (uint64_t i = 0; i < requests; i++) {
		request_start(s);
		while (s->nopen > open_at(i))
			sum += request_end(s);
	}
	while (s->nopen)
		sum += request_end(s);
	return sum + read_kept(s);
}

int main(int argc, char **argv)
{
	unsigned nthreads;
	uint64_t requests;

	workload_start(argc, argv, "slow_growth", NULL);
	nthreads = workload_threads(THREADS);
	requests = workload_scaled(REQUESTS) / nthreads + 1;
	return workload_end(workload_run(nthreads, serve, &requests));
}
