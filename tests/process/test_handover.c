/* Producers and consumers: every block is freed by a thread that did not allocate it. */
#include "test.h"

#include "process.h"

#include <pthread.h>

enum { PAIRS = 2, BLOCKS = 400000, IN_FLIGHT = 512, RING = 4, LAPS = 100, CARGO = 1000 };

/* A bounded queue of blocks. */
struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct block slots[IN_FLIGHT];
	unsigned head, tail;
};

static struct queue queues[PAIRS];

static void queue_put(struct queue *q, struct block b)
{
	pthread_mutex_lock(&q->lock);
	while (q->head - q->tail == IN_FLIGHT)
		pthread_cond_wait(&q->changed, &q->lock);
	if (q->head == q->tail)
		pthread_cond_signal(&q->changed);
	q->slots[q->head++ % IN_FLIGHT] = b;
	pthread_mutex_unlock(&q->lock);
}

static struct block queue_get(struct queue *q)
{
	struct block b;

	pthread_mutex_lock(&q->lock);
	while (q->head == q->tail)
		pthread_cond_wait(&q->changed, &q->lock);
	if (q->head - q->tail == IN_FLIGHT)
		pthread_cond_signal(&q->changed);
	b = q->slots[q->tail++ % IN_FLIGHT];
	pthread_mutex_unlock(&q->lock);
	return b;
}

static size_t some_size(uint64_t *state)
{
	uint64_t r = test_random(state);

	if (r % 4096 == 0)
		return 100000 + (r >> 32) % 3000000;
	return 1 + (r >> 32) % (r % 16 ? 500 : 20000);
}

/* The same for both threads of a queue; not zero, as test_seed() is odd. */
static uint64_t seed_of(const struct queue *q)
{
	return test_seed() + 2 * (uint64_t)(q - queues);
}

static void *produce(void *arg)
{
	uint64_t state = seed_of(arg);

	for (int i = 0; i < BLOCKS; i++)
		queue_put(arg, block_new(some_size(&state)));
	return NULL;
}

static void *consume(void *arg)
{
	uint64_t state = seed_of(arg);

	for (int i = 0; i < BLOCKS; i++) {
		struct block b = queue_get(arg);

		if (test_random(&state) % 64 == 0)
			b = block_grow(b);
		block_free(b);
	}
	return NULL;
}

TEST(all_frees_are_remote)
{
	pthread_t producers[PAIRS], consumers[PAIRS];
	size_t before = resident_kib();

	test_seed(); /* before there are threads that ask for it */
	for (int i = 0; i < PAIRS; i++) {
		pthread_mutex_init(&queues[i].lock, NULL);
		pthread_cond_init(&queues[i].changed, NULL);
		MUST(pthread_create(&producers[i], NULL, produce, &queues[i]) == 0);
		MUST(pthread_create(&consumers[i], NULL, consume, &queues[i]) == 0);
	}
	for (int i = 0; i < PAIRS; i++) {
		pthread_join(producers[i], NULL);
		pthread_join(consumers[i], NULL);
	}
	if (!EXPECT(resident_kib() < before + (64 << 10)))
		printf("    %zu KiB resident, %zu before\n", resident_kib(), before);
}

static struct block cargo[RING][CARGO];
static pthread_barrier_t lap_ends;

/* Thread t fills cargo t, then empties that of its neighbour; the next lap, of the one after. */
static void *run_laps(void *arg)
{
	int t = (int)(intptr_t)arg;
	uint64_t state = (uint64_t)t + 1;

	for (int lap = 0; lap < LAPS; lap++) {
		struct block *others = cargo[(t + 1 + lap % (RING - 1)) % RING];

		for (int i = 0; i < CARGO; i++)
			cargo[t][i] = block_new(1 + test_random(&state) % 2000);
		pthread_barrier_wait(&lap_ends);
		for (int i = 0; i < CARGO; i++)
			block_free(others[i]);
		pthread_barrier_wait(&lap_ends);
	}
	return NULL;
}

TEST(blocks_go_round_in_a_ring)
{
	pthread_t threads[RING];
	size_t before = resident_kib();

	pthread_barrier_init(&lap_ends, NULL, RING);
	for (intptr_t t = 0; t < RING; t++)
		MUST(pthread_create(&threads[t], NULL, run_laps, (void *)t) == 0);
	for (int t = 0; t < RING; t++)
		pthread_join(threads[t], NULL);
	EXPECT(resident_kib() < before + (32 << 10));
}
