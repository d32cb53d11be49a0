/*
 * The whole interface against a shadow of the heap.
 *
 * A step is chosen by a random word: allocate by one of the functions, resize,
 * free, or hand an object to another thread.  The shadow knows of each slot
 * what the object must hold: size, alignment, a pattern.  No object may overlap
 * another, or their patterns would show it.  When a sequence of one thread fails,
 * its shortest failing prefix is searched for and printed with the seed.
 */
#include "test.h"

#include <loam/loam.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS 512

struct slot {
	unsigned char *mem;
	size_t nbytes;
	unsigned char pattern;
};

struct player {
	struct slot slots[SLOTS];
	uint64_t state;
	long steps;
};

/* Objects on their way to whichever thread takes them. */
static _Atomic(struct slot *) exchange[8];

static bool holds(const struct slot *s)
{
	for (size_t i = 0; i < s->nbytes; i += i < 64 || s->nbytes - i < 64 ? 1 : 61)
		if (s->mem[i] != s->pattern)
			return false;
	return true;
}

/* Small sizes mostly; now and then chunks, runs, and huge ones. */
static size_t some_size(uint64_t r)
{
	switch (r % 64) {
	case 0:
		return r >> 8 & 0xfffff;
	case 1:
		return (r >> 40) % 16 ? 0 : r >> 8 & 0xffffff;
	case 2:
	case 3:
	case 4:
	case 5:
		return r >> 8 & 0xffff;
	default:
		return (r >> 8) % ((size_t)16 << (r >> 40) % 7);
	}
}

static void *allocate(uint64_t r, size_t nbytes, size_t *ret_alignment, bool *ret_zero)
{
	void *mem = NULL;

	*ret_alignment = 16;
	*ret_zero = false;
	switch (r >> 50 & 15) {
	case 0:
		*ret_alignment = (size_t)1 << (4 + (r >> 30) % 11);
		return loam_memalign(*ret_alignment, nbytes);
	case 1:
		*ret_alignment = (size_t)16 << (r >> 30) % 4;
		return loam_posix_memalign(&mem, *ret_alignment, nbytes) ? NULL : mem;
	case 2:
	case 3:
		*ret_zero = true;
		return loam_calloc(nbytes ? nbytes : 1, 1);
	default:
		return loam_malloc(nbytes);
	}
}

static bool is_zero(const unsigned char *mem, size_t nbytes)
{
	for (size_t i = 0; i < nbytes; i++)
		if (mem[i])
			return false;
	return true;
}

static bool fill(struct player *p, struct slot *s, uint64_t r)
{
	size_t alignment;
	bool zero;

	s->nbytes = some_size(r);
	s->mem = allocate(r, s->nbytes, &alignment, &zero);
	s->pattern = (unsigned char)test_random(&p->state);
	if (!s->mem || (uintptr_t)s->mem % alignment ||
	    loam_malloc_usable_size(s->mem) < s->nbytes || (zero && !is_zero(s->mem, s->nbytes)))
		return false;
	memset(s->mem, s->pattern, s->nbytes);
	return true;
}

static bool resize(struct slot *s, uint64_t r)
{
	size_t nbytes = some_size(r >> 3) + 1, kept = nbytes < s->nbytes ? nbytes : s->nbytes;
	unsigned char *mem = loam_realloc(s->mem, nbytes);

	if (!mem)
		return false;
	s->mem = mem;
	s->nbytes = kept;
	if (!holds(s))
		return false;
	s->nbytes = nbytes;
	memset(mem, s->pattern, nbytes);
	return true;
}

static void drop(struct slot *s)
{
	loam_free(s->mem);
	s->mem = NULL;
}

/* Gives the slot's object to another thread, and takes what another gave. */
static bool pass_on(struct slot *s, uint64_t r)
{
	struct slot *given = loam_malloc(sizeof *given), *taken;

	if (!given)
		return false;
	*given = *s;
	s->mem = NULL;
	taken = atomic_exchange(&exchange[r >> 20 & 7], given);
	if (!taken)
		return true;
	if (!holds(taken))
		return false;
	*s = *taken;
	loam_free(taken);
	return true;
}

static bool step(struct player *p, bool alone)
{
	uint64_t r = test_random(&p->state);
	struct slot *s = &p->slots[r >> 32 & (SLOTS - 1)];

	if (!s->mem)
		return fill(p, s, r);
	if (!holds(s))
		return false;
	switch (r >> 60) {
	case 0:
	case 1:
	case 2:
		return resize(s, r);
	case 3:
		if (!alone)
			return pass_on(s, r);
		break;
	}
	drop(s);
	return true;
}

/* How many steps went well, at most p->steps; the heap is proved now and then. */
static long play(struct player *p, bool alone)
{
	for (long i = 0; i < p->steps; i++)
		if (!step(p, alone) || (i % 4096 == 0 && !loam_check()))
			return i;
	return loam_check() ? p->steps : p->steps - 1;
}

static void clear(struct player *p)
{
	for (int i = 0; i < SLOTS; i++)
		drop(&p->slots[i]);
}

/* Whether the sequence fails within that many steps, tried in a child of its own. */
static bool fails_within(uint64_t seed, long steps)
{
	static struct player player;
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		player = (struct player){.state = seed, .steps = steps};
		_exit(play(&player, true) != steps);
	}
	waitpid(child, &status, 0);
	return status != 0;
}

static long shortest_failure(uint64_t seed, long steps)
{
	long good = 0;

	while (steps - good > 1) {
		long middle = good + (steps - good) / 2;

		if (fails_within(seed, middle))
			steps = middle;
		else
			good = middle;
	}
	return steps;
}

TEST(one_thread_agrees_with_its_shadow)
{
	uint64_t seed = test_seed();

	for (int round = 0; round < 3; round++, test_random(&seed)) {
		long steps = 100000;

		if (fails_within(seed, steps)) {
			EXPECT(!"the heap and its shadow disagree");
			printf("    seed %llu, shortest failing prefix: %ld steps\n",
			       (unsigned long long)seed, shortest_failure(seed, steps));
		}
	}
}

static void *play_thread(void *arg)
{
	struct player *p = arg;

	EXPECT_EQ(play(p, false), p->steps);
	clear(p);
	return NULL;
}

TEST(threads_that_pass_objects_on_agree_with_their_shadows)
{
	enum { THREADS = 12 };
	static struct player players[THREADS];
	pthread_t threads[THREADS];
	uint64_t seed = test_seed();

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < THREADS; i++) {
			players[i] = (struct player){.state = test_random(&seed), .steps = 20000};
			pthread_create(&threads[i], NULL, play_thread, &players[i]);
		}
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
	}
	for (int i = 0; i < 8; i++) {
		struct slot *left = atomic_exchange(&exchange[i], NULL);

		if (left) {
			EXPECT(holds(left));
			loam_free(left->mem);
			loam_free(left);
		}
	}
	EXPECT(loam_check());
}

TEST(memory_of_a_whole_life_goes_back)
{
	static struct player player;
	struct mallinfo2 before = loam_mallinfo2(), after;

	player = (struct player){.state = test_seed(), .steps = 50000};
	EXPECT_EQ(play(&player, true), player.steps);
	clear(&player);
	loam_malloc_trim(0);
	after = loam_mallinfo2();
	EXPECT(after.uordblks <= before.uordblks + 4096);
	EXPECT(after.fordblks <= before.fordblks + (1 << 20));
	EXPECT_EQ(after.hblkhd, 0);
}
