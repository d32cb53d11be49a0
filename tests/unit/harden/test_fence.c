/* Objects under harden=3: what is written behind or after them is found out. */
#include "harden/fence.h"

#include "arena/ring.h"
#include "base/bits.h"
#include "cache/free.h"
#include "cache/resize.h"
#include "os_sim.h"
#include "pages/run.h"
#include "pages/zone_regions.h"
#include "test.h"

#include <loam/loam.h>
#include <signal.h>
#include <string.h>

/* Of every kind: objects, a chunk, a run, a huge object. */
static const size_t sizes[] = {0, 1, 15, 16, 17, 100, 1000, 4096, 32000, 100000, 200000, 5 << 20};

#define SIZES (sizeof sizes / sizeof *sizes)

__attribute__((constructor)) static void set_options(void)
{
	static const char *const environment[] = {"LOAM_OPTIONS=harden=3,quarantine=1M", NULL};

	os_sim_environment(environment);
}

static char *make(size_t size)
{
	char *mem = loam_malloc(size);

	REQUIRE(mem && fences);
	memset(mem, 'x', size);
	return mem;
}

TEST(the_usable_size_is_what_was_asked_for)
{
	for (size_t i = 0; i < SIZES; i++) {
		char *mem = make(sizes[i]);

		EXPECT_EQ(loam_malloc_usable_size(mem), sizes[i]);
		loam_free(mem);
	}
	EXPECT(loam_check());
}

/* A run has fences of its own only where chunks would have headers. */
TEST(chunks_serve_up_to_128_KiB)
{
	char *mem = make(100000);

	EXPECT_EQ(pagemap_get(mem)->kind, KIND_HEAP);
	loam_free(mem);
}

TEST(alignment_is_kept)
{
	for (size_t alignment = 1; alignment <= 64 * KIB; alignment *= 2) {
		char *mem = loam_memalign(alignment, 100);

		EXPECT(is_aligned((uintptr_t)mem, alignment));
		EXPECT_EQ(loam_malloc_usable_size(mem), 100);
		loam_free(mem);
	}
}

TEST(calloc_gives_zeros)
{
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < SIZES; i++) {
			char *mem = loam_calloc(1, sizes[i]);

			for (size_t k = 0; k < sizes[i]; k++)
				if (mem[k])
					REQUIRE(!"a byte is not zero");
			memset(mem, 'x', sizes[i]);
			loam_free(mem);
			fence_flush();
		}
}

TEST(realloc_keeps_contents_and_moves)
{
	for (size_t i = 1; i < SIZES; i++) {
		char *mem = make(sizes[i]), *moved = loam_realloc(mem, sizes[i] + 1);

		REQUIRE(moved && moved != mem);
		EXPECT_EQ(loam_malloc_usable_size(moved), sizes[i] + 1);
		EXPECT(moved[0] == 'x' && moved[sizes[i] - 1] == 'x');
		loam_free(moved);
	}
}

TEST(what_is_freed_reads_as_zero_and_is_not_given_again_at_once)
{
	char *mem = make(100), *next;

	loam_free(mem);
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(mem[i], 0);
	next = make(100);
	EXPECT(next != mem);
	loam_free(next);
}

static void free_it(void *mem)
{
	loam_free(mem);
}

static void free_twice(void *mem)
{
	loam_free(mem);
	loam_free(mem);
}

static void free_flush_and_free(void *mem)
{
	loam_free(mem);
	fence_flush();
	loam_free(mem);
}

TEST(a_second_free_is_seen)
{
	for (size_t i = 0; i < SIZES && sizes[i] < MIB; i++) {
		EXPECT_ABORT(free_twice, make(sizes[i]), "free(): double free detected");
		if (sizes[i] < 32 * KIB)
			EXPECT_ABORT(free_flush_and_free, make(sizes[i]),
				     "free(): double free detected");
	}
}

TEST(the_arena_is_named_by_its_number)
{
	EXPECT_ABORT(free_twice, make(100), "(arena 1, ");
}

TEST(a_byte_behind_the_object_is_seen)
{
	char part[80];

	for (size_t i = 0; i < SIZES; i++) {
		char *mem = make(sizes[i]);

		for (size_t k = 0; k < 8; k++) {
			mem[sizes[i] + k] ^= 0x40;
			snprintf(part, sizeof part, "overwritten at byte %zu", sizes[i] + k);
			EXPECT_ABORT(free_it, mem, "free(): heap buffer overflow");
			EXPECT_ABORT(free_it, mem, part);
			mem[sizes[i] + k] ^= 0x40;
		}
		loam_free(mem);
	}
}

/* Up to the end of the trailer, which then reads as that of an object that was never handed out. */
TEST(zeros_behind_the_object_are_an_overflow)
{
	static const size_t some[] = {16, 48, 1000, 32000, 100000};

	for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
		char *mem = make(some[i]);

		memset(mem, 0, cache_usable(mem, pagemap_get(mem), "test"));
		EXPECT_ABORT(free_it, mem, "free(): heap buffer overflow");
	}
}

static void free_write_and_flush(void *mem)
{
	size_t size = loam_malloc_usable_size(mem);

	loam_free(mem);
	((char *)mem)[size / 2] = 'y';
	fence_flush();
}

/* In the middle of those that were given back to the system nobody looks. */
TEST(a_write_after_free_is_seen)
{
	for (size_t i = 1; i < SIZES && sizes[i] < 60000; i++) {
		void *mem = make(sizes[i]);
		char part[64];

		snprintf(part, sizeof part, "overwritten at byte %zu ",
			 loam_malloc_usable_size(mem) / 2);
		EXPECT_ABORT(free_write_and_flush, mem, "write after free");
		EXPECT_ABORT(free_write_and_flush, mem, part);
	}
}

static void free_flush_and_write(void *mem)
{
	loam_free(mem);
	fence_flush();
	((char *)mem)[20] = 'y';
	for (int i = 0; i < 100000; i++)
		make(100);
}

TEST(a_write_to_what_a_slab_has_back_is_seen_when_it_is_given_again)
{
	EXPECT_ABORT(free_flush_and_write, make(100), "malloc(): write after free");
	EXPECT_ABORT(free_flush_and_write, make(100), "overwritten at byte 20 ");
}

static void free_as_of_99(void *mem)
{
	loam_free_sized(mem, 99);
}

TEST(a_wrong_size_is_seen)
{
	char *mem = make(100);

	EXPECT_ABORT(free_as_of_99, mem, "free_sized(): invalid size");
	loam_free_sized(mem, 100);
}

static void say_and_abort(int signal)
{
	(void)signal;
	fputs("it could not be read\n", stderr);
	abort();
}

/* The page behind it is unreadable. */
static void read_behind(void *mem)
{
	size_t size = loam_malloc_usable_size(mem);
	volatile char *end = (char *)align_up((uintptr_t)mem + size + 16, os_page_size());

	signal(SIGSEGV, say_and_abort);
	(void)*end;
}

TEST(pages_end_at_a_page_that_nobody_can_read)
{
	EXPECT_ABORT(read_behind, make(200000), "it could not be read");
	EXPECT_ABORT(read_behind, make(5 << 20), "it could not be read");
}

/* Chunks serve no more than a MiB. */
TEST(mmap_threshold_may_be_larger_than_any_chunk)
{
	size_t threshold = options.mmap_threshold;

	options.mmap_threshold = 4 * MIB;
	loam_free(make(MIB - 100));
	for (size_t size = MIB - 40; size < 4 * MIB; size += size / 16)
		loam_free(make(size));
	EXPECT_ABORT(read_behind, make(3 * MIB), "it could not be read");
	options.mmap_threshold = threshold;
	EXPECT(loam_check());
}

TEST(objects_come_in_no_order)
{
	char *last = make(700), *mem;
	size_t in_order = 0;

	for (int i = 0; i < 1000; i++, last = mem) {
		mem = make(700);
		in_order += mem > last && mem - last < 800;
	}
	EXPECT(in_order < 700);
	EXPECT(loam_check());
}

TEST(pages_come_in_no_order)
{
	loam_free(make(1));
	EXPECT(zone.scatter != 0);
}

static void write_before_and_free(void *mem)
{
	memset((char *)mem - 8, 0x41, 8);
	loam_free(mem);
}

/* It is the trailer of another. */
TEST(what_is_written_before_an_object_is_seen)
{
	char *mem[100], *behind = NULL;

	for (int i = 0; i < 100; i++)
		mem[i] = make(700);
	for (int i = 0; i < 100 * 100; i++)
		if (mem[i / 100] + ((const struct slab *)pagemap_get(mem[0]))->size == mem[i % 100])
			behind = mem[i % 100];
	REQUIRE(behind);
	EXPECT_ABORT(write_before_and_free, behind, "heap buffer overflow");
}

TEST(what_cannot_be_guarded_is_wiped)
{
	char *mem = make(200000);

	os_sim_fail_from(1);
	loam_free(mem);
	os_sim_fail_from(0);
	EXPECT_EQ(mem[0], 0);
}

TEST(what_was_written_after_free_is_wiped_again)
{
	char *mem = make(700);

	options.harden_action = 1;
	loam_free(mem);
	mem[20] = 'y';
	EXPECT_EQ(loam_malloc_usable_size(mem), 0);
	fence_flush();
	EXPECT_EQ(mem[20], 0);
	options.harden_action = 0;
}

TEST(where_memory_is_out_the_quarantine_is_emptied)
{
	void *freed[4];

	for (int i = 0; i < 4; i++)
		freed[i] = make(200000);
	for (int i = 0; i < 4; i++)
		loam_free(freed[i]);
	os_sim_map_limit(0);
	while (loam_malloc(200000))
		;
	os_sim_map_limit(SIZE_MAX);
	EXPECT_EQ(fence_flush(), 0);
}

/* Where nothing more is mapped, a small object may be tried as a run with fences of its own, in
   which no page is left for a guard. */
TEST(all_that_is_handed_out_near_a_limit_has_a_fence)
{
	struct run run = {.tag = {.kind = KIND_RUN}};
	size_t count = 0;
	char *mem;

	make(1);
	EXPECT(!fence_is_freed(&run, &run.tag, 4064));
	os_sim_fail_from(1);
	while ((mem = loam_malloc(4040)) && ++count < 100000) {
		EXPECT_EQ(loam_malloc_usable_size(mem), 4040);
		memset(mem, 'x', 4040);
	}
	EXPECT(!mem);
	os_sim_fail_from(0);
	EXPECT(loam_check());
}
