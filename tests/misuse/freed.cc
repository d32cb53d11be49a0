// A freed block that is used again, by each call that takes a block and wherever a freed block can
// wait: a case a place and a call, as "in_the_depot:realloc".
#include "cases.h"

#include <malloc.h>
#include <new>
#include <pthread.h>
#include <unistd.h>

// --- calls ---------------------------------------------------------------------------------------

struct Block {
	char *mem;
	size_t size;
};

extern "C" void loam_free_sized(void *mem, size_t size) __attribute__((weak)); // not without loam

static void call_free(Block b)
{
	give(b.mem);
}

static void resize(Block b, size_t size)
{
	if (unknown(realloc(unknown(b.mem), size)) == b.mem)
		claim(b.mem, 1, &b.mem, 1); // it was given a second time
}

static void call_realloc_to_less(Block b)
{
	resize(b, b.size / 3);
}

static void call_realloc_to_same(Block b)
{
	resize(b, b.size);
}

static void call_realloc_to_more(Block b)
{
	resize(b, 2 * b.size);
}

static void call_realloc_to_nothing(Block b)
{
	resize(b, 0);
}

static void call_reallocarray(Block b)
{
	if (unknown(reallocarray(unknown(b.mem), 1, b.size)) == b.mem)
		claim(b.mem, 1, &b.mem, 1);
}

static void call_malloc_usable_size(Block b)
{
	if (malloc_usable_size(unknown(b.mem)) == 1)
		puts("");
}

static void call_free_sized(Block b)
{
	if (loam_free_sized)
		loam_free_sized(unknown(b.mem), b.size);
	else
		give(b.mem);
}

static void call_delete(Block b)
{
	::operator delete(unknown(b.mem));
}

static void call_delete_sized(Block b)
{
	::operator delete(unknown(b.mem), b.size);
}

// --- threads -------------------------------------------------------------------------------------

enum { MANY = 600 };

static char *blocks[MANY];

static void in_thread(void *(*body)(void *), void *arg)
{
	pthread_t thread;

	pthread_create(&thread, NULL, body, arg);
	pthread_join(thread, NULL);
}

static void take_all(size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++)
		blocks[i] = take(size);
}

static void give_all(size_t n)
{
	for (size_t i = 0; i < n; i++)
		give(blocks[i]);
}

static void *give_in_thread(void *n)
{
	give_all((size_t)n);
	return NULL;
}

static pthread_barrier_t barrier;

static void *take_in_thread(void *size)
{
	warm_up((size_t)size);
	take_all(MANY, (size_t)size);
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();
}

// Blocks of a thread that lives on.
static void take_from_a_thread(size_t size)
{
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, take_in_thread, (void *)size);
	pthread_barrier_wait(&barrier);
}

// --- places --------------------------------------------------------------------------------------

static Block freed(char *mem, size_t size)
{
	give(mem);
	return {mem, size};
}

template <size_t size> static Block cold()
{
	char *mem = take(size);

	take(size); // or it might be joined with what is free behind it
	return freed(mem, size);
}

template <size_t size> static Block in_the_magazine()
{
	warm_up(size);
	return freed(take(size), size);
}

// Of so many freed ones the first leave the magazine; others of each slab are in use.
template <size_t size> static Block in_the_slab()
{
	warm_up(size);
	take_all(MANY, size);
	for (size_t i = 0; i < MANY; i++)
		if (i % 4)
			give(blocks[i]);
	return {blocks[1], size};
}

// Whole pages lie between the blocks of each slab that stay, one of so many.
template <size_t size, size_t of> static Block in_a_purged_page()
{
	warm_up(size);
	take_all(MANY, size);
	for (size_t i = 0; i < MANY; i++)
		if (i % of)
			give(blocks[i]);
	malloc_trim(0);
	return {blocks[of / 2], size};
}

// Of another thread's blocks.
static Block in_anothers_magazine()
{
	take_from_a_thread(200);
	return freed(blocks[0], 200);
}

static Block in_the_depot()
{
	take_from_a_thread(200);
	give_all(MANY);
	return {blocks[1], 200};
}

template <size_t size, size_t n> static Block freed_by_a_thread()
{
	warm_up(size);
	take_all(MANY, size);
	in_thread(give_in_thread, (void *)n);
	return {blocks[1], size};
}

static Block anothers_small()
{
	take_from_a_thread(40);
	return freed(blocks[1], 40);
}

static Block anothers_small_of_many()
{
	take_from_a_thread(40);
	give_all(70);
	return {blocks[1], 40};
}

template <size_t size> static Block cold_freed_by_a_thread()
{
	take_all(2, size);
	in_thread(give_in_thread, (void *)1);
	return {blocks[0], size};
}

static Block a_merged_chunk()
{
	take_all(4, CHUNK);
	give(blocks[0]);
	give(blocks[1]);
	give(blocks[2]);
	return {blocks[1], CHUNK};
}

// What was behind it became part of it.
static Block a_chunk_merged_with_the_next()
{
	take_all(3, CHUNK);
	give(blocks[1]);
	return freed(blocks[0], CHUNK);
}

static Block in_top()
{
	return freed(take(CHUNK), CHUNK);
}

template <size_t size> static Block large()
{
	return freed(take(size), size);
}

// A mapping is kept where much else is in use.
static Block a_kept_mapping()
{
	take_all(18, HUGE_SIZE);
	return freed(blocks[17], HUGE_SIZE);
}

static Block a_mapping_given_back()
{
	constexpr size_t size = 64 << 20;
	char *mem = take(size);

	give(mem);
	malloc_trim(0);
	return {mem, size};
}

static Block a_run_given_back()
{
	take_all(20, RUN);
	give_all(19);
	malloc_trim(0);
	return {blocks[10], RUN};
}

static Block a_slab_given_back()
{
	warm_up(3000);
	take_all(MANY, 3000);
	give_all(MANY);
	malloc_trim(0);
	return {blocks[MANY / 2], 3000};
}

template <size_t alignment, size_t size> static Block aligned()
{
	char *mem;

	if (size == CHUNK)
		want_chunks();
	for (int i = 0; i < 300; i++) {
		mem = static_cast<char *>(unknown(memalign(alignment, size)));
		give(mem);
	}
	mem = static_cast<char *>(unknown(memalign(alignment, size)));
	take(size);
	return freed(mem, size);
}

// --- each with each ---------------------------------------------------------------------------

template <Block (*place)(), void (*call)(Block)> static void use_again()
{
	call(place());
}

#define WITH(name, place, call)                                                                    \
	__attribute__((constructor)) static void name##_##call()                                   \
	{                                                                                          \
		case_register(#name ":" #call, use_again<place, call_##call>);                     \
	}
#define PLACE(name, ...)                                                                           \
	static Block place_##name()                                                                \
	{                                                                                          \
		return __VA_ARGS__();                                                              \
	}                                                                                          \
	WITH(name, place_##name, free)                                                             \
	WITH(name, place_##name, realloc_to_less)                                                  \
	WITH(name, place_##name, realloc_to_same)                                                  \
	WITH(name, place_##name, realloc_to_more)                                                  \
	WITH(name, place_##name, realloc_to_nothing)                                               \
	WITH(name, place_##name, reallocarray)                                                     \
	WITH(name, place_##name, malloc_usable_size)                                               \
	WITH(name, place_##name, free_sized)                                                       \
	WITH(name, place_##name, delete)                                                           \
	WITH(name, place_##name, delete_sized)

PLACE(freed_cold_small, cold<SMALL>)
PLACE(freed_cold_medium, cold<MEDIUM>)
PLACE(freed_cold_of_32K, cold<32768>)
PLACE(freed_magazine_of_16, in_the_magazine<16>)
PLACE(freed_magazine_of_40, in_the_magazine<40>)
PLACE(freed_magazine_of_1000, in_the_magazine<1000>)
PLACE(freed_magazine_of_3000, in_the_magazine<3000>)
PLACE(freed_magazine_of_32K, in_the_magazine<32768>)
PLACE(freed_slab_of_40, in_the_slab<40>)
PLACE(freed_slab_of_3000, in_the_slab<3000>)
PLACE(freed_slab_of_32K, in_the_slab<32768>)
PLACE(freed_purged_of_200, in_a_purged_page<200, 100>)
PLACE(freed_purged_of_3000, in_a_purged_page<3000, 8>)
PLACE(freed_purged_of_32K, in_a_purged_page<32768, 4>)
PLACE(freed_slab_given_back, a_slab_given_back)
PLACE(freed_anothers_in_magazine, in_anothers_magazine)
PLACE(freed_anothers_in_depot, in_the_depot)
PLACE(freed_anothers_small, anothers_small)
PLACE(freed_anothers_small_of_many, anothers_small_of_many)
PLACE(freed_by_a_thread_small, freed_by_a_thread<40, 5>)
PLACE(freed_by_a_thread_small_of_many, freed_by_a_thread<40, 100>)
PLACE(freed_by_a_thread_in_magazine, freed_by_a_thread<200, 5>)
PLACE(freed_by_a_thread_cold, cold_freed_by_a_thread<SMALL>)
PLACE(freed_by_a_thread_chunk, cold_freed_by_a_thread<CHUNK>)
PLACE(freed_by_a_thread_short_run, cold_freed_by_a_thread<SHORT_RUN>)
PLACE(freed_by_a_thread_run, cold_freed_by_a_thread<RUN>)
PLACE(freed_by_a_thread_huge, cold_freed_by_a_thread<HUGE_SIZE>)
PLACE(freed_chunk, cold<CHUNK>)
PLACE(freed_chunk_merged, a_merged_chunk)
PLACE(freed_chunk_merged_with_the_next, a_chunk_merged_with_the_next)
PLACE(freed_chunk_in_top, in_top)
PLACE(freed_short_run, large<SHORT_RUN>)
PLACE(freed_run, large<RUN>)
PLACE(freed_run_given_back, a_run_given_back)
PLACE(freed_huge_kept, a_kept_mapping)
PLACE(freed_huge_unmapped, a_mapping_given_back)
PLACE(freed_aligned_64, aligned<64, 100>)
PLACE(freed_aligned_4K, aligned<4096, 100>)
PLACE(freed_aligned_chunk, aligned<1024, CHUNK>)
PLACE(freed_aligned_short_run, aligned<1024, SHORT_RUN>)
PLACE(freed_aligned_run, aligned<2 << 20, RUN>)
