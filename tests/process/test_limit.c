/*
 * limit=64M: requests beyond it are refused with ENOMEM and lose nothing; what is free within it
 * serves any other size; the process stays that small though each phase of it frees at random.
 */
#include "test.h"

#include "process.h"

#include <pthread.h>

enum { LIMIT_KIB = 64 << 10, MOST = 1 << 20, BESIDE_KIB = (6 << 10) + (MOST >> 7) };

static unsigned char *blocks[MOST];

static size_t fill(size_t nbytes)
{
	size_t n = 0;

	errno = 0;
	for (; n < MOST && (blocks[n] = malloc(nbytes)); n++)
		memset(blocks[n], 1, nbytes);
	MUST(n < MOST && errno == ENOMEM);
	return n;
}

static void free_blocks(size_t n)
{
	while (n)
		free(blocks[--n]);
}

TEST(any_size_has_the_limit_and_no_more)
{
	static const size_t sizes[] = {100, 3000, 40000, 200000, 3 << 20, 64};

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		size_t n = fill(sizes[i]), kib = n * sizes[i] >> 10;

		printf("%zu bytes: %zu KiB, %zu in RAM\n", sizes[i], kib, resident_kib());
		EXPECT(kib >= LIMIT_KIB / 10 * 8 && kib <= LIMIT_KIB);
		EXPECT(resident_kib() <= LIMIT_KIB + BESIDE_KIB);
		free_blocks(n);
	}
}

TEST(a_refused_realloc_leaves_the_block)
{
	size_t nbytes = 1000;
	char *mem = malloc(nbytes), *grown;

	MUST(mem);
	memset(mem, 7, nbytes);
	while ((grown = realloc(mem, nbytes + nbytes / 4))) {
		mem = grown;
		memset(mem + nbytes, 7, nbytes / 4);
		nbytes += nbytes / 4;
	}
	EXPECT_EQ(errno, ENOMEM);
	printf("realloc: %zu KiB\n", nbytes >> 10);
	EXPECT(nbytes >> 10 >= LIMIT_KIB / 3 && nbytes >> 10 <= LIMIT_KIB);
	for (size_t i = 0; i < nbytes; i++)
		MUST(mem[i] == 7);
	free(mem);
	mem = malloc(LIMIT_KIB / 10 * 9 << 10);
	EXPECT(mem);
	free(mem);
}

/* Each fills 40 MiB with one size, beside the one small object in 2,000 that earlier ones left. */
TEST(phases_that_free_at_random_stay_below_it)
{
	enum { PHASES = 16, PHASE_KIB = 40 << 10 };

	static unsigned char *left[PHASES * MOST / 1000];
	uint64_t state = test_seed();
	size_t most = 0, nleft = 0;

	for (int phase = 0; phase < PHASES; phase++) {
		size_t nbytes = 32u << phase % 8, n = ((size_t)PHASE_KIB << 10) / nbytes;

		n -= nleft * 64 / nbytes;
		n = n < MOST ? n : MOST;
		for (size_t i = 0; i < n; i++) {
			blocks[i] = malloc(nbytes);
			MUST(blocks[i]);
			memset(blocks[i], phase, nbytes);
		}
		most = resident_kib() > most ? resident_kib() : most;
		for (size_t i = 0; i < n; i++) {
			if (nbytes <= 256 && test_random(&state) % 2000 == 0)
				left[nleft++] = blocks[i];
			else
				free(blocks[i]);
		}
	}
	printf("phases: %zu KiB at most\n", most);
	EXPECT(most <= LIMIT_KIB + BESIDE_KIB);
	while (nleft)
		free(left[--nleft]);
}

enum { THREADS = 32, ROUNDS = 100, AT_ONCE = 3000000 };

static pthread_barrier_t meeting;

static void *ask_at_once(void *slot)
{
	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&meeting); /* all begin at once */
		*(void **)slot = malloc(AT_ONCE);
		pthread_barrier_wait(&meeting); /* all have an answer */
		pthread_barrier_wait(&meeting); /* it is counted */
		free(*(void **)slot);
	}
	return NULL;
}

/* What one thread was allowed and has yet to take is not allowed to another. */
TEST(threads_that_ask_at_once_have_the_limit_and_no_more)
{
	pthread_t threads[THREADS];
	void *taken[THREADS];

	pthread_barrier_init(&meeting, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		MUST(pthread_create(&threads[i], NULL, ask_at_once, &taken[i]) == 0);
	for (int round = 0; round < ROUNDS; round++) {
		size_t bytes = 0;

		pthread_barrier_wait(&meeting);
		pthread_barrier_wait(&meeting);
		for (int i = 0; i < THREADS; i++)
			bytes += taken[i] ? AT_ONCE : 0;
		EXPECT(bytes >> 10 <= LIMIT_KIB);
		pthread_barrier_wait(&meeting);
	}
	for (int i = 0; i < THREADS; i++)
		MUST(pthread_join(threads[i], NULL) == 0);
}
