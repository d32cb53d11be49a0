/*
 * Producers and consumers: one half of the threads does nothing but allocate, the other half
 * nothing but free.
 *
 * As many producers as --threads says fill batches of 4,096 blocks; as many consumers take a batch,
 * the newest first, and free it.  At most 100 batches wait.  Blocks are of 64 bytes, or with --size
 * 0 of many sizes from 8 to 2,048 bytes.
 *
 * Stands for: pipelines: a thread reads requests or rows, others work on them and free them.
 * Cares: message queues, stream processing, logging: no block ever returns to its thread by itself.
 * Source: Chuck Lever and David Boreham, "malloc() performance in a multithreaded Linux
 * environment" (USENIX 2000); batches and sizes as in SuperMalloc's xmalloc-test by Bradley
 * Kuszmaul.
 */
#include "block.h"

enum { BATCH = 4096, MAX_WAITING = 100, BATCHES = 14000, MIXED_BATCHES = 2500 };

struct batch {
	struct batch *next;
	void *parcel[BATCH];
};

/* Batches between producers and consumers; the newest on top. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t not_full, not_empty;
	struct batch *top;
	unsigned waiting;
	uint64_t to_take; /* how many will yet be taken: at 0 consumers end */
} queue = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.not_full = PTHREAD_COND_INITIALIZER,
	.not_empty = PTHREAD_COND_INITIALIZER,
};

static const uint16_t sizes[] = {8,   12,  16,	24,  32,  48,	64,   96,  128,
				 192, 256, 384, 512, 768, 1024, 1536, 2048};

static uint64_t size = 64;
static unsigned pairs;
static uint64_t batches; /* of one producer */

static void queue_put(struct batch *batch)
{
	pthread_mutex_lock(&queue.lock);
	while (queue.waiting == MAX_WAITING)
		pthread_cond_wait(&queue.not_full, &queue.lock);
	batch->next = queue.top;
	queue.top = batch;
	queue.waiting++;
	pthread_cond_signal(&queue.not_empty);
	pthread_mutex_unlock(&queue.lock);
}

/* NULL when all batches have been taken. */
static struct batch *queue_take(void)
{
	struct batch *batch = NULL;

	pthread_mutex_lock(&queue.lock);
	while (!queue.top && queue.to_take)
		pthread_cond_wait(&queue.not_empty, &queue.lock);
	if (queue.top) {
		batch = queue.top;
		queue.top = batch->next;
		queue.waiting--;
		if (--queue.to_take == 0)
			pthread_cond_broadcast(&queue.not_empty);
		pthread_cond_signal(&queue.not_full);
	}
	pthread_mutex_unlock(&queue.lock);
	return batch;
}

static size_t some_size(struct workload_thread *self)
{
	return size ? size : sizes[random_below(&self->random, sizeof sizes / sizeof *sizes)];
}

static uint64_t produce(struct workload_thread *self)
{
	for (uint64_t i = 0; i < batches; i++) {
		struct batch *batch = workload_alloc(self, sizeof *batch);

		for (unsigned k = 0; k < BATCH; k++)
			batch->parcel[k] = parcel_alloc(self, some_size(self));
		queue_put(batch);
	}
	return 0;
}

static uint64_t consume(struct workload_thread *self)
{
	struct batch *batch;
	uint64_t sum = 0;

	while ((batch = queue_take())) {
		for (unsigned k = 0; k < BATCH; k++)
			sum += parcel_free(self, batch->parcel[k]);
		workload_free(self, batch, sizeof *batch);
	}
	return sum;
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	return self->index < pairs ? produce(self) : consume(self);
}

int main(int argc, char **argv)
{
	static const struct workload_option own[] = {
		{"--size", &size, "bytes of a block; 0: of many sizes"}, {NULL, NULL, NULL}};

	workload_start(argc, argv, "xmalloc", own);
	if ((size && size < PARCEL_MIN) || size > UINT32_MAX)
		workload_refuse("--size is 0, or at least 8 and below 4 GiB");
	pairs = workload_threads(2);
	if (2 * pairs > WORKLOAD_MAX_THREADS)
		workload_refuse("--threads is at most 512: each has a consumer");
	batches = workload_scaled(size ? BATCHES : MIXED_BATCHES) / pairs + 1;
	queue.to_take = batches * pairs;
	return workload_end(workload_run(2 * pairs, body, NULL));
}
