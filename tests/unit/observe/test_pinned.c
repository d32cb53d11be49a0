/* What sampled objects pin, where each object is sampled: against the free bytes of their pages. */
#include "observe/pinned.h"

#include "observe/poisson.h"
#include "observe/profile.h"
#include "os_sim.h"
#include "test.h"
#include "unwind/backtrace.h"

#include <loam/loam.h>
#include <string.h>

enum { OBJECTS = 4096, SIZE = 96, CHUNK = 40000 };

static void *stack[] = {(void *)0x1000, (void *)0x2000};
static char *mem[OBJECTS];

static void start_with(const char *settings)
{
	static const char *environment[] = {NULL, NULL};

	environment[0] = settings;
	os_sim_environment(environment);
	loam_free(loam_malloc(1));
	backtrace_start();
}

/* The site whose frames those are from now on. */
static void call_from(uintptr_t frame)
{
	stack[0] = (void *)frame;
	os_sim_backtrace(stack, 2);
}

static const struct site *site(uintptr_t frame)
{
	const struct site *s = samples.sites;

	while (s && (s->trail.depth != 2 || s->trail.frames[0] != (void *)frame))
		s = s->next_all;
	REQUIRE(s);
	return s;
}

static void allocate(size_t nbytes, int count)
{
	for (int i = 0; i < count; i++) {
		mem[i] = loam_malloc(nbytes);
		REQUIRE(mem[i]);
		memset(mem[i], 'x', nbytes);
	}
}

static void keep_one_of(int of, int count)
{
	for (int i = 0; i < count; i++)
		if (i % of)
			loam_free(mem[i]);
}

static void look(uintptr_t frame, uint64_t *ret_objects, uint64_t *ret_bytes)
{
	struct pinned p;

	REQUIRE(pinned_look(&p));
	pinned_of(&p, site(frame), ret_objects, ret_bytes);
	pinned_end(&p);
	*ret_objects /= POISSON_ONE;
}

/* Which pages are in RAM is read of the kernel, by its own size of pages. */
static void skip_unless_pages_are_the_kernels(void)
{
	if (os_page_size() != PAGE_SIZE)
		test_skip("the figures are those of pages of 4 KiB");
}

static bool is_about(uint64_t value, uint64_t expected)
{
	return value >= expected - expected / 8 && value <= expected + expected / 8;
}

TEST(nothing_without_a_profile)
{
	struct pinned p;

	EXPECT(!pinned_look(&p) && !p.rows);
	start_with("LOAM_OPTIONS=prof=1");
	EXPECT(pinned_look(&p));
	pinned_end(&p);
}

/* Of 96 bytes 42 or 43 begin on a page; one of 40 stays, so each has about a page for itself. */
TEST(survivors_pin_their_pages_in_slabs)
{
	uint64_t objects, nbytes, before;

	skip_unless_pages_are_the_kernels();
	call_from(0x1000);
	allocate(SIZE, OBJECTS);
	look(0x1000, &objects, &before);
	EXPECT(before < OBJECTS * SIZE / 20);
	EXPECT(objects < OBJECTS / 4);
	keep_one_of(40, OBJECTS);
	look(0x1000, &objects, &nbytes);
	EXPECT(is_about(objects, OBJECTS / 40));
	EXPECT(is_about(nbytes, (uint64_t)(OBJECTS / 40) * 39 * SIZE));
	for (int i = 0; i < OBJECTS; i += 40)
		loam_free(mem[i]);
	look(0x1000, &objects, &nbytes);
	EXPECT_EQ(nbytes, 0);
}

/* Each begins and ends on a page that it has alone, where its neighbours are gone. */
TEST(survivors_pin_the_ends_of_their_chunks)
{
	enum { COUNT = 64 };
	size_t threshold = options.mmap_threshold;
	uint64_t objects, nbytes, expected = 0;
	uintptr_t start, end;

	skip_unless_pages_are_the_kernels();
	call_from(0x3000);
	options.mmap_threshold = 2 * CHUNK;
	allocate(CHUNK, COUNT);
	options.mmap_threshold = threshold;
	keep_one_of(4, COUNT);
	look(0x3000, &objects, &nbytes);
	EXPECT_EQ(objects, COUNT / 4);
	for (int i = 0; i < COUNT; i += 4) {
		start = (uintptr_t)mem[i] - 8;
		end = (uintptr_t)mem[i] + loam_malloc_usable_size(mem[i]);
		expected += start % PAGE_SIZE + PAGE_SIZE - end % PAGE_SIZE;
	}
	EXPECT(is_about(nbytes, expected));
	for (int i = 0; i < COUNT; i += 4)
		loam_free(mem[i]);
}

/* Of each a part is on a page, and the rest on the next. */
TEST(nothing_pins_a_page_that_others_fill)
{
	enum { COUNT = 256, BYTES = 3072 };
	uint64_t objects, nbytes;

	skip_unless_pages_are_the_kernels();
	call_from(0x5000);
	allocate(BYTES, COUNT);
	look(0x5000, &objects, &nbytes);
	EXPECT(nbytes < COUNT * BYTES / 20);
	for (int i = 0; i < COUNT; i++)
		loam_free(mem[i]);
}

/* Runs and huge objects share no page. */
TEST(what_has_pages_of_its_own_pins_nothing)
{
	uint64_t objects, nbytes;

	call_from(0x4000);
	allocate(300000, 8);
	allocate(8 << 20, 2);
	look(0x4000, &objects, &nbytes);
	EXPECT_EQ(objects, 0);
	EXPECT_EQ(nbytes, 0);
}

TEST(without_memory_nothing_is_known)
{
	struct pinned p;

	os_sim_fail_from(1);
	EXPECT(!pinned_look(&p) && !p.rows);
	os_sim_fail_from(0);
	EXPECT(loam_check());
}
