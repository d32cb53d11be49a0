/*
 * The system refuses: at every single call of a scripted life, and from every call on.  What
 * fails is NULL with ENOMEM and leaves what was there as it was; the heap still proves sound;
 * and when the system gives again, every size is had again.
 */
#include "os_sim.h"
#include "pages/pagemap.h"
#include "test.h"

#include <errno.h>
#include <loam/loam.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELD = 64 };

static struct {
	unsigned char *mem;
	size_t nbytes;
} held[HELD];

/* Sizes of every kind: bins, slabs (by repetition), large chunks, runs, huge objects. */
static const size_t sizes[] = {16, 100, 500, 1000, 5000, 30000, 100000, 200000, 1000000, 6000000};

#define SIZES (sizeof sizes / sizeof sizes[0])

/* The bytes that are looked at: all of the first 16, then some. */
static size_t next_looked_at(size_t i)
{
	return i + (i < 16 ? 1 : 997);
}

static void fill(int k)
{
	for (size_t i = 0; i < held[k].nbytes; i = next_looked_at(i))
		held[k].mem[i] = (unsigned char)(k + 1);
}

static bool is_whole(int k)
{
	for (size_t i = 0; i < held[k].nbytes; i = next_looked_at(i))
		if (held[k].mem[i] != (unsigned char)(k + 1))
			return false;
	return true;
}

static void keep(int k, void *mem, size_t nbytes)
{
	if (!mem) {
		EXPECT_EQ(errno, ENOMEM);
		return;
	}
	loam_free(held[k].mem);
	held[k].mem = mem;
	held[k].nbytes = nbytes;
	fill(k);
}

static void resize(int k, size_t nbytes)
{
	unsigned char *mem;

	if (!held[k].mem)
		return;
	mem = loam_realloc(held[k].mem, nbytes);
	if (mem) {
		held[k].mem = mem;
		held[k].nbytes = nbytes < held[k].nbytes ? nbytes : held[k].nbytes;
		EXPECT(is_whole(k));
		held[k].nbytes = nbytes;
		fill(k);
	} else {
		EXPECT_EQ(errno, ENOMEM);
		EXPECT(is_whole(k));
	}
}

static void allocate(int k, size_t nbytes, int how)
{
	void *mem = NULL;
	int error;

	errno = 0;
	switch (how % 4) {
	case 0:
		keep(k, loam_malloc(nbytes), nbytes);
		break;
	case 1:
		mem = loam_calloc(1, nbytes);
		if (mem)
			EXPECT(*(char *)mem == 0 && ((char *)mem)[nbytes - 1] == 0);
		keep(k, mem, nbytes);
		break;
	case 2:
		keep(k, loam_memalign(256, nbytes), nbytes);
		break;
	default:
		error = loam_posix_memalign(&mem, 8192, nbytes);
		EXPECT(error == 0 || error == ENOMEM);
		EXPECT_EQ(errno, error);
		keep(k, mem, nbytes);
	}
}

/* The same calls each time. */
static void live(void)
{
	for (int i = 0; i < 400; i++) {
		int k = i * 7 % HELD;

		allocate(k, sizes[(size_t)(i / 40) % SIZES] + (size_t)i % 16, i / 3);
		if (i % 5 == 0)
			resize(i * 11 % HELD, sizes[(size_t)i % SIZES]);
		if (i % 9 == 0 && held[k].mem) {
			EXPECT(is_whole(k));
			loam_free(held[k].mem);
			held[k].mem = NULL;
		}
	}
	for (int k = 0; k < HELD; k++)
		if (held[k].mem)
			EXPECT(is_whole(k));
}

static void expect_recovered(void)
{
	os_sim_fail_from(0);
	EXPECT(loam_check());
	for (size_t i = 0; i < SIZES; i++) {
		char *mem = loam_malloc(sizes[i]);

		if (!EXPECT(mem != NULL))
			continue;
		memset(mem, 1, sizes[i]);
		loam_free(mem);
	}
	for (int k = 0; k < HELD; k++)
		loam_free(held[k].mem);
	EXPECT(loam_check());
}

/* One life in a child; whether anything was refused in it, by its exit status. */
enum { UNREFUSED, REFUSED, BROKEN };

static int life(void (*fail)(size_t), size_t n)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		size_t calls;

		fail(n);
		live();
		calls = os_sim_calls();
		expect_recovered();
		_exit(test_failures() ? BROKEN : calls >= n ? REFUSED : UNREFUSED);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN;
}

static void expect_survived(void (*fail)(size_t))
{
	size_t n = 1;
	int how;

	for (; (how = life(fail, n)) == REFUSED; n++)
		;
	if (!EXPECT_EQ(how, UNREFUSED))
		printf("    with call %zu refused\n", n);
	EXPECT(n > 40);
	printf("    %zu calls refused\n", n - 1);
}

TEST(a_refusal_at_any_call_is_survived)
{
	expect_survived(os_sim_fail_once);
}

TEST(refusals_from_any_call_on_are_survived)
{
	expect_survived(os_sim_fail_from);
}

static void use_up(size_t nbytes)
{
	while (loam_malloc(nbytes))
		;
}

/* Though less would do: the call would have given memory back. */
TEST(what_becomes_smaller_stays_where_there_is_no_memory)
{
	char *huge = loam_malloc(64 * MIB), *small;

	for (int i = 0; i < 100; i++)
		REQUIRE(small = loam_malloc(1000)); /* the class becomes hot */
	REQUIRE(huge && pagemap_get(small)->kind == KIND_SLAB);
	huge[0] = small[0] = 7;
	os_sim_fail_from(1);
	use_up(MIB);
	use_up(100);
	errno = 5;
	EXPECT(loam_realloc(huge, MIB) == huge);
	EXPECT(loam_realloc(small, 100) == small);
	EXPECT_EQ(errno, 5);
	EXPECT(!loam_realloc(small, 2000));
	EXPECT_EQ(errno, ENOMEM);
	os_sim_fail_from(0);
	EXPECT(huge[0] == 7 && small[0] == 7);
	loam_free(huge);
	loam_free(small);
	EXPECT(loam_check());
}
