/*
 * The names that nobody can link with under glibc 2.36: free_sized and free_aligned_sized and
 * memalignment of C23, cfree, and the states that malloc_get_state gave.
 */
#include "names.h"

/* Were they not freed, the rounds would hold several hundred MiB. */
TEST(free_sized_frees)
{
	size_t before = resident();

	free_sized(NULL, 0);
	free_sized(NULL, 100);
	for (int round = 0; round < 300; round++)
		for (size_t i = 0; i < SIZES && (sizes[i] < 1 << 20 || round < 3); i++) {
			size_t n = sizes[i];
			char *p = i % 3 == 0   ? malloc(n)
				  : i % 3 == 1 ? calloc(n, 1)
					       : realloc(malloc(n / 2 + 1), n);

			REQUIRE(p != NULL);
			memset(p, 1, n);
			errno = ERRNO_CANARY;
			free_sized(p, n);
			EXPECT_EQ(errno, ERRNO_CANARY);
		}
	malloc_trim(0);
	EXPECT(resident() < before + ((size_t)64 << 20));
}

TEST(free_aligned_sized_frees)
{
	const size_t most = (size_t)8 << 20;
	size_t before = resident();

	free_aligned_sized(NULL, 64, 100);
	for (int round = 0; round < 10; round++)
		for (size_t align = 16; align <= most; align *= 2)
			for (size_t n = align; n <= 16 * align && n <= most; n *= 4) {
				char *p = aligned_alloc(align, n);

				REQUIRE(p != NULL);
				memset(p, 1, n);
				errno = ERRNO_CANARY;
				free_aligned_sized(p, align, n);
				EXPECT_EQ(errno, ERRNO_CANARY);
			}
	malloc_trim(0);
	EXPECT(resident() < before + ((size_t)64 << 20));
}

TEST(memalignment_is_the_lowest_bit)
{
	EXPECT_EQ(memalignment(NULL), 0);
	EXPECT_EQ(memalignment((void *)1), 1);
	EXPECT_EQ(memalignment((void *)24), 8);
	EXPECT_EQ(memalignment((void *)(UINTPTR_MAX - 4095)), 4096);
	EXPECT_EQ(memalignment((void *)((uintptr_t)1 << 63)), (uintptr_t)1 << 63);
	for (size_t align = 16; align <= (size_t)1 << 20; align *= 2) {
		void *p = memalign(align, 10);

		EXPECT(memalignment(p) >= align);
		EXPECT_EQ((uintptr_t)p % memalignment(p), 0);
		free(p);
	}
}

TEST(cfree_frees)
{
	size_t before = resident();

	cfree(NULL);
	for (int i = 0; i < 1000; i++) {
		char *p = calloc(1, 1 << 20);

		REQUIRE(p != NULL);
		memset(p, 1, 1 << 20);
		errno = ERRNO_CANARY;
		cfree(p);
		EXPECT_EQ(errno, ERRNO_CANARY);
	}
	EXPECT(resident() < before + ((size_t)100 << 20));
}

TEST(there_is_no_state_to_save)
{
	char state[4096] = {0};

	errno = 0;
	EXPECT_EQ(malloc_get_state(), NULL);
	EXPECT_EQ(errno, ENOSYS);
	EXPECT_EQ(malloc_set_state(state), -1);
}
