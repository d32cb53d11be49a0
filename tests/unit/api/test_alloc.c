/* The entry points: what the suites under tests/api prove of the whole, on a system that refuses.
 */
#include "api/alloc.h"

#include "arena/early.h"
#include "base/options.h"
#include "os_sim.h"
#include "pages/run.h"
#include "test.h"

#include <errno.h>
#include <loam/loam.h>
#include <string.h>

/* Sizes and alignments that a compiler would warn of. */
static volatile size_t hidden;

static size_t unseen(size_t n)
{
	hidden = n;
	return hidden;
}

TEST(the_first_call_starts_loam)
{
	EXPECT_EQ(fast_limit, 0);
	loam_free(loam_malloc(10));
	EXPECT_EQ(fast_limit, FAST_GRANULES);
}

TEST(impossible_sizes_are_enomem)
{
	void *mem = loam_malloc(100);

	errno = 0;
	EXPECT(!loam_malloc(unseen(SIZE_MAX)));
	EXPECT_EQ(errno, ENOMEM);
	errno = 0;
	EXPECT(!loam_calloc(unseen(SIZE_MAX / 2), 3));
	EXPECT_EQ(errno, ENOMEM);
	errno = 0;
	EXPECT(!loam_reallocarray(mem, unseen(SIZE_MAX / 2), 3));
	EXPECT_EQ(errno, ENOMEM);
	errno = 0;
	EXPECT(!loam_realloc(mem, unseen((size_t)PTRDIFF_MAX + 1)));
	EXPECT_EQ(errno, ENOMEM);
	loam_free(mem);
}

TEST(calloc_is_zero_on_used_memory_of_every_kind)
{
	for (size_t nbytes = 1; nbytes < 20 * MIB; nbytes = nbytes * 3 + 1)
		for (int i = 0; i < 40; i++) {
			unsigned char *mem = loam_calloc(1, nbytes);

			REQUIRE(mem);
			for (size_t b = 0; b < nbytes; b += b < 4096 ? 1 : 509)
				REQUIRE(mem[b] == 0);
			memset(mem, 0xff, nbytes < 2 * MIB ? nbytes : 2 * MIB);
			loam_free(mem);
		}
}

TEST(realloc_keeps_contents_through_all_kinds)
{
	unsigned char *mem = loam_malloc(1);
	size_t had = 1;

	*mem = 0x77;
	for (size_t nbytes = 2; nbytes < 40 * MIB; nbytes = nbytes * 2 + 7) {
		mem = loam_realloc(mem, nbytes);
		REQUIRE(mem && mem[0] == 0x77 && mem[had - 1] == 0x77);
		mem[nbytes - 1] = 0x77;
		had = nbytes;
	}
	for (size_t nbytes = had; nbytes > 1; nbytes /= 3) {
		mem = loam_realloc(mem, nbytes);
		REQUIRE(mem && mem[0] == 0x77);
	}
	EXPECT(!loam_realloc(mem, 0));
	EXPECT(loam_check());
}

TEST(a_run_that_cannot_grow_moves_and_a_huge_one_becomes_small)
{
	char *a = loam_malloc(MIB), *b = loam_malloc(MIB), *c = loam_malloc(MIB);

	memset(a, 1, MIB);
	a = loam_realloc(a, 3 * MIB);
	EXPECT_EQ(a[MIB - 1], 1);
	a = loam_realloc(a, 9 * MIB);
	EXPECT_EQ(a[MIB - 1], 1);
	a = loam_realloc(a, 1000);
	EXPECT_EQ(a[999], 1);
	EXPECT(loam_malloc_usable_size(a) < 4 * KIB);
	loam_free(a);
	loam_free(b);
	loam_free(c);
	EXPECT(loam_check());
}

/* Where it is while its last page is written each time. */
static unsigned moves(size_t first, size_t step, size_t last)
{
	char *mem = loam_malloc(first), *moved;
	unsigned moves = 0;

	memset(mem, 0x41, first);
	for (size_t nbytes = first + step; nbytes <= last; nbytes += step) {
		moved = loam_realloc(mem, nbytes);
		moves += moved != mem;
		mem = moved;
		memset(mem + nbytes - step, 0x41, step);
	}
	EXPECT_EQ(mem[first - 1], 0x41);
	EXPECT_EQ(mem[last / 2], 0x41);
	EXPECT_EQ(mem[last - 1], 0x41);
	EXPECT(loam_check());
	loam_free(mem);
	return moves;
}

TEST(what_grows_in_steps_seldom_moves)
{
	EXPECT(moves(64 * KIB, 64 * KIB, MIB) <= 4);
	EXPECT(moves(64 * KIB, 64 * KIB, MIB) <= 2);
	EXPECT(moves(64 * KIB, 64 * KIB, 32 * MIB) <= 12);
	EXPECT(moves(5 * MIB, 64 * KIB, 64 * MIB) <= 8);
	EXPECT(loam_check());
}

static unsigned kind(const void *mem)
{
	return pagemap_get(mem)->kind;
}

TEST(below_a_threshold_that_was_raised_no_kept_run_serves)
{
	size_t threshold = options.mmap_threshold;
	void *run = loam_malloc(100000), *mem;

	REQUIRE(kind(run) == KIND_RUN);
	loam_free(run);
	options.mmap_threshold = 200000;
	mem = loam_malloc(100000);
	EXPECT_EQ(kind(mem), KIND_HEAP);
	options.mmap_threshold = threshold;
	EXPECT(loam_malloc(100000) == run);
	loam_free(run);
	loam_free(mem);
}

static void free_it(void *mem)
{
	loam_free(mem);
}

TEST(the_fast_path_looks_at_the_fences_of_a_run)
{
	void *mem = loam_malloc(100000);
	struct run *run = (struct run *)pagemap_get(mem);

	loam_free(mem);
	REQUIRE(mem == loam_malloc(100000)); /* it is kept again without the slow path */
	*run_behind(run) ^= 1;
	EXPECT_ABORT(free_it, mem, "corrupted size vs. prev_size: ");
	*run_behind(run) ^= 1;
	*run_before(run) ^= (uint64_t)1 << 56;
	EXPECT_ABORT(free_it, mem, "corrupted size vs. prev_size: ");
	*run_before(run) ^= (uint64_t)1 << 56;
	loam_free(mem);
}

/* Else a program of large blocks alone would never come to its upkeep. */
TEST(a_run_that_is_kept_by_the_fast_path_counts_for_upkeep)
{
	void *run = loam_malloc(100000);

	loam_free(run);
	REQUIRE(run == loam_malloc(100000) && kind(run) == KIND_RUN);
	mine.cache->ticks = 7;
	loam_free(run);
	EXPECT_EQ(mine.cache->ticks, 8);
	EXPECT(loam_malloc(100000) == run);
	EXPECT_EQ(mine.cache->ticks, 8);
	loam_free(run);
}

TEST(bad_alignments_are_einval_or_raised)
{
	char untouched, *const before = &untouched;
	void *mem = before;

	errno = 0;
	EXPECT(!loam_aligned_alloc(unseen(48), 100));
	EXPECT_EQ(errno, EINVAL);
	errno = 0;
	EXPECT(!loam_memalign(unseen(SIZE_MAX / 2 + 2), 100));
	EXPECT_EQ(errno, EINVAL);
	errno = 0;
	EXPECT_EQ(loam_posix_memalign(&mem, 48, 100), EINVAL);
	EXPECT_EQ(loam_posix_memalign(&mem, 4, 100), EINVAL);
	EXPECT_EQ(loam_posix_memalign(&mem, 0, 100), EINVAL);
	EXPECT_EQ(errno, 0);
	EXPECT_EQ(loam_posix_memalign(&mem, 64, SIZE_MAX / 2 + 2), ENOMEM);
	EXPECT_EQ(errno, ENOMEM);
	EXPECT(mem == before);
	mem = loam_memalign(unseen(48), 100);
	EXPECT_EQ((uintptr_t)mem % 64, 0);
	loam_free(mem);
	mem = loam_memalign(unseen(0), 100);
	EXPECT(mem != NULL);
	loam_free_aligned_sized(mem, 1, 100);
}

TEST(impossible_sizes_are_enomem_at_any_alignment)
{
	errno = 0;
	EXPECT(!loam_memalign(64, unseen(SIZE_MAX - 10)));
	EXPECT_EQ(errno, ENOMEM);
	errno = 0;
	EXPECT(!loam_aligned_alloc(unseen(SIZE_MAX / 2 + 1), 1));
	EXPECT_EQ(errno, ENOMEM);
	errno = 0;
	EXPECT(!loam_pvalloc(unseen(SIZE_MAX)));
	EXPECT_EQ(errno, ENOMEM);
	errno = 0;
	EXPECT(!loam_valloc(unseen(SIZE_MAX - 5000)));
	EXPECT_EQ(errno, ENOMEM);
	errno = 0;
	EXPECT(!loam_calloc(1, unseen(SIZE_MAX - 5000)));
	EXPECT_EQ(errno, ENOMEM);
}

TEST(pages_are_given_whole)
{
	char *page = loam_valloc(10), *pages = loam_pvalloc(4097);

	EXPECT_EQ((uintptr_t)page % 4096, 0);
	EXPECT_EQ((uintptr_t)pages % 4096, 0);
	EXPECT(loam_malloc_usable_size(pages) >= 8192);
	EXPECT_EQ(loam_memalignment(NULL), 0);
	EXPECT_EQ(loam_memalignment((void *)0x5000), 0x1000);
	EXPECT_EQ(loam_memalignment((void *)1), 1);
	loam_cfree(page);
	loam_free_sized(pages, 4097);
	EXPECT(loam_check());
}

TEST(errno_is_kept_by_what_succeeds)
{
	void *mem;

	errno = 77;
	mem = loam_realloc(NULL, 10);
	mem = loam_reallocarray(mem, 100, 100);
	EXPECT(mem != NULL);
	EXPECT(!loam_realloc(mem, 0));
	loam_free(loam_calloc(3, 5000));
	loam_free(loam_malloc(9000000));
	loam_free(NULL);
	EXPECT_EQ(errno, 77);
}

TEST(an_empty_object_is_one_of_its_own)
{
	void *a = loam_malloc(0), *b = loam_malloc(0), *c = loam_calloc(0, 5);

	EXPECT(a && b && c && a != b && b != c && a != c);
	loam_free(a);
	loam_free(b);
	loam_free(c);
}

TEST(states_of_old_are_not_kept)
{
	errno = 0;
	EXPECT(!loam_malloc_get_state());
	EXPECT_EQ(errno, ENOSYS);
	EXPECT_EQ(loam_malloc_set_state(NULL), -1);
}

/* What a resolver was given before relocation may be resized and freed later. */
TEST(an_early_object_is_resized_by_a_copy)
{
	char *mem = early_alloc(16, 100);

	REQUIRE(mem);
	memset(mem, 6, 100);
	EXPECT_EQ(loam_malloc_usable_size(mem), 100);
	mem = loam_realloc(mem, 500);
	REQUIRE(mem);
	EXPECT_EQ(mem[0] + mem[99], 12);
	loam_free(mem);
	loam_free(early_alloc(16, 100));
	EXPECT(loam_check());
}

static bool is_zero(const char *mem, size_t nbytes)
{
	return mem[0] == 0 && memcmp(mem, mem + 1, nbytes - 1) == 0;
}

/* Of slabs in memory that is new, that was used by others, and of objects used before. */
TEST(calloc_of_slab_objects_is_zero_whatever_was_there)
{
	enum { OBJECTS = 300 };
	static char *mem[OBJECTS];

	for (int round = 0; round < 6; round++) {
		size_t nbytes = round % 2 ? 5000 : 7000;

		for (int i = 0; i < OBJECTS; i++) {
			mem[i] = loam_calloc(1, nbytes);
			REQUIRE(mem[i] && is_zero(mem[i], nbytes));
			memset(mem[i], 0xff, nbytes);
		}
		for (int i = 0; i < OBJECTS; i++)
			loam_free(mem[i]);
		if (round >= 3)
			loam_malloc_trim(0);
	}
	EXPECT(loam_check());
}

/* Such a mark comes from memory that was a free object, then a chunk that was never written. */
TEST(what_realloc_copies_is_not_taken_for_the_mark_of_a_free_object)
{
	struct object *first, *moved;
	uint64_t *copy;

	for (int i = 0; i < 1000; i++) {
		loam_free(loam_malloc(2000));
		loam_free(loam_malloc(100));
	}
	first = loam_malloc(2000);
	copy = loam_malloc(100);
	copy[0] = 1;
	copy[1] = slab_mark(first);
	copy[2] = 3;
	loam_free(first);
	moved = loam_realloc(copy, 2000);
	REQUIRE(moved == first);
	EXPECT_EQ(((uint64_t *)moved)[0], 1);
	EXPECT_EQ(((uint64_t *)moved)[2], 3);
	moved = loam_realloc(moved, 1900);
	loam_free(moved); /* reports no double free */
}
