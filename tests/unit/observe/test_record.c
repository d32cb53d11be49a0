/* Option record: what is written is what was called, in a form that trace_format.h describes. */
#include "observe/record.h"

#include "os/os.h"
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* An event read back; size is that of the result, alignment a logarithm. */
struct event {
	enum trace_op op;
	unsigned flags;
	uint64_t thread, alignment, size;
	uintptr_t given, result;
};

struct reader {
	const unsigned char *bytes, *at, *end;
	const struct trace_block *block, *file_end;
	uint64_t events;
	uintptr_t address;
	uint64_t thread;
};

static uint64_t read_number(struct reader *r)
{
	uint64_t n = 0;
	unsigned shift = 0;

	do
		n |= (uint64_t)(*r->at & 0x7f) << shift, shift += 7;
	while (*r->at++ & 0x80);
	return n;
}

static uintptr_t read_address(struct reader *r)
{
	uint64_t n = read_number(r);

	return r->address = (r->address / 16 + (uintptr_t)((n >> 1) ^ -(n & 1))) * 16;
}

static bool enter_block(struct reader *r)
{
	if (r->block >= r->file_end)
		return false;
	EXPECT_EQ(r->block->magic, TRACE_BLOCK_MAGIC);
	EXPECT_EQ(r->block->events, r->events);
	r->at = (const unsigned char *)(r->block + 1);
	r->end = r->at + r->block->used;
	r->address = 0;
	r->thread = 0;
	return true;
}

static bool next_event(struct reader *r, struct event *e)
{
	bool gives, has_given;

	while (r->at == r->end) {
		r->block = (const void *)((const char *)(r->block + 1) + r->block->capacity);
		if (!enter_block(r))
			return false;
	}
	*e = (struct event){.op = *r->at & TRACE_OP_MASK, .flags = *r->at & ~TRACE_OP_MASK};
	r->at++;
	if (e->flags & TRACE_NEW_THREAD)
		r->thread = read_number(r);
	e->thread = r->thread;
	has_given = (e->op == TRACE_FREE || e->op == TRACE_REALLOC) && !(e->flags & TRACE_NULL);
	gives = e->op != TRACE_FREE && !(e->flags & TRACE_NO_RESULT);
	e->given = has_given ? read_address(r) : 0;
	if (e->flags & TRACE_ODD_ADDRESS)
		e->given |= read_number(r);
	e->alignment = e->op == TRACE_ALIGNED ? read_number(r) : 0;
	e->size = e->op != TRACE_FREE ? read_number(r) : 0;
	e->result = gives ? read_address(r) : 0;
	r->events++;
	return true;
}

static struct reader reader_of(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat about;
	struct reader r = {.events = 0};
	const struct trace_header *header;

	REQUIRE(fd >= 0 && fstat(fd, &about) == 0);
	header = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_SHARED, fd, 0);
	REQUIRE(header != MAP_FAILED);
	close(fd);
	EXPECT(!memcmp(header->magic, TRACE_MAGIC, 8));
	r.bytes = (const unsigned char *)header;
	r.block = (const void *)(r.bytes + header->header_bytes);
	r.file_end = (const void *)(r.bytes + about.st_size);
	EXPECT(enter_block(&r));
	return r;
}

static char path[64];

static void begin(const char *name)
{
	snprintf(path, sizeof path, "%s/%s", test_folder(), name);
	fflush(stdout);
	os_start();
	record_start(path);
	EXPECT(recording);
}

static void call(enum trace_op op, struct record_call what)
{
	EXPECT(record_begin(op));
	record_end(what);
}

/* A process records once, so each test is a child. */
static void in_child(void (*body)(void))
{
	int status = -1;
	pid_t child;

	test_folder();
	child = fork();
	if (child == 0) {
		body();
		_exit(test_failures() != 0);
	}
	waitpid(child, &status, 0);
	EXPECT_EQ(status, 0);
}

static void *at(uintptr_t address)
{
	return (void *)address;
}

static void every_op(void)
{
	static const struct event expected[] = {
		{TRACE_MALLOC, 0, 0, 0, 100, 0, 0x7f0000001230},
		{TRACE_CALLOC, 0, 0, 0, 1 << 20, 0, 0x7f0000000010},
		{TRACE_ALIGNED, 0, 0, 12, 3, 0, 0x5000},
		{TRACE_REALLOC, 0, 0, 0, 7, 0x5000, 0x6000},
		{TRACE_REALLOC, TRACE_NULL, 0, 0, 9, 0, 0x7000},
		{TRACE_REALLOC, TRACE_NO_RESULT, 0, 0, 0, 0x7000, 0},
		{TRACE_MALLOC, TRACE_NO_RESULT, 0, 0, SIZE_MAX, 0, 0},
		{TRACE_FREE, 0, 0, 0, 0, 0x6000, 0},
		{TRACE_FREE, TRACE_NULL, 0, 0, 0, 0, 0},
		{TRACE_FREE, TRACE_ODD_ADDRESS, 0, 0, 0, 0xffff123456789abd, 0},
	};
	struct event e;
	struct reader r;

	begin("every-op");
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
		call(expected[i].op,
		     (struct record_call){(size_t)1 << expected[i].alignment, at(expected[i].given),
					  expected[i].size, at(expected[i].result)});
	r = reader_of(path);
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		REQUIRE(next_event(&r, &e));
		EXPECT(!memcmp(&e, &expected[i], sizeof e));
	}
	EXPECT(!next_event(&r, &e));
	unlink(path);
}

TEST(each_kind_of_call_reads_back_as_it_was)
{
	in_child(every_op);
}

static void many(void)
{
	enum { EVENTS = 700000 };
	uint64_t state = test_seed() | 1, again = state;
	struct event e;
	struct reader r;
	size_t n = 0;

	begin("many");
	for (; n < EVENTS; n++)
		call(TRACE_MALLOC, (struct record_call){.size = test_random(&state) % 5000,
							.result = at(test_random(&state) << 4)});
	record_finish();
	call(TRACE_FREE, (struct record_call){.given = at(16)});
	r = reader_of(path);
	for (n = 0; n < EVENTS && next_event(&r, &e); n++) {
		REQUIRE(e.size == test_random(&again) % 5000);
		REQUIRE(e.result == test_random(&again) << 4);
		if (r.at == r.end)
			EXPECT_EQ(r.block->checksum,
				  trace_checksum((const unsigned char *)(r.block + 1),
						 r.block->used));
	}
	EXPECT_EQ(n, EVENTS);
	EXPECT(next_event(&r, &e) && e.op == TRACE_FREE);
	EXPECT_EQ(r.block->last, 1);
	EXPECT_EQ(r.block->checksum,
		  trace_checksum((const unsigned char *)(r.block + 1), r.block->used));
	unlink(path);
}

TEST(a_long_trace_is_whole_over_its_blocks_and_after_its_end)
{
	test_seed();
	in_child(many);
}

/* The last block alone says that it is, however many were filled behind it. */
static void long_after_the_end(void)
{
	enum { EVENTS = 50000 };
	const struct trace_block *next;
	size_t blocks = 0;
	struct reader r;

	begin("after-the-end");
	record_finish();
	for (uintptr_t n = 1; n <= EVENTS; n++)
		call(TRACE_MALLOC, (struct record_call){.size = n, .result = at(n * 16)});
	r = reader_of(path);
	for (const struct trace_block *b = r.block; b < r.file_end; b = next, blocks++) {
		next = (const void *)((const char *)(b + 1) + b->capacity);
		EXPECT_EQ(b->last, next >= r.file_end);
		EXPECT_EQ(b->checksum, trace_checksum((const unsigned char *)(b + 1), b->used));
	}
	EXPECT(blocks > 2);
	unlink(path);
}

TEST(a_trace_goes_on_into_further_blocks_after_its_end)
{
	in_child(long_after_the_end);
}

static void *call_twice(void *address)
{
	call(TRACE_MALLOC, (struct record_call){.size = 1, .result = address});
	call(TRACE_FREE, (struct record_call){.given = address});
	return NULL;
}

static void threads(void)
{
	struct event e;
	struct reader r;
	pthread_t thread;

	begin("threads");
	call_twice(at(0x1000));
	for (uintptr_t i = 1; i <= 3; i++) {
		REQUIRE(pthread_create(&thread, NULL, call_twice, at(i * 0x10000)) == 0);
		pthread_join(thread, NULL);
	}
	call_twice(at(0x2000));
	r = reader_of(path);
	for (unsigned i = 0; i < 10; i++) {
		REQUIRE(next_event(&r, &e));
		EXPECT_EQ(e.thread, i < 8 ? i / 2 : 0);
	}
	unlink(path);
}

TEST(threads_are_numbered_by_their_first_calls)
{
	in_child(threads);
}

static void nested(void)
{
	struct event e;
	struct reader r;

	begin("nested");
	EXPECT(record_begin(TRACE_REALLOC));
	EXPECT(!record_begin(TRACE_MALLOC)); /* what realloc is made of */
	record_end((struct record_call){.size = 5, .result = at(0x50)});
	EXPECT(record_begin(TRACE_MALLOC));
	EXPECT(!record_begin(TRACE_MALLOC)); /* a signal handler */
	record_end((struct record_call){.size = 6, .result = at(0x60)});
	record_finish();
	r = reader_of(path);
	EXPECT(next_event(&r, &e) && e.op == TRACE_REALLOC);
	EXPECT(next_event(&r, &e) && e.op == TRACE_MALLOC);
	EXPECT(!next_event(&r, &e));
	r = reader_of(path);
	EXPECT_EQ(r.block->lost, 1);
	unlink(path);
}

TEST(calls_inside_calls_are_not_written_and_a_handlers_are_counted)
{
	in_child(nested);
}

static void forked(void)
{
	struct event e;
	struct reader r;
	char of_child[80];
	pid_t child;

	begin("forked");
	call(TRACE_MALLOC, (struct record_call){.size = 1, .result = at(0x10)});
	child = fork();
	if (child == 0) {
		record_begin_anew();
		call(TRACE_MALLOC, (struct record_call){.size = 2, .result = at(0x20)});
		_exit(0);
	}
	waitpid(child, NULL, 0);
	call(TRACE_MALLOC, (struct record_call){.size = 3, .result = at(0x30)});
	r = reader_of(path);
	EXPECT(next_event(&r, &e) && e.size == 1);
	EXPECT(next_event(&r, &e) && e.size == 3);
	unlink(path);
	snprintf(of_child, sizeof of_child, "%s.%d", path, (int)child);
	r = reader_of(of_child);
	EXPECT_EQ(((const struct trace_header *)r.bytes)->parent_pid, getpid());
	EXPECT_EQ(((const struct trace_header *)r.bytes)->parent_events, 1);
	EXPECT(next_event(&r, &e) && e.size == 2);
	EXPECT(!next_event(&r, &e));
	unlink(of_child);
}

TEST(a_forked_child_writes_a_file_of_its_own)
{
	in_child(forked);
}

/* A child that records nothing lies between. */
static void forked_twice(void)
{
	char of_child[80];
	struct reader r;
	int status = -1;

	begin("forked-twice");
	call(TRACE_MALLOC, (struct record_call){.size = 1, .result = at(0x10)});
	if (fork() == 0) {
		record_begin_anew();
		if (fork() == 0) {
			record_begin_anew();
			call(TRACE_MALLOC, (struct record_call){.size = 2, .result = at(0x20)});
			snprintf(of_child, sizeof of_child, "%s.%d", path, (int)getpid());
			r = reader_of(of_child);
			EXPECT_EQ(((const struct trace_header *)r.bytes)->parent_events, 1);
			unlink(of_child);
			_exit(test_failures() != 0);
		}
		wait(&status);
		_exit(status != 0);
	}
	wait(&status);
	EXPECT_EQ(status, 0);
	unlink(path);
}

TEST(a_grandchild_names_the_file_that_was_written_last)
{
	in_child(forked_twice);
}

static void no_folder(void)
{
	FILE *said = tmpfile();
	char line[200] = "";

	os_start();
	dup2(fileno(said), 2);
	record_start("/nowhere/at/all");
	rewind(said);
	EXPECT(fgets(line, sizeof line, said));
	EXPECT_STR(line, "loam: record: /nowhere/at/all cannot be made: No such file or directory; "
			 "name a file that can\n");
	EXPECT(!recording);
	EXPECT(!record_begin(TRACE_MALLOC));
}

TEST(a_file_that_cannot_be_made_ends_recording)
{
	in_child(no_folder);
}
