/*
 * A server of 500 threads: one takes requests in, the others sleep until one is handed to them,
 * work on it a little, and hand it on.
 *
 * Sixty-four requests are under way at a time.  Each goes through four threads; each of these
 * exchanges two of its eight parts for new ones, and frees what another thread allocated; the one
 * that took the request in frees what is left of it.  Beside this a thread has blocks of its own:
 * some it frees before it hands the request on, and sixteen it keeps as its session and replaces
 * now and then.  What happens to a request follows from its number alone, in whatever order threads
 * run.
 *
 * Stands for: servers with a thread for each connection, actors, pools of workers far above the
 * number of processors.
 * Cares: those who run them: what a thread costs that has little and sleeps, whether what it
 * freed stays its own, and what it takes to free another's block.
 * Source: ours, after the long-running servers of Per-Ake Larson and Murali Krishnan, "Memory
 * allocation for long-running server applications" (ISMM 1998), with the handing on of Matt
 * Welsh, David Culler, Eric Brewer, "SEDA: an architecture for well-conditioned, scalable
 * internet services" (SOSP 2001).
 */
#include "block.h"

#include <pthread.h>

enum {
	THREADS = 500,
	REQUESTS = 65000,
	UNDER_WAY = 64,
	HOPS = 4,
	PARTS = 8,    /* of a request, at most */
	SCRATCH = 16, /* blocks of a thread for one request, at most */
	SESSION = 16, /* blocks that a thread keeps */
	MAX_BLOCK = 1024
};

struct request {
	struct request *next; /* in an inbox */
	struct random random;
	uint64_t sum;  /* of what was read of blocks */
	unsigned hops; /* to come */
	struct block part[PARTS];
};

/* Where a thread gets its requests, the earliest first. */
struct inbox {
	_Alignas(128) pthread_mutex_t lock; /* of all below */
	pthread_cond_t filled;
	struct request *first, **end;
	bool closed;
};

static struct inbox inboxes[WORKLOAD_MAX_THREADS];
static unsigned nthreads;
static uint64_t nrequests;

/* ---- Inboxes. */

static void inbox_init(struct inbox *inbox)
{
	pthread_mutex_init(&inbox->lock, NULL);
	pthread_cond_init(&inbox->filled, NULL);
	inbox->end = &inbox->first;
}

static void inbox_put(struct inbox *inbox, struct request *request)
{
	request->next = NULL;
	pthread_mutex_lock(&inbox->lock);
	*inbox->end = request;
	inbox->end = &request->next;
	pthread_cond_signal(&inbox->filled);
	pthread_mutex_unlock(&inbox->lock);
}

static void inbox_close(struct inbox *inbox)
{
	pthread_mutex_lock(&inbox->lock);
	inbox->closed = true;
	pthread_cond_signal(&inbox->filled);
	pthread_mutex_unlock(&inbox->lock);
}

/* Waits for a request; NULL once the inbox is closed and empty. */
static struct request *inbox_take(struct inbox *inbox)
{
	struct request *request;

	pthread_mutex_lock(&inbox->lock);
	while (!inbox->first && !inbox->closed)
		pthread_cond_wait(&inbox->filled, &inbox->lock);
	request = inbox->first;
	if (request) {
		inbox->first = request->next;
		if (!inbox->first)
			inbox->end = &inbox->first;
	}
	pthread_mutex_unlock(&inbox->lock);
	return request;
}

/* ---- What a thread does to a request. */

static void renew(struct workload_thread *self, struct block *block, struct random *r)
{
	block_free(self, block);
	block_alloc(self, block, random_between(r, 16, MAX_BLOCK));
}

/* Blocks that live as long as the work on one request by one thread. */
static void work(struct workload_thread *self, struct request *request)
{
	struct block scratch[SCRATCH];
	uint64_t n = random_between(&request->random, 1, SCRATCH);

	for (uint64_t i = 0; i < n; i++) {
		scratch[i].mem = NULL;
		renew(self, &scratch[i], &request->random);
	}
	request->sum += block_free_all(self, scratch, n);
}

/* Frees and replaces two parts, which other threads may have added. */
static void exchange_parts(struct workload_thread *self, struct request *request)
{
	for (int i = 0; i < 2; i++) {
		struct block *part = &request->part[random_below(&request->random, PARTS)];

		if (part->mem)
			request->sum += block_read(part);
		renew(self, part, &request->random);
	}
}

static void hand_on(struct request *request)
{
	uint64_t to = request->hops ? random_between(&request->random, 1, nthreads - 1) : 0;

	inbox_put(&inboxes[to], request);
}

static void serve(struct workload_thread *self)
{
	struct block session[SESSION] = {0};
	struct request *request;

	while ((request = inbox_take(&inboxes[self->index]))) {
		work(self, request);
		exchange_parts(self, request);
		if (random_below(&request->random, 4) == 0)
			renew(self, &session[random_below(&request->random, SESSION)],
			      &request->random);
		request->hops--;
		hand_on(request);
	}
	block_free_all(self, session, SESSION);
}

/* ---- The thread that takes requests in. */

static void accept_request(struct workload_thread *self, uint64_t seed)
{
	struct request *request = workload_alloc(self, sizeof *request);

	memset(request, 0, sizeof *request);
	random_seed(&request->random, seed);
	request->hops = HOPS;
	work(self, request);
	exchange_parts(self, request);
	hand_on(request);
}

/* The sum of what was read of a request's blocks. */
static uint64_t finish_request(struct workload_thread *self, struct request *request)
{
	uint64_t sum = request->sum + block_free_all(self, request->part, PARTS);

	workload_free(self, request, sizeof *request);
	return sum;
}

static uint64_t accept_all(struct workload_thread *self)
{
	uint64_t accepted = 0, finished = 0, sum = 0, seed = random_next(&self->random);

	while (finished < nrequests) {
		if (accepted < nrequests && accepted - finished < UNDER_WAY) {
			accept_request(self, seed + accepted++);
			continue;
		}
		sum += finish_request(self, inbox_take(&inboxes[0]));
		finished++;
	}
	for (unsigned i = 1; i < nthreads; i++)
		inbox_close(&inboxes[i]);
	return sum;
}

static uint64_t run(struct workload_thread *self, void *arg)
{
	(void)arg;
	if (self->index == 0)
		return accept_all(self);
	serve(self);
	return 0;
}

int main(int argc, char **argv)
{
	workload_start(argc, argv, "server", NULL);
	nthreads = workload_threads(THREADS);
	if (nthreads < 2)
		workload_refuse("--threads is 2 at least: one takes requests in for the others");
	nrequests = workload_scaled(REQUESTS);
	for (unsigned i = 0; i < nthreads; i++)
		inbox_init(&inboxes[i]);
	return workload_end(workload_run(nthreads, run, NULL));
}
