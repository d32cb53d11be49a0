/* Chunks by themselves: sizes, headers and their checksum. */
#include "heap/chunk.h"
#include "heap/heap.h"
#include "test.h"

#include <stdalign.h>

static alignas(PAGE_SIZE) struct chunk chunks[64];

TEST(need_is_the_least_chunk_that_holds_the_request)
{
	EXPECT_EQ(chunk_need(0), 32);
	EXPECT_EQ(chunk_need(24), 32);
	EXPECT_EQ(chunk_need(25), 48);
	EXPECT_EQ(chunk_need(40), 48);
	EXPECT_EQ(chunk_need(41), 64);
	for (size_t req = 0; req < 4096; req++) {
		size_t csize = chunk_need(req);

		EXPECT(csize - 8 >= req && csize >= CHUNK_LEAST && csize % CHUNK_ALIGN == 0);
		EXPECT(csize == CHUNK_LEAST || csize - CHUNK_ALIGN - 8 < req);
	}
}

TEST(a_header_reads_as_it_was_set)
{
	uint64_t seed = test_seed();

	heap_start(test_random(&seed));
	for (int i = 0; i < 10000; i++) {
		struct chunk *c = &chunks[test_random(&seed) % 64];
		uint64_t word = test_random(&seed) & CHUNK_WORD;

		chunk_set(c, word);
		EXPECT(chunk_verify(c));
		EXPECT_EQ(chunk_word(c), word);
		EXPECT_EQ(chunk_size(c), word & ~(uint64_t)15);
	}
}

TEST(every_bit_of_a_header_that_flips_is_seen)
{
	uint64_t seed = test_seed();

	for (int i = 0; i < 1000; i++) {
		struct chunk *c = &chunks[test_random(&seed) % 64];

		heap_start(test_random(&seed));
		chunk_set(c, test_random(&seed) & CHUNK_WORD);
		for (int bit = 0; bit < 64; bit++) {
			c->header ^= (uint64_t)1 << bit;
			EXPECT(!chunk_verify(c));
			c->header ^= (uint64_t)1 << bit;
		}
		EXPECT(chunk_verify(c));
	}
}

TEST(every_byte_of_a_header_that_changes_is_seen)
{
	uint64_t seed = test_seed();

	for (int i = 0; i < 200; i++) {
		struct chunk *c = &chunks[test_random(&seed) % 64];

		heap_start(test_random(&seed));
		chunk_set(c, test_random(&seed) & CHUNK_WORD);
		for (int byte = 0; byte < 8; byte++)
			for (uint64_t flipped = 1; flipped < 256; flipped++) {
				c->header ^= flipped << 8 * byte;
				EXPECT(!chunk_verify(c));
				c->header ^= flipped << 8 * byte;
			}
	}
}

TEST(a_header_is_valid_at_one_address_and_under_one_secret)
{
	int elsewhere = 0, another = 0;

	heap_start(1);
	for (int i = 0; i < 63; i++) {
		chunk_set(&chunks[i], 48 | CHUNK_IN_USE);
		chunks[i + 1].header = chunks[i].header;
		elsewhere += chunk_verify(&chunks[i + 1]);
		heap_start(0x5851f42d4c957f2d + (uint64_t)i);
		another += chunk_verify(&chunks[i]);
		heap_start(1);
	}
	/* One in 65,536 matches by chance: two of 63 never do. */
	EXPECT(elsewhere < 2);
	EXPECT(another < 2);
}

static void read_broken_header(void *arg)
{
	struct chunk *c = arg;

	c->header ^= 16;
	chunk_word(c);
}

static void follow_prev(void *arg)
{
	chunk_prev(arg);
}

TEST(a_broken_chunk_ends_the_program)
{
	static struct chunk_heap owner = {.number = 7};
	static struct heap heap = {.tag.kind = KIND_HEAP, .owner = &owner};
	enum { SIZE = 80 };
	struct chunk *free = &chunks[0], *next = chunk_at(free, SIZE);

	REQUIRE(pagemap_reserve(chunks, sizeof chunks));
	pagemap_set(chunks, align_up(sizeof chunks, PAGE_SIZE), &heap.tag);
	chunk_set(free, SIZE | CHUNK_PREV_IN_USE);
	chunk_set(next, 48 | CHUNK_IN_USE);
	next->prev_size = SIZE;
	EXPECT(chunk_prev(next) == free);
	EXPECT_ABORT(read_broken_header, next, "corrupted size vs. prev_size");
	EXPECT_ABORT(read_broken_header, next, ": header of a chunk (arena 7, thread 0x");
	chunk_set(free, SIZE | CHUNK_PREV_IN_USE | CHUNK_IN_USE);
	EXPECT_ABORT(follow_prev, next, "corrupted size vs. prev_size");
	chunk_set(free, SIZE | CHUNK_PREV_IN_USE);
	next->prev_size = 48;
	EXPECT_ABORT(follow_prev, next, "corrupted size vs. prev_size");
	next->prev_size = SIZE_MAX;
	EXPECT_ABORT(follow_prev, next, "corrupted size vs. prev_size");
}
