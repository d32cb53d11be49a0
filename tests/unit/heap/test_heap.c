/* The chunk heap: the pipeline step by step, misuse, giving back, and any order of calls against a
 * model. */
#include "base/options.h"
#include "heap/heap.h"
#include "heap/top.h"
#include "os/os.h"
#include "os_sim.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "test.h"

#include <string.h>

static struct chunk_heap heaps[2];

/* A heap with nothing in it, of blocks. */
static struct chunk_heap *fresh(void)
{
	static struct chunk_heap many[64];
	static int used;

	heap_start(0x243f6a8885a308d3);
	REQUIRE(used < 64);
	return &many[used++];
}

static struct heap_sizes sizes_of(const struct chunk_heap *ch)
{
	struct heap_sizes sizes;

	heap_sizes(ch, &sizes);
	EXPECT_EQ(sizes.system, sizes.in_use + sizes.free);
	return sizes;
}

/* n chunks of req bytes with others of that size between, so that none merges. */
static void spaced(struct chunk_heap *ch, char **mems, int n, size_t req)
{
	for (int i = 0; i < n; i++) {
		mems[i] = heap_malloc(ch, req, NULL);
		REQUIRE(mems[i] && heap_malloc(ch, req, NULL));
	}
}

TEST(a_zero_heap_is_empty_and_sound)
{
	struct chunk_heap *ch = fresh();

	EXPECT(heap_check(ch));
	EXPECT_EQ(sizes_of(ch).system, 0);
	EXPECT_EQ(heap_trim(ch, 0), 0);
	EXPECT(sizeof *ch <= 1280);
}

TEST(memory_is_aligned_enough_and_first_reads_as_zero)
{
	struct chunk_heap *ch = fresh();
	bool zero = false;
	char *mem = heap_malloc(ch, 100, &zero);

	REQUIRE(mem);
	EXPECT(zero);
	EXPECT_EQ((uintptr_t)mem % 16, 0);
	EXPECT_EQ(chunk_usable(mem), 104);
	for (int i = 0; i < 104; i++)
		EXPECT_EQ(mem[i], 0);
	EXPECT(!heap_malloc(ch, HEAP_MAX_REQ + 1, &zero));
	EXPECT(!heap_malloc(ch, SIZE_MAX, NULL));
	EXPECT(heap_check(ch));
}

TEST(a_small_bin_gives_back_the_same_size)
{
	struct chunk_heap *ch = fresh();
	char *mems[3];

	spaced(ch, mems, 3, 100);
	heap_free(ch, mems[0]);
	heap_free(ch, mems[1]);
	EXPECT(heap_check(ch));
	EXPECT(heap_malloc(ch, 98, NULL) == mems[0]);
	EXPECT(heap_malloc(ch, 104, NULL) == mems[1]);
	EXPECT_EQ(ch->small_hits, 2);
	EXPECT(heap_check(ch));
}

TEST(an_exact_chunk_of_unsorted_is_taken)
{
	struct chunk_heap *ch = fresh();
	char *mems[2], *other;

	spaced(ch, mems, 2, 3000);
	other = heap_malloc(ch, 2000, NULL);
	heap_malloc(ch, 16, NULL);
	heap_free(ch, mems[0]);
	heap_free(ch, other);
	heap_free(ch, mems[1]);
	EXPECT(heap_malloc(ch, 2000, NULL) == other);
	EXPECT_EQ(ch->unsorted_hits, 1);
	/* The one before it was sorted, the one after it was not looked at. */
	EXPECT(ch->bins.first[BINS_UNSORTED] == chunk_of(mems[1]));
	EXPECT(heap_check(ch));
}

TEST(the_smallest_chunk_that_is_enough_is_cut)
{
	struct chunk_heap *ch = fresh();
	char *large, *middle, *small;

	large = heap_malloc(ch, 8000, NULL);
	heap_malloc(ch, 16, NULL);
	middle = heap_malloc(ch, 4000, NULL);
	heap_malloc(ch, 16, NULL);
	small = heap_malloc(ch, 2000, NULL);
	heap_malloc(ch, 16, NULL);
	heap_free(ch, large);
	heap_free(ch, middle);
	heap_free(ch, small);
	EXPECT(heap_malloc(ch, 3000, NULL) == middle);
	EXPECT_EQ(ch->large_hits, 1);
	EXPECT_EQ(ch->splits, 1);
	EXPECT(heap_check(ch));
}

TEST(small_requests_in_a_row_lie_side_by_side)
{
	struct chunk_heap *ch = fresh();
	char *large = heap_malloc(ch, 8000, NULL), *first, *next;

	heap_malloc(ch, 16, NULL);
	heap_free(ch, large);
	first = heap_malloc(ch, 100, NULL);
	EXPECT(first == large);
	for (int i = 1; i < 20; i++) {
		next = heap_malloc(ch, 100 + (size_t)i * 16, NULL);
		EXPECT(next == first + chunk_need(100 + 16 * ((size_t)i - 1)));
		first = next;
	}
	EXPECT_EQ(ch->remainder_hits, 19);
	EXPECT(heap_check(ch));
}

/* 1016 bytes make a chunk of 1024, the least large one. */
TEST(large_requests_neither_make_a_last_remainder_nor_take_it)
{
	struct chunk_heap *ch = fresh();
	char *large = heap_malloc(ch, 20000, NULL);

	heap_malloc(ch, 16, NULL);
	heap_free(ch, large);
	EXPECT(heap_malloc(ch, 1016, NULL) == large);
	EXPECT_EQ(ch->large_hits, 1);
	EXPECT(heap_malloc(ch, 100, NULL)); /* what the large one left was sorted first */
	EXPECT_EQ(ch->large_hits, 2);
	EXPECT_EQ(ch->remainder_hits, 0);
	EXPECT(heap_malloc(ch, 1016, NULL)); /* and what the small one left */
	EXPECT_EQ(ch->large_hits, 3);
	EXPECT_EQ(ch->remainder_hits, 0);
	EXPECT(heap_malloc(ch, 1000, NULL));
	EXPECT(heap_malloc(ch, 1000, NULL));
	EXPECT_EQ(ch->large_hits, 4);
	EXPECT_EQ(ch->remainder_hits, 1);
	EXPECT(heap_check(ch));
}

TEST(freed_neighbours_become_one)
{
	struct chunk_heap *ch = fresh();
	int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	for (int i = 0; i < 6; i++) {
		char *mems[3], *whole;

		for (int k = 0; k < 3; k++)
			mems[k] = heap_malloc(ch, 2000, NULL);
		heap_malloc(ch, 16, NULL);
		for (int k = 0; k < 3; k++)
			heap_free(ch, mems[orders[i][k]]);
		EXPECT(heap_check(ch));
		whole = heap_malloc(ch, 3 * chunk_need(2000) - 8, NULL);
		EXPECT(whole == mems[0]);
		heap_free(ch, whole);
	}
	EXPECT_EQ(ch->merges, 12);
}

TEST(what_lies_before_top_becomes_top)
{
	struct chunk_heap *ch = fresh();
	char *a = heap_malloc(ch, 1000, NULL), *b = heap_malloc(ch, 50, NULL);

	heap_free(ch, a);
	heap_free(ch, b);
	EXPECT(ch->top == chunk_of(a));
	EXPECT_EQ(sizes_of(ch).free_chunks, 1);
	EXPECT_EQ(sizes_of(ch).in_use, CHUNK_END);
	EXPECT(heap_check(ch));
}

static int count_unsorted(const struct chunk_heap *ch)
{
	const struct chunk *first = ch->bins.first[BINS_UNSORTED], *c = first;
	int n = 0;

	while (c && (n++ == 0 || c != first))
		c = c->next;
	return c ? n - 1 : 0;
}

TEST(a_sweep_sorts_some_and_a_request_never_grows_while_unsorted_has_it)
{
	struct chunk_heap *ch = fresh();
	char *mems[200];
	size_t system;
	int unsorted;

	spaced(ch, mems, 200, 2000);
	while (heap_malloc(ch, 2500, NULL) && top_size(ch) > 3000)
		;
	for (int i = 0; i < 200; i++)
		heap_free(ch, mems[i]);
	system = sizes_of(ch).system;
	unsorted = count_unsorted(ch);
	EXPECT(unsorted > 100);
	EXPECT(heap_malloc(ch, 1500, NULL));
	/* 64 were sorted; of one of them the rest came back. */
	EXPECT_EQ(count_unsorted(ch), unsorted - 64 + 1);
	EXPECT(heap_check(ch));
	for (int i = 0; i < 100; i++)
		EXPECT(heap_malloc(ch, 1900, NULL));
	EXPECT_EQ(sizes_of(ch).system, system);
	EXPECT(heap_check(ch));
}

TEST(resize_shrinks_and_grows_in_place)
{
	struct chunk_heap *ch = fresh();
	char *a = heap_malloc(ch, 1000, NULL), *b = heap_malloc(ch, 1000, NULL);
	char *c = heap_malloc(ch, 1000, NULL);

	memset(a, 7, 1000);
	EXPECT(heap_resize(ch, a, 100));
	EXPECT_EQ(chunk_usable(a), 104);
	EXPECT(heap_check(ch));
	EXPECT(heap_resize(ch, a, 1000));
	EXPECT_EQ(chunk_usable(a), 1000);
	EXPECT(!heap_resize(ch, a, 1001));
	heap_free(ch, b);
	EXPECT(heap_resize(ch, a, 1500));
	EXPECT(heap_check(ch));
	EXPECT(heap_resize(ch, a, 2000));
	EXPECT_EQ(chunk_usable(a), 2008);
	EXPECT(!heap_resize(ch, a, HEAP_MAX_REQ + 1));
	EXPECT_EQ(a[99], 7);
	EXPECT(heap_check(ch));
	EXPECT(heap_resize(ch, c, 5000));
	EXPECT(!heap_resize(ch, c, 100000));
	EXPECT(heap_resize(ch, c, 0));
	EXPECT_EQ(chunk_usable(c), 24);
	EXPECT(heap_check(ch));
}

TEST(memalign_aligns_and_gives_the_rest_back)
{
	struct chunk_heap *ch = fresh();

	for (size_t alignment = 16; alignment <= MIB; alignment *= 2)
		for (size_t req = 1; req < 10000; req = req * 3 + 1) {
			char *mem = heap_memalign(ch, alignment, req);

			REQUIRE(mem);
			EXPECT_EQ((uintptr_t)mem % alignment, 0);
			EXPECT(chunk_usable(mem) >= req && chunk_usable(mem) <= req + 48);
			memset(mem, 1, req);
			EXPECT(heap_check(ch));
			if (req % 2)
				heap_free(ch, mem);
		}
	EXPECT(!heap_memalign(ch, 2 * MIB, 1));
	EXPECT(!heap_memalign(ch, 64, HEAP_MAX_REQ + 1));
}

struct misuse {
	struct chunk_heap *ch;
	char *mem;
};

static void free_it(void *arg)
{
	struct misuse *misuse = arg;

	heap_free(misuse->ch, misuse->mem);
}

static void resize_it(void *arg)
{
	struct misuse *misuse = arg;

	heap_resize(misuse->ch, misuse->mem, 10);
}

static void measure_it(void *arg)
{
	chunk_usable(((struct misuse *)arg)->mem);
}

TEST(a_pointer_that_starts_no_chunk_is_reported)
{
	struct chunk_heap *ch = fresh();
	char *mem = heap_malloc(ch, 5000, NULL);
	struct misuse interior = {ch, mem + 64}, misaligned = {ch, mem + 8};
	struct misuse base = {ch, ch->heaps->base};

	EXPECT_ABORT(free_it, &interior, "inside the chunk");
	EXPECT_ABORT(resize_it, &interior, "inside the chunk");
	EXPECT_ABORT(measure_it, &interior, "inside the chunk");
	EXPECT_ABORT(free_it, &misaligned, ": 8 bytes inside the chunk of ");
	EXPECT_ABORT(free_it, &misaligned, ", misaligned (");
	EXPECT_ABORT(free_it, &base, "no allocator gave it");
	interior.mem = mem + 4096 - (uintptr_t)mem % 4096;
	EXPECT_ABORT(free_it, &interior, "inside the chunk");
}

TEST(a_double_free_is_reported_wherever_the_chunk_went)
{
	struct chunk_heap *ch = fresh();
	char *mems[6];

	for (int i = 0; i < 6; i++)
		mems[i] = heap_malloc(ch, 200, NULL);
	heap_free(ch, mems[0]); /* a bin */
	heap_free(ch, mems[1]); /* merged into the one before it */
	heap_free(ch, mems[3]); /* merged with the next */
	heap_free(ch, mems[2]); /* between two */
	heap_free(ch, mems[5]); /* top */
	for (int i = 0; i < 6; i++) {
		struct misuse twice = {ch, mems[i]};

		if (i == 4)
			continue;
		EXPECT_ABORT(free_it, &twice, "double free");
		EXPECT_ABORT(resize_it, &twice, "double free");
	}
	heap_free(ch, mems[4]);
	EXPECT(heap_check(ch));
}

/* The size that is said is the object's own, or else that of the free memory that it is in now. */
TEST(a_double_free_says_no_size_that_is_not_the_objects)
{
	struct chunk_heap *ch = fresh();
	struct misuse twice = {ch, NULL};
	char *mems[7];

	for (int i = 0; i < 7; i++)
		mems[i] = heap_malloc(ch, i < 2 ? 200 : 2008, NULL);
	heap_free(ch, mems[0]);
	twice.mem = mems[0];
	EXPECT_ABORT(free_it, &twice, "double free detected: ");
	EXPECT_ABORT(free_it, &twice, ": chunk of 200 bytes, free");
	heap_free(ch, mems[3]);
	heap_free(ch, mems[2]);
	heap_free(ch, mems[4]);
	twice.mem = mems[3]; /* in the middle of what these three make */
	EXPECT_ABORT(free_it, &twice, ": chunk of 2008 bytes, free");
	twice.mem = mems[2]; /* at its beginning */
	EXPECT_ABORT(free_it, &twice, "double free detected: ");
	EXPECT_ABORT(free_it, &twice, ": in free memory of 6040 bytes (");
	mems[0] = heap_malloc(ch, 1000, NULL); /* off that beginning: what is left is no object's */
	EXPECT(mems[0] == mems[2]);
	heap_free(ch, mems[6]); /* top */
	twice.mem = mems[6];
	EXPECT_ABORT(free_it, &twice, ": in free memory of ");
	EXPECT(heap_check(ch));
}

/* A free chunk between two in use. */
TEST(the_check_sees_what_is_wrong)
{
	struct chunk_heap *ch = fresh();
	struct chunk *first, *free, *next;
	struct descriptor *tag;
	char *mems[3];
	uint64_t word;

	for (int i = 0; i < 3; i++)
		mems[i] = heap_malloc(ch, 2000, NULL);
	heap_free(ch, mems[1]);
	first = chunk_of(mems[0]);
	free = chunk_of(mems[1]);
	next = chunk_of(mems[2]);
	EXPECT(heap_check(ch));
	word = chunk_word(next);
	chunk_set(next, word | CHUNK_PREV_IN_USE); /* H7 */
	EXPECT(!heap_check(ch));
	chunk_set(next, word);
	next->prev_size += CHUNK_ALIGN; /* H8 */
	EXPECT(!heap_check(ch));
	next->prev_size -= CHUNK_ALIGN;
	word = chunk_word(first);
	chunk_set(first, word | CHUNK_UNSORTED); /* H9 */
	EXPECT(!heap_check(ch));
	chunk_set(first, word);
	bins_remove(&ch->bins, free, chunk_word(free)); /* H9 */
	EXPECT(!heap_check(ch));
	bins_insert(&ch->bins, free, chunk_word(free));
	ch->in_use += CHUNK_ALIGN; /* H10 */
	EXPECT(!heap_check(ch));
	ch->in_use -= CHUNK_ALIGN;
	tag = pagemap_get(ch->heaps->base);
	pagemap_set(ch->heaps->base, PAGE_SIZE, NULL); /* H11 */
	EXPECT(!heap_check(ch));
	pagemap_set(ch->heaps->base, PAGE_SIZE, tag);
	EXPECT(heap_check(ch));
}

TEST(overruns_are_reported)
{
	struct chunk_heap *ch = fresh();
	char *mems[3];
	struct misuse overrun;

	for (int i = 0; i < 3; i++)
		mems[i] = heap_malloc(ch, 40, NULL);
	overrun = (struct misuse){ch, mems[0]};
	mems[0][40] ^= 1;
	EXPECT_ABORT(free_it, &overrun, "corrupted size vs. prev_size");
	EXPECT(!heap_check(ch));
	overrun.mem = mems[1];
	EXPECT_ABORT(free_it, &overrun, "corrupted size vs. prev_size");
	mems[0][40] ^= 1;
	EXPECT(heap_check(ch));
}

static bool add_size(struct chunk *c, size_t csize, void *arg)
{
	*(size_t *)arg += csize;
	return true;
}

TEST(the_sizes_add_up)
{
	struct chunk_heap *ch = fresh();
	struct heap_sizes sizes;
	char *mems[10];
	size_t binned = 0;

	spaced(ch, mems, 10, 1500);
	EXPECT_EQ(sizes_of(ch).in_use, 20 * chunk_need(1500) + CHUNK_END);
	for (int i = 0; i < 5; i++)
		heap_free(ch, mems[2 * i]);
	sizes = sizes_of(ch);
	bins_visit(&ch->bins, BINS_LAST, 1, add_size, &binned);
	EXPECT_EQ(sizes.free_chunks, 6);
	EXPECT_EQ(binned, 5 * chunk_need(1500));
	EXPECT_EQ(sizes.free, binned + sizes.top);
}

/* What the model knows of one allocation: every byte of it is `fill`. */
struct object {
	unsigned char *mem;
	size_t nbytes;
	unsigned char fill;
};

#define OBJECTS 700

static struct object objects[2][OBJECTS];

static void fill(struct object *o, unsigned char *mem, unsigned char byte)
{
	o->mem = mem;
	o->nbytes = chunk_usable(mem);
	o->fill = byte;
	memset(mem, byte, o->nbytes);
}

static bool intact(const struct object *o, size_t nbytes)
{
	for (size_t i = 0; i < nbytes; i++)
		if (o->mem[i] != o->fill)
			return EXPECT_EQ(o->mem[i], o->fill);
	return true;
}

static size_t random_req(uint64_t *seed)
{
	uint64_t which = test_random(seed) % 32;

	if (which == 0)
		return test_random(seed) % (200 * KIB);
	if (which < 6)
		return test_random(seed) % 8192;
	return test_random(seed) % 1100;
}

static void model_allocate(struct chunk_heap *ch, struct object *o, uint64_t *seed)
{
	size_t req = random_req(seed);
	size_t alignment = test_random(seed) % 8 ? 16 : (size_t)16 << test_random(seed) % 10;
	bool zero = false;
	unsigned char *mem =
		alignment > 16 ? heap_memalign(ch, alignment, req) : heap_malloc(ch, req, &zero);

	if (!mem)
		return;
	EXPECT_EQ((uintptr_t)mem % alignment, 0);
	EXPECT(chunk_usable(mem) >= req);
	for (size_t i = 0; zero && i < chunk_usable(mem); i++)
		if (mem[i])
			zero = EXPECT_EQ(mem[i], 0);
	fill(o, mem, (unsigned char)test_random(seed));
}

static bool model_step(struct chunk_heap *ch, struct object *o, uint64_t *seed)
{
	size_t req = random_req(seed), before = o->nbytes;

	if (!o->mem) {
		model_allocate(ch, o, seed);
		return true;
	}
	if (!intact(o, o->nbytes))
		return false;
	if (test_random(seed) % 4 != 0) {
		heap_free(ch, o->mem);
		o->mem = NULL;
		return true;
	}
	if (!heap_resize(ch, o->mem, req))
		return EXPECT_EQ(chunk_usable(o->mem), before);
	if (!EXPECT(chunk_usable(o->mem) >= req) || !intact(o, req < before ? req : before))
		return false;
	fill(o, o->mem, o->fill);
	return true;
}

/* Things that happen around the heap: somebody uses brk, brk or all is refused, trims. */
static void model_event(uint64_t *seed)
{
	switch (test_random(seed) % 8) {
	case 0:
		os_sbrk((intptr_t)(test_random(seed) % 50000));
		break;
	case 1:
		heap_trim(&heaps[test_random(seed) % 2], test_random(seed) % 2 * 50000);
		break;
	case 2:
		os_sim_fail_from(1 + (long)(test_random(seed) % 4));
		break;
	case 3:
		os_sim_brk_limit(0);
		break;
	default:
		os_sim_fail_from(0);
		os_sim_brk_limit(SIZE_MAX);
	}
}

static bool model_check(int step)
{
	if (EXPECT(heap_check(&heaps[0]) && heap_check(&heaps[1])))
		return true;
	EXPECT_EQ(step, -1);
	return false;
}

TEST(any_order_of_calls_keeps_memory_and_heap_sound)
{
	uint64_t seed = test_seed();

	heaps[0].brk = true;
	for (int step = 0; step < 150000; step++) {
		int which = (int)(test_random(&seed) % 2);
		/* The number of objects swells and shrinks. */
		uint64_t crowd = 20 + (uint64_t)step / 50 % (OBJECTS - 20);
		struct object *o = &objects[which][test_random(&seed) % crowd];

		if (test_random(&seed) % 500 == 0)
			model_event(&seed);
		if (!model_step(&heaps[which], o, &seed) || (step % 64 == 0 && !model_check(step)))
			break;
	}
	os_sim_fail_from(0);
	os_sim_brk_limit(SIZE_MAX);
	for (int i = 0; i < 2 * OBJECTS; i++) {
		struct object *o = &objects[i % 2][i / 2];

		if (o->mem && intact(o, o->nbytes))
			heap_free(&heaps[i % 2], o->mem);
	}
	model_check(150000);
	heap_trim(&heaps[1], 0);
	EXPECT_EQ(sizes_of(&heaps[1]).system, 0);
	EXPECT(zone_check());
}

TEST(what_is_held_is_had_without_the_system_whatever_its_size)
{
	struct chunk_heap *ch = fresh();
	char *mems[40], *large, *aligned;

	EXPECT(!heap_memalign_held(ch, 16, 16));
	for (int i = 0; i < 40; i++)
		REQUIRE(mems[i] = heap_malloc(ch, 100000, NULL));
	for (int i = 0; i < 39; i++)
		heap_free(ch, mems[i]);
	os_sim_fail_from(1);
	large = heap_memalign_held(ch, 16, HEAP_MAX_REQ + 100000);
	REQUIRE(large);
	memset(large, 1, HEAP_MAX_REQ + 100000);
	aligned = heap_memalign_held(ch, 4096, 100000);
	REQUIRE(aligned);
	EXPECT_EQ((uintptr_t)aligned % 4096, 0);
	EXPECT(!heap_memalign_held(ch, 16, 40 * 100000));
	EXPECT(!heap_memalign_held(ch, 16, SIZE_MAX));
	EXPECT(!heap_memalign_held(ch, (size_t)1 << 40, 16));
	os_sim_fail_from(0);
	EXPECT(heap_check(ch));
	heap_free(ch, large);
	heap_free(ch, aligned);
	heap_free(ch, mems[39]);
	EXPECT(heap_check(ch));
}

enum { MANY = 2000, LARGER = MANY - 100 };

/* So many free chunks that are not sorted; one of the last is larger. */
static struct chunk_heap *many_unsorted(char *mems[MANY])
{
	struct chunk_heap *ch = fresh();

	for (int i = 0; i < MANY; i++)
		REQUIRE((mems[i] = heap_malloc(ch, i == LARGER ? 5000 : 2000, NULL)) &&
			heap_malloc(ch, 2000, NULL));
	while (top_size(ch) > 5000)
		REQUIRE(heap_malloc(ch, 2000, NULL));
	for (int i = 0; i < MANY; i++)
		heap_free(ch, mems[i]);
	EXPECT(count_unsorted(ch) >= MANY - 1);
	return ch;
}

/* Else a request would take the longer the more was freed before it. */
TEST(a_request_sorts_some_hundred_chunks_before_it_asks_the_system)
{
	static char *mems[MANY];
	struct chunk_heap *ch = many_unsorted(mems);
	int before = count_unsorted(ch);

	EXPECT(heap_malloc(ch, 5000, NULL) != mems[LARGER]);
	EXPECT_EQ(before - count_unsorted(ch), 64 + 512 - 1); /* the end of top came */
	EXPECT(heap_check(ch));
}

TEST(where_memory_is_refused_all_chunks_are_sorted)
{
	static char *mems[MANY];
	struct chunk_heap *ch = many_unsorted(mems);

	options.limit = 1;
	EXPECT(heap_malloc(ch, 5000, NULL) == mems[LARGER]);
	options.limit = 0;
	EXPECT(heap_check(ch));
}

TEST(what_is_held_is_all_found_once_it_is_sorted)
{
	static char *mems[MANY];
	struct chunk_heap *ch = many_unsorted(mems);

	EXPECT(!heap_memalign_held(ch, 16, 5000));
	heap_sort(ch);
	EXPECT_EQ(count_unsorted(ch), 0);
	EXPECT(heap_memalign_held(ch, 16, 5000) == mems[LARGER]);
	EXPECT(heap_check(ch));
}
