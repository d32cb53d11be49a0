/*
 * Sixteen threads do what chance says for two seconds: every function, every
 * size, blocks passed from thread to thread; each block knows its content.
 */
#include "names.h"

#include <pthread.h>
#include <time.h>

enum { THREADS = 16, OWN = 300, SHARED = 500 };

#define SECONDS 1.6

/* A block is its own record: whoever meets it can check it. */
struct block {
	size_t n; /* of bytes */
	unsigned seed;
	unsigned char bytes[];
};

#define EDGE ((size_t)256) /* what is checked of a large block at each end */

static struct block *shared[SHARED];
static struct timespec start;
static uint64_t operations, first_seed;

static double elapsed(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
}

static size_t edge(size_t n)
{
	return n < EDGE ? n : EDGE;
}

static void block_fill(struct block *b, size_t n, unsigned seed)
{
	b->n = n;
	b->seed = seed;
	pattern_put(b->bytes, edge(n), seed);
	pattern_put(b->bytes + n - edge(n), edge(n), seed);
}

/* The end is laid over the beginning where both overlap, so it is the end that holds for sure. */
static void block_expect(const struct block *b)
{
	EXPECT(pattern_holds(b->bytes + b->n - edge(b->n), edge(b->n), b->seed));
	if (b->n >= 2 * EDGE)
		EXPECT(pattern_holds(b->bytes, EDGE, b->seed));
	EXPECT(malloc_usable_size((void *)b) >= sizeof *b + b->n);
}

/* Mostly small, a few of each larger order, to 8 MiB. */
static size_t any_size(uint64_t *state)
{
	unsigned order = (unsigned)__builtin_ctzll(test_random(state) | 1ull << 17);

	return 1 + test_random(state) % ((size_t)64 << order);
}

static struct block *any_block(uint64_t *state)
{
	size_t n = any_size(state), whole = sizeof(struct block) + n;
	size_t align = (size_t)16 << test_random(state) % 12;
	uint64_t choice = test_random(state) % 16;
	struct block *b;
	void *out = NULL;

	switch (choice) {
	case 0:
		b = aligned_alloc(align, whole);
		EXPECT(is_aligned(b, align));
		break;
	case 1:
		b = memalign(align, whole);
		EXPECT(is_aligned(b, align));
		break;
	case 2:
		EXPECT_EQ(posix_memalign(&out, align, whole), 0);
		b = out;
		EXPECT(is_aligned(b, align));
		break;
	case 3:
	case 4:
		b = calloc(1, whole);
		EXPECT(b && all_zero(b, whole));
		break;
	case 5:
		b = realloc(NULL, whole);
		break;
	case 6:
		b = test_random(state) % 8 ? malloc(whole) : valloc(whole);
		break;
	default:
		b = malloc(whole);
	}
	REQUIRE(b != NULL);
	block_fill(b, n, (unsigned)test_random(state));
	return b;
}

static struct block *resize(struct block *b, uint64_t *state)
{
	size_t n = any_size(state), from = b->n;
	unsigned seed = b->seed;

	b = realloc(b, sizeof *b + n);
	REQUIRE(b != NULL);
	EXPECT_EQ(b->seed, seed);
	EXPECT_EQ(b->n, from);
	if (from >= 2 * EDGE && n >= EDGE)
		EXPECT(pattern_holds(b->bytes, EDGE, seed));
	if (n >= from)
		block_expect(b);
	block_fill(b, n, seed + 1);
	return b;
}

static void drop(struct block *b)
{
	if (!b)
		return;
	block_expect(b);
	free(b);
}

static void *run(void *arg)
{
	uint64_t state = first_seed + 2 * (uintptr_t)arg, done = 0;
	struct block *own[OWN] = {NULL};

	while (done % 64 || elapsed() < SECONDS) {
		struct block **mine = &own[test_random(&state) % OWN];

		switch (test_random(&state) % 8) {
		case 0:
		case 1:
			*mine = __atomic_exchange_n(&shared[test_random(&state) % SHARED], *mine,
						    __ATOMIC_ACQ_REL);
			break;
		case 2:
			if (*mine) {
				*mine = resize(*mine, &state);
				break;
			}
			/* fall through */
		default:
			drop(*mine);
			*mine = any_block(&state);
		}
		done++;
	}
	for (int i = 0; i < OWN; i++)
		drop(own[i]);
	__atomic_fetch_add(&operations, done, __ATOMIC_RELAXED);
	return NULL;
}

TEST(anything_from_sixteen_threads)
{
	pthread_t threads[THREADS];

	first_seed = test_seed();
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (uintptr_t i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, run, (void *)(i + 1)) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < SHARED; i++)
		drop(shared[i]);
	printf("    %llu operations\n", (unsigned long long)operations);
	EXPECT(operations >= THREADS);
}
