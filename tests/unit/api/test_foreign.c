/* Pointers that are not loam's: handed to the next allocator, or the end of the program. */
#include "api/foreign.h"

#include "base/bits.h"
#include "base/options.h"
#include "os_sim.h"
#include "pages/pagemap.h"
#include "test.h"

#include <loam/loam.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* Memory that loam never gave, and what the next allocator was last asked. */
static char foreign[256] ALIGNED(16);
static void *asked;
static size_t asked_req;

static void next_free(void *mem)
{
	asked = mem;
}

static void *next_realloc(void *mem, size_t req)
{
	asked = mem;
	asked_req = req;
	return foreign + 128;
}

static size_t next_usable_size(void *mem)
{
	asked = mem;
	return 77;
}

static void have_next(void)
{
	foreign_next.free = next_free;
	foreign_next.realloc = next_realloc;
	foreign_next.usable_size = next_usable_size;
	asked = NULL;
}

static void have_none(void)
{
	memset(&foreign_next, 0, sizeof foreign_next);
}

static void free_it(void *mem)
{
	loam_free(mem);
}

static void realloc_it(void *mem)
{
	loam_free(loam_realloc(mem, 10));
}

static void ask_its_size(void *mem)
{
	_exit((int)loam_malloc_usable_size(mem));
}

TEST(the_next_allocator_is_asked_for_its_own)
{
	have_next();
	loam_free(foreign);
	EXPECT(asked == foreign);
	asked = NULL;
	EXPECT(loam_realloc(foreign, 99) == foreign + 128);
	EXPECT(asked == foreign);
	EXPECT_EQ(asked_req, 99);
	asked = NULL;
	EXPECT_EQ(loam_malloc_usable_size(foreign + 16), 77);
	EXPECT(asked == foreign + 16);
	have_none();
}

TEST(loams_own_never_reach_it)
{
	have_next();
	loam_free(loam_realloc(loam_malloc(10), 100000));
	EXPECT_EQ(loam_malloc_usable_size(NULL), 0);
	loam_free(NULL);
	EXPECT(!asked);
	have_none();
}

TEST(without_a_next_allocator_it_is_nobodys)
{
	have_none();
	EXPECT_ABORT(free_it, foreign, "free(): invalid pointer");
	EXPECT_ABORT(realloc_it, foreign, "realloc(): invalid pointer");
	EXPECT_ABORT(ask_its_size, foreign, "malloc_usable_size(): invalid pointer");
	EXPECT_ABORT(free_it, foreign, "no allocator gave it");
}

/* The next allocator may have one of these three functions and not another. */
TEST(a_function_that_is_missing_is_not_called)
{
	have_next();
	foreign_next.realloc = NULL;
	EXPECT_ABORT(realloc_it, foreign, "no allocator gave it");
	loam_free(foreign);
	EXPECT(asked == foreign);
	have_none();
}

/* Libc's own would read a size there. */
TEST(what_has_nothing_before_it_is_none_of_libcs)
{
	char *pages = mmap(NULL, 128 * KIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(pages != MAP_FAILED &&
		!mprotect(pages + 64 * KIB, 64 * KIB, PROT_READ | PROT_WRITE));
	have_next();
	loam_free(pages + 64 * KIB);
	EXPECT(asked == pages + 64 * KIB);
	foreign_next.is_libc = true;
	EXPECT_ABORT(free_it, pages + 64 * KIB, "no allocator gave it");
	EXPECT_ABORT(realloc_it, pages + 64 * KIB, "realloc(): invalid pointer");
	have_none();
	munmap(pages, 128 * KIB);
}

TEST(what_cannot_be_anybodys_is_reported_though_there_is_a_next)
{
	char *huge = loam_malloc(8 * MIB);

	have_next();
	EXPECT_ABORT(free_it, foreign + 1, "misaligned");
	EXPECT_ABORT(free_it, huge + 5 * MIB, "inside the huge object of 8388608 bytes");
	EXPECT_ABORT(realloc_it, huge + 5 * MIB, "realloc(): invalid pointer");
	have_none();
	loam_free(huge);
}

static void *free_local(void *call)
{
	char local[64] ALIGNED(16);
	void *volatile mem = local;

	((void (*)(void *))call)(mem);
	return NULL;
}

static void free_on_stack(void *call)
{
	free_local(call);
}

static void in_thread(void *call)
{
	pthread_t thread;

	pthread_create(&thread, NULL, free_local, call);
	pthread_join(thread, NULL);
}

/* Blocks of the next allocator's that follow a coroutine's stack in the same mapping, freed
   there. */
static char *blocks;

static void free_blocks(void)
{
	for (int i = 0; i < 8; i++) {
		((size_t *)(blocks + i * 112))[-1] = 112 | 1;
		loam_free(blocks + i * 112);
	}
}

static void *free_them_in_a_coroutine(void *arg)
{
	static ucontext_t back, coroutine;
	size_t nbytes = MIB;
	char *stack =
		mmap(NULL, 2 * nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(stack != MAP_FAILED);
	blocks = stack + nbytes + 16;
	getcontext(&coroutine);
	coroutine.uc_stack = (stack_t){.ss_sp = stack, .ss_size = nbytes};
	coroutine.uc_link = &back;
	makecontext(&coroutine, free_blocks, 0);
	swapcontext(&back, &coroutine);
	EXPECT(asked == blocks + 7 * 112);
	munmap(stack, 2 * nbytes);
	return arg;
}

TEST(the_next_allocators_blocks_reach_it_from_a_coroutine)
{
	pthread_t thread;

	if (test_on_valgrind())
		test_skip("memcheck takes another stack for a part of the first one");
	have_next();
	free_them_in_a_coroutine(NULL);
	asked = NULL;
	REQUIRE(pthread_create(&thread, NULL, free_them_in_a_coroutine, NULL) == 0);
	pthread_join(thread, NULL);
	have_none();
}

TEST(an_object_on_the_stack_is_reported_as_such)
{
	have_next();
	EXPECT_ABORT(free_on_stack, free_it, "on the caller's stack");
	EXPECT_ABORT(in_thread, free_it, "free(): invalid pointer");
	EXPECT_ABORT(in_thread, free_it, "on the caller's stack");
	EXPECT_ABORT(in_thread, realloc_it, "on the caller's stack");
	EXPECT(!asked);
	have_none();
}

static void free_two_and_abort(void *unused)
{
	(void)unused;
	options.verbose = 1;
	loam_free(foreign);
	loam_free(foreign + 16);
	os_abort();
}

/* What is printed by free_two_and_abort, counted. */
static int times_said(const char *part)
{
	char text[4096];
	ssize_t length;
	int ends[2], times = 0;

	REQUIRE(pipe(ends) == 0);
	if (fork() == 0) {
		dup2(ends[1], 2);
		free_two_and_abort(NULL);
	}
	close(ends[1]);
	wait(NULL);
	length = read(ends[0], text, sizeof text - 1);
	text[length > 0 ? length : 0] = '\0';
	close(ends[0]);
	for (char *c = text; (c = strstr(c, part)); c++)
		times++;
	return times;
}

TEST(verbose_says_it_once)
{
	have_next();
	EXPECT_ABORT(free_two_and_abort, NULL, "which is another allocator's");
	EXPECT_EQ(times_said("another allocator's"), 1);
	have_none();
}

TEST(an_address_is_owned_when_loam_holds_it)
{
	char *object = loam_malloc(40), *huge = loam_malloc(8 * MIB);

	EXPECT(loam_owns(object));
	EXPECT(loam_owns(huge + 7 * MIB));
	EXPECT(loam_owns(pagemap_get(object)));
	EXPECT(!loam_owns(foreign));
	EXPECT(!loam_owns(NULL));
	loam_free(object);
	loam_free(huge);
}
