/* Sampled objects: pages of their own, and reports that say who allocated and who freed. */
#include "harden/sampled.h"

#include "base/bits.h"
#include "base/options.h"
#include "observe/profile.h"
#include "os_sim.h"
#include "report/report.h"
#include "test.h"
#include "unwind/backtrace.h"

#include <loam/loam.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RATE = 10, OBJECTS = 1000 };

/* A sanitizer's handler would not let a fault end a child. */
__attribute__((constructor)) static void set_options(void)
{
	static const char *const environment[] = {"LOAM_OPTIONS=guard=10", NULL};

	os_sim_environment(environment);
	signal(SIGSEGV, SIG_DFL);
}

static bool is_sampled(const void *mem)
{
	return pagemap_get(mem) && pagemap_get(mem)->kind == KIND_SAMPLED;
}

/* The next object of that size that is sampled. */
static char *sample(size_t size)
{
	for (int i = 0; i < 100 * RATE; i++) {
		char *mem = loam_malloc(size);

		if (is_sampled(mem))
			return mem;
		loam_free(mem);
	}
	REQUIRE(!"no object is sampled");
	return NULL;
}

/* About 2,000 are expected; a fifth more or less is far beyond chance. */
TEST(the_mean_distance_is_the_rate)
{
	enum { N = 20000 };
	int n = 0;

	for (int i = 0; i < N; i++) {
		void *mem = loam_malloc(100);

		n += is_sampled(mem);
		loam_free(mem);
	}
	EXPECT(n > N / RATE / 10 * 8 && n < N / RATE / 10 * 12);
}

TEST(one_in_so_many_is_sampled)
{
	void *mem[OBJECTS];
	int n = 0;

	for (int i = 0; i < OBJECTS; i++) {
		mem[i] = loam_malloc(100);
		n += is_sampled(mem[i]);
	}
	EXPECT(n > OBJECTS / RATE / 2 && n < OBJECTS / RATE * 2);
	for (int i = 0; i < OBJECTS; i++)
		loam_free(mem[i]);
	EXPECT(loam_check());
}

static void *call_malloc(size_t size)
{
	return loam_malloc(size);
}

static void *call_calloc(size_t size)
{
	return loam_calloc(size, 1);
}

static void *call_realloc(size_t size)
{
	return loam_realloc(NULL, size);
}

static void *call_memalign(size_t size)
{
	return loam_memalign(64, size);
}

/* Of both what the fast path serves and what it does not. */
TEST(whatever_the_function_and_the_size)
{
	static void *(*const call[])(size_t) = {call_malloc, call_calloc, call_realloc,
						call_memalign};
	static const size_t size[] = {0, 1, 100, 1024, 1025, 5000, 16000};

	for (size_t i = 0; i < sizeof(call) / sizeof(*call); i++)
		for (size_t k = 0; k < sizeof(size) / sizeof(*size); k++) {
			int n = 0;

			for (int j = 0; j < OBJECTS; j++) {
				void *mem = call[i](size[k]);

				n += is_sampled(mem);
				loam_free(mem);
			}
			EXPECT(n > OBJECTS / RATE / 2 && n < OBJECTS / RATE * 2);
		}
}

static void *sample_first(void *ret_sampled)
{
	void *mem = loam_malloc(100);

	*(bool *)ret_sampled = is_sampled(mem);
	loam_free(mem);
	return NULL;
}

TEST(at_a_rate_of_1_a_threads_first_object_is_sampled)
{
	bool sampled = false;
	pthread_t thread;

	options.guard = 1;
	REQUIRE(pthread_create(&thread, NULL, sample_first, &sampled) == 0);
	pthread_join(thread, NULL);
	options.guard = RATE;
	EXPECT(sampled);
}

/* Slots begin at pages, and an object is moved down for its alignment. */
TEST(beyond_a_page_of_alignment_none_is)
{
	for (int i = 0; i < 100 * RATE; i++) {
		void *mem = loam_memalign(8 * KIB, 16 * KIB - 100);

		EXPECT(!is_sampled(mem));
		loam_free(mem);
	}
}

TEST(each_is_aligned_as_any_object)
{
	for (int i = 0; i < 100 * RATE; i++) {
		void *mem = loam_memalign(8, 100);

		EXPECT(is_aligned((uintptr_t)mem, 16));
		loam_free(mem);
	}
}

TEST(an_object_of_no_bytes_can_be_resized)
{
	char *mem = loam_realloc(sample(0), 100);

	REQUIRE(mem);
	memset(mem, 1, 100);
	loam_free(mem);
}

TEST(all_functions_know_them)
{
	char *mem = sample(100);

	EXPECT_EQ(loam_malloc_usable_size(mem), 100);
	EXPECT(is_aligned((uintptr_t)mem, 16));
	memset(mem, 'x', 100);
	mem = loam_realloc(mem, 5000);
	EXPECT(mem[0] == 'x' && mem[99] == 'x');
	loam_free(mem);
	for (int i = 0; i < 100 * RATE; i++) {
		mem = loam_memalign(256, 100);
		EXPECT(is_aligned((uintptr_t)mem, 256));
		loam_free(mem);
		mem = loam_calloc(10, 100);
		for (int k = 0; k < 1000; k++)
			if (mem[k])
				REQUIRE(!"a byte is not zero");
		loam_free(mem);
	}
}

static void free_twice(void *mem)
{
	loam_free(mem);
	loam_free(mem);
}

static void free_it(void *mem)
{
	loam_free(mem);
}

TEST(wrong_pointers_are_seen)
{
	char *mem = sample(100);

	EXPECT_ABORT(free_twice, mem, "free(): double free detected");
	EXPECT_ABORT(free_twice, mem, "loam:   freed by thread 0x");
	EXPECT_ABORT(free_it, mem + 16, "free(): invalid pointer");
	mem[100] = 1;
	EXPECT_ABORT(free_it, mem, "free(): heap buffer overflow");
	EXPECT_ABORT(free_it, mem, "overwritten at byte 100");
	mem[100] = (char)0xa5;
	mem[-1] = 1;
	EXPECT_ABORT(free_it, mem, "free(): heap buffer underflow");
	EXPECT_ABORT(free_it, mem, "overwritten at byte -1 ");
	mem[-1] = (char)0xa5;
	loam_free(mem);
}

static void write_behind(char *mem)
{
	*(volatile char *)(mem + 112) = 1;
}

static void read_before(char *mem)
{
	(void)*(volatile char *)(mem - 8);
}

static void read_after_free(char *mem)
{
	loam_free(mem);
	(void)*(volatile char *)mem;
}

/* The signal that ends a child which runs body, and what it said. */
static int signal_of(void (*body)(char *), char *mem, char *text, size_t size)
{
	int fds[2], status;
	ssize_t n, length = 0;
	pid_t child;

	REQUIRE(pipe(fds) == 0);
	child = fork();
	if (child == 0) {
		dup2(fds[1], 2);
		body(mem);
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], text + length, size - 1 - (size_t)length)) > 0)
		length += n;
	text[length] = '\0';
	close(fds[0]);
	REQUIRE(waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST(what_is_touched_beyond_them_is_told_with_stacks)
{
	static char text[20000];

	backtrace_start();
	EXPECT_EQ(signal_of(write_behind, sample(100), text, sizeof text), SIGSEGV);
	EXPECT_STR(text, "heap buffer overflow");
	EXPECT_STR(text, "12 bytes behind the sampled object of 100 bytes");
	EXPECT_STR(text, "touched by thread");
	EXPECT_STR(text, "allocated by thread");
	EXPECT_STR(text, "#1 0x");
	if (os_page_size() <= 16384) { /* else more of its slot lies before it */
		EXPECT_EQ(signal_of(read_before, sample(16384), text, sizeof text), SIGSEGV);
		EXPECT_STR(text, "heap buffer underflow");
		EXPECT_STR(text, "8 bytes before the sampled object of 16384 bytes");
	}
	EXPECT_EQ(signal_of(read_after_free, sample(100), text, sizeof text), SIGSEGV);
	EXPECT_STR(text, "use after free");
	EXPECT_STR(text, "freed by thread");
}

TEST(when_slots_run_out_objects_are_as_ever)
{
	enum { MANY = 40000 };
	static void *mem[MANY];
	int n = 0;

	for (int i = 0; i < MANY; i++) {
		mem[i] = loam_malloc(64);
		n += is_sampled(mem[i]);
	}
	EXPECT(n > 1000 && n <= 1024);
	for (int i = 0; i < MANY; i++)
		loam_free(mem[i]);
	EXPECT(loam_check());
}

/* All slots at once, each once; the lowest object. */
static char *take_all_slots(void)
{
	enum { MANY = 40000 };
	static void *mem[MANY];
	static char *in_slots[2000];
	char *lowest = NULL;
	int n = 0;

	for (int i = 0; i < MANY; i++) {
		mem[i] = loam_malloc(64);
		if (!is_sampled(mem[i]))
			continue;
		REQUIRE(n < 2000);
		in_slots[n++] = mem[i];
		lowest = !lowest || (char *)mem[i] < lowest ? mem[i] : lowest;
	}
	for (int i = 0; i < n; i++)
		for (int k = 0; k < i; k++)
			EXPECT(in_slots[i] != in_slots[k]);
	EXPECT(n > 1000 && n <= 1024);
	for (int i = 0; i < MANY; i++)
		loam_free(mem[i]);
	return lowest;
}

static bool first;

static void free_while_it_is_freed(const void *mem, const void *at)
{
	(void)at;
	if (first)
		loam_free((void *)(uintptr_t)mem);
	first = false;
}

/* The other free comes from the report of what was found in the first one's middle. */
TEST(two_frees_at_once_give_a_slot_back_once)
{
	void (*details)(const void *, const void *) = report_details;
	char *mem = sample(100);

	options.harden_action = HARDEN_WARN;
	options.report = REPORT_FULL;
	report_details = free_while_it_is_freed;
	first = true;
	mem[100] = 1;
	loam_free(mem);
	EXPECT(!first);
	report_details = details;
	options.report = REPORT_LINE;
	options.harden_action = HARDEN_ABORT;
	take_all_slots();
	EXPECT(loam_check());
}

/* As in a signal handler that interrupted its thread inside, where no lock may be taken. */
TEST(inside_none_is_sampled_and_what_is_freed_serves_later)
{
	static char *later[1024];
	char *mem = sample(100);
	const struct slot *s = (const struct slot *)pagemap_get(mem);
	int sampled_inside = 0, n = 0;

	REQUIRE(cache_begin());
	loam_free(mem);
	for (int i = 0; i < 10 * RATE; i++) {
		char *other = loam_malloc(100);

		sampled_inside += is_sampled(other);
		loam_free(other);
	}
	cache_end();
	EXPECT_EQ(sampled_inside, 0);
	EXPECT(!s->in_use);
	do
		later[n] = sample(100);
	while (pagemap_get(later[n++]) != &s->tag && n < 1024);
	EXPECT(s->in_use);
	EXPECT(n > 1); /* those freed before it come first */
	EXPECT_EQ(s->freed.thread, 0);
	while (n)
		loam_free(later[--n]);
	EXPECT(loam_check());
}

/* So that a use after free is seen for long. */
TEST(what_was_freed_last_serves_last)
{
	char *mem = sample(100), *other;
	const void *slot = pagemap_get(mem);

	loam_free(mem);
	other = sample(100);
	EXPECT(pagemap_get(other) != slot);
	loam_free(other);
}

TEST(a_guard_page_lies_before_the_first_slot)
{
	const struct slot *s = (const struct slot *)pagemap_get(take_all_slots());

	EXPECT(pagemap_get(s->start - 1) == &s->tag);
	EXPECT(test_is_unreadable(s->start - 1));
}

TEST(objects_are_sampled_after_a_profile_too)
{
	REQUIRE(profile_start(MIB));
	profile_stop();
	REQUIRE(sampling);
	loam_free(sample(100));
}

/* The last test: what lay there can be read, and is not free for others. */
TEST(a_slot_that_cannot_be_guarded_serves_no_more)
{
	static void *mem[40000];
	char *lost = sample(100);
	const void *slot = pagemap_get(lost);
	int n = 0;

	os_sim_fail_from(1);
	loam_free(lost);
	os_sim_fail_from(0);
	for (size_t i = 0; i < sizeof mem / sizeof *mem; i++) {
		mem[i] = loam_malloc(64);
		n += is_sampled(mem[i]);
		EXPECT(pagemap_get(mem[i]) != slot);
	}
	EXPECT(n > 1000 && n < 1024);
	for (size_t i = 0; i < sizeof mem / sizeof *mem; i++)
		loam_free(mem[i]);
}
