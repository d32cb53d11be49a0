/*
 * Memory used before main: in IFUNC resolvers of a library and of the program, which run before
 * the allocator or the program is relocated, in preinit_array, in constructors and their threads.
 * The build runs this with lazy binding and with LD_BIND_NOW.
 */
#include "test.h"

#include "early.h"

#include <pthread.h>

extern int (*const dso_twice_address)(int);
extern struct early dso_constructor_blocks, dso_thread_blocks;
struct early *dso_resolver_blocks(void);
int dso_twice(int x);

static struct early own_resolver_blocks, preinit_blocks, constructor_blocks, thread_blocks;

static int thrice(int x)
{
	return 3 * x;
}

__attribute__((used)) static int (*resolve_thrice(void))(int)
{
	early_allocate(&own_resolver_blocks);
	return thrice;
}

int own_thrice(int x) __attribute__((ifunc("resolve_thrice")));

static void allocate_in_preinit(void)
{
	early_allocate(&preinit_blocks);
	allocate_every_size();
}

__attribute__((section(".preinit_array"),
	       used)) static void (*const preinit)(void) = allocate_in_preinit;

static void *allocate(void *blocks)
{
	early_allocate(blocks);
	allocate_every_size();
	return NULL;
}

__attribute__((constructor(101))) static void construct(void)
{
	pthread_t thread;

	early_allocate(&constructor_blocks);
	MUST(pthread_create(&thread, NULL, allocate, &thread_blocks) == 0);
	MUST(pthread_join(thread, NULL) == 0);
}

TEST(resolver_of_a_library)
{
	EXPECT_EQ(dso_twice_address(4), 8);
	EXPECT_EQ(dso_twice(5), 10);
	early_free(dso_resolver_blocks());
}

TEST(resolver_of_the_program)
{
	EXPECT_EQ(own_thrice(4), 12);
	early_free(&own_resolver_blocks);
}

TEST(preinit_array)
{
	early_free(&preinit_blocks);
}

TEST(constructors_and_their_threads)
{
	early_free(&constructor_blocks);
	early_free(&thread_blocks);
	early_free(&dso_constructor_blocks);
	early_free(&dso_thread_blocks);
	allocate_every_size();
}
