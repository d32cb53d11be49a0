/* What programs do wrong by mistake, in C. */
#include "cases.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

/* --- double free ---------------------------------------------------------------------------- */

#define DOUBLE_FREE(name, size)                                                                    \
	CASE(double_free_##name)                                                                   \
	{                                                                                          \
		char *mem = take(size);                                                            \
		give(mem);                                                                         \
		give(mem);                                                                         \
	}

DOUBLE_FREE(small, SMALL)
DOUBLE_FREE(medium, MEDIUM)
DOUBLE_FREE(chunk, CHUNK)
DOUBLE_FREE(short_run, SHORT_RUN)
DOUBLE_FREE(run, RUN)
DOUBLE_FREE(huge, HUGE_SIZE)

CASE(double_free_hot)
{
	char *mem;

	warm_up(SMALL);
	mem = take(SMALL);
	give(mem);
	give(mem);
}

CASE(double_free_with_another_between)
{
	char *mem = take(SMALL), *other = take(SMALL);

	give(mem);
	give(other);
	give(mem);
}

CASE(double_free_hot_with_many_between)
{
	char *mem[500];

	warm_up(SMALL);
	for (int i = 0; i < 500; i++)
		mem[i] = take(SMALL);
	for (int i = 0; i < 500; i++)
		give(mem[i]);
	give(mem[100]);
}

CASE(double_free_merged_chunk)
{
	char *a = take(CHUNK), *b = take(CHUNK), *c = take(CHUNK);

	give(a);
	give(b);
	give(b);
	give(c);
}

static void *give_in_thread(void *mem)
{
	give(mem);
	return NULL;
}

static void in_thread(void *(*body)(void *), void *arg)
{
	pthread_t thread;

	pthread_create(&thread, NULL, body, arg);
	pthread_join(thread, NULL);
}

/* Of a size that libc does not ask for meanwhile. */
CASE(double_free_second_by_a_thread)
{
	char *mem;

	warm_up(200);
	mem = take(200);
	give(mem);
	in_thread(give_in_thread, mem);
}

CASE(double_free_first_by_a_thread)
{
	char *mem = take(MEDIUM);

	in_thread(give_in_thread, mem);
	give(mem);
}

static void *give_twice_in_thread(void *mem)
{
	give(mem);
	give(mem);
	return NULL;
}

CASE(double_free_both_by_a_thread)
{
	warm_up(200);
	in_thread(give_twice_in_thread, take(200));
}

CASE(double_free_after_realloc_moved)
{
	char *mem = take(SMALL), *moved = realloc(unknown(mem), RUN);

	give(mem);
	give(moved);
}

CASE(realloc_of_freed)
{
	char *mem = take(SMALL);

	give(mem);
	give(realloc(unknown(mem), 10 * SMALL));
}

CASE(usable_size_of_freed)
{
	char *mem = take(SMALL);

	give(mem);
	if (malloc_usable_size(unknown(mem)) > 1000)
		puts("");
}

/* --- pointers that are no object's ----------------------------------------------------------- */

static char in_data[4096] __attribute__((aligned(4096)));

CASE(free_of_stack)
{
	char mem[64] __attribute__((aligned(16))) = {0};

	give(mem + 16);
}

CASE(free_of_static_data)
{
	give(in_data + 1024);
}

CASE(free_of_static_page)
{
	give(in_data);
}

/* The page before it is not mapped. */
static char *map_page(void)
{
	char *pages = mmap(NULL, 131072, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(pages + 65536, 65536, PROT_READ | PROT_WRITE);
	return pages + 65536;
}

CASE(free_of_a_mapping)
{
	give(map_page());
}

CASE(realloc_of_a_mapping)
{
	give(realloc(unknown(map_page()), 100));
}

CASE(free_of_a_function)
{
	give((void *)(uintptr_t)take);
}

CASE(free_of_an_unmapped_address)
{
	give((void *)0x7777000010);
}

CASE(free_of_a_small_number)
{
	give((void *)16);
}

CASE(free_of_a_kernel_address)
{
	give((void *)0xffff888000000010u);
}

#define INTERIOR(name, size, offset)                                                               \
	CASE(free_inside_##name)                                                                   \
	{                                                                                          \
		give(take(size) + (offset));                                                       \
	}                                                                                          \
	CASE(realloc_inside_##name)                                                                \
	{                                                                                          \
		give(realloc(unknown(take(size) + (offset)), 2 * (size)));                         \
	}                                                                                          \
	CASE(usable_size_inside_##name)                                                            \
	{                                                                                          \
		if (malloc_usable_size(unknown(take(size) + (offset))) == 1)                       \
			puts("");                                                                  \
	}

INTERIOR(small, 200, 64)
INTERIOR(chunk, CHUNK, 4096)
INTERIOR(short_run, SHORT_RUN, 4096)
INTERIOR(run, RUN, 65536)
INTERIOR(huge, HUGE_SIZE, 1 << 20)

CASE(free_inside_hot)
{
	warm_up(200);
	give(take(200) + 32);
}

CASE(free_misaligned)
{
	give(take(SMALL) + 1);
}

CASE(free_misaligned_run)
{
	give(take(RUN) + 8);
}

CASE(free_behind_a_slab_object)
{
	warm_up(SMALL);
	give(take(SMALL) + 48 * 300);
}

CASE(realloc_of_stack)
{
	char mem[64] __attribute__((aligned(16))) = {0};

	give(realloc(unknown(mem + 16), 100));
}

/* --- writes where nothing is the program's ---------------------------------------------------- */

/* In the program's own code, where a fault is its own. */
static void scribble(char *mem, size_t nbytes)
{
	for (size_t i = 0; i < nbytes; i++)
		((volatile char *)mem)[i] = 'y';
}

#define OVERFLOW(name, size, nbytes)                                                               \
	CASE(overflow_##name)                                                                      \
	{                                                                                          \
		char *mem = take(size), *next = take(size);                                        \
		scribble(unknown(mem + malloc_usable_size(mem)), nbytes);                          \
		give(mem);                                                                         \
		give(next);                                                                        \
	}

OVERFLOW(small_by_1, SMALL, 1)
OVERFLOW(small_by_8, SMALL, 8)
OVERFLOW(small_by_64, SMALL, 64)
OVERFLOW(medium_by_16, MEDIUM, 16)
OVERFLOW(chunk_by_8, CHUNK, 8)
OVERFLOW(chunk_by_64, CHUNK, 64)
OVERFLOW(short_run_by_1, SHORT_RUN, 1)
OVERFLOW(short_run_by_8, SHORT_RUN, 8)
OVERFLOW(short_run_by_64, SHORT_RUN, 64)

/* Within what the allocator rounded up to. */
CASE(overflow_into_slack)
{
	char *mem = take(SMALL);

	scribble(unknown(mem + SMALL), 1);
	give(mem);
}

CASE(overflow_hot_by_8)
{
	char *mem, *next;

	warm_up(SMALL);
	mem = take(SMALL), next = take(SMALL);
	scribble(unknown(mem + malloc_usable_size(mem)), 8);
	give(mem);
	give(next);
}

CASE(overflow_run_by_a_page)
{
	char *mem = take(RUN), *next = take(RUN);

	scribble(unknown(mem + malloc_usable_size(mem)), 8192);
	give(mem);
	give(next);
}

#define UNDERFLOW(name, size, nbytes)                                                              \
	CASE(underflow_##name)                                                                     \
	{                                                                                          \
		char *mem = take(size);                                                            \
		scribble(unknown(mem - (nbytes)), nbytes);                                         \
		give(mem);                                                                         \
	}

UNDERFLOW(chunk_by_8, CHUNK, 8)
UNDERFLOW(short_run_by_8, SHORT_RUN, 8)

CASE(underflow_small_by_8)
{
	char *before = take(SMALL), *mem = take(SMALL);

	scribble(unknown(mem - 8), 8);
	give(mem);
	give(before);
}

#define WRITE_AFTER_FREE(name, size, offset)                                                       \
	CASE(write_after_free_##name)                                                              \
	{                                                                                          \
		char *mem = take(size), *next = take(size);                                        \
		give(mem);                                                                         \
		scribble(unknown(mem + (offset)), 16);                                             \
		for (int i = 0; i < 20000; i++)                                                    \
			give(take(size));                                                          \
		for (int i = 0; i < 100; i++)                                                      \
			take(size);                                                                \
		give(next);                                                                        \
	}

WRITE_AFTER_FREE(small_at_0, SMALL, 0)
WRITE_AFTER_FREE(medium_at_0, MEDIUM, 0)
WRITE_AFTER_FREE(medium_at_1000, MEDIUM, 1000)
WRITE_AFTER_FREE(chunk_at_0, CHUNK, 0)
WRITE_AFTER_FREE(short_run_at_0, SHORT_RUN, 0)

CASE(write_after_free_of_a_hot_link)
{
	char *mem[300];

	warm_up(SMALL);
	for (int i = 0; i < 300; i++)
		mem[i] = take(SMALL);
	for (int i = 0; i < 300; i++)
		give(mem[i]);
	for (int i = 0; i < 300; i++)
		scribble(unknown(mem[i]), 8);
	for (int i = 0; i < 600; i++)
		take(SMALL);
}

CASE(read_after_free_of_a_run)
{
	char *mem = take(RUN);

	give(mem);
	if (*(volatile char *)unknown(mem + 1000) == 'x')
		puts("");
}

/* --- sizes -------------------------------------------------------------------------------- */

void loam_free_sized(void *mem, size_t size) __attribute__((weak)); /* not in a run without loam */

CASE(free_sized_with_another_size)
{
	char *mem = take(SMALL);

	if (loam_free_sized)
		loam_free_sized(unknown(mem), 10 * SMALL);
	else
		give(mem);
}

CASE(aligned_alloc_of_no_power_of_two)
{
	if (aligned_alloc((size_t)unknown((void *)24), 48))
		puts("");
}
