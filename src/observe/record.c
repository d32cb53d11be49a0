/* The trace of a process, written as it runs; see record.h and observe/trace_format.h. */
#include "observe/record.h"

#include "base/bits.h"
#include "base/text.h"
#include "observe/error_words.h"
#include "observe/file.h"
#include "observe/proc.h"
#include "os/check.h"
#include "os/line.h"
#include "os/os.h"
#include "os/process.h"
#include "os/vdso.h"
#include "unwind/backtrace.h"

#include <errno.h>

/* Bytes of a block: small at first, since most processes are. */
#define BLOCK_LEAST (64 * KIB)
#define BLOCK_MOST  MIB

#define NAME_MOST 1100
#define TRIES	  100 /* names for one process, which may have become several programs */

bool recording;

/* All under the lock. */
struct lock record_lock = LOCK_INIT(LOCK_RECORD);

static struct recorder {
	const char *path;
	struct os_file file;
	bool open; /* there is a file */
	struct trace_header *header;
	/* NULL: none is mapped, but perhaps one that a child leaves mapped */
	struct trace_block *block;
	size_t block_bytes; /* constant while there is a block */
	unsigned char *at;  /* where its next event goes; block->used says the same */
	uint64_t sum;	    /* of the block's events */
	uint64_t file_bytes;
	uint64_t events, lost;
	uint64_t parent, parent_events;
	uint64_t pid;
	uintptr_t address; /* the one before in this block */
	uint32_t thread;   /* of the event before in this block */
	uint32_t threads;  /* numbers given */
	uint32_t epoch;	   /* one a process: numbers of threads begin anew */
	enum trace_op op;  /* of the call under way */
	bool finished;
} recorder = {.epoch = 1};

/* The number of a thread, valid in one epoch. */
static __thread struct {
	uint32_t epoch, number;
} thread_mine __attribute__((tls_model("initial-exec")));

/* Ends recording for good; the line says why. */
static void stop(const char *why)
{
	line_say("record: %s; the trace ends after %zu calls", why, (size_t)recorder.events);
	store_relaxed(&recording, false);
}

/* ---- The file and its blocks. */

static void seal_block(void)
{
	ASSERT(recorder.block && recorder.block->used <= recorder.block->capacity);
	recorder.block->checksum = recorder.sum ? recorder.sum : 1;
}

/* Forgotten first, so that a child does not unmap it again. */
static void unmap_block(void)
{
	struct trace_block *block = recorder.block;

	recorder.block = NULL;
	KEEP_ORDER();
	os_unmap_file(block, recorder.block_bytes);
}

static void close_block(void)
{
	if (!recorder.block)
		return;
	recorder.block->last = false;
	seal_block();
	unmap_block();
}

static size_t next_block_bytes(void)
{
	size_t nbytes = BLOCK_LEAST;

	while (nbytes < BLOCK_MOST && nbytes < recorder.file_bytes)
		nbytes *= 2;
	return align_up(nbytes, os_page_size());
}

static bool open_block(void)
{
	size_t nbytes = next_block_bytes();
	struct trace_block *block = file_append(&recorder.file, recorder.file_bytes, nbytes);

	if (!block)
		return false;
	recorder.block_bytes = nbytes;
	KEEP_ORDER();
	recorder.block = block;
	recorder.at = (unsigned char *)(block + 1);
	recorder.file_bytes += nbytes;
	recorder.sum = TRACE_CHECKSUM_NONE;
	recorder.address = 0;
	recorder.thread = 0;
	ASSERT(nbytes > sizeof *block + TRACE_EVENT_MAX && nbytes - sizeof *block <= UINT32_MAX);
	*block = (struct trace_block){
		.magic = TRACE_BLOCK_MAGIC,
		.capacity = (uint32_t)(nbytes - sizeof *block),
		.events = recorder.events,
		.lost = recorder.lost,
	};
	return true;
}

static bool write_header(void)
{
	struct trace_header *header = file_append(&recorder.file, 0, os_page_size());

	if (!header)
		return false;
	*header = (struct trace_header){
		.magic = TRACE_MAGIC,
		.header_bytes = (uint32_t)os_page_size(),
		.page_bytes = (uint32_t)os_page_size(),
		.pid = recorder.pid,
		.parent_pid = recorder.parent,
		.parent_events = recorder.parent_events,
		.start_ns = vdso_clock(CLOCK_REALTIME),
	};
	proc_program(header->program, sizeof header->program);
	recorder.header = header;
	recorder.file_bytes = os_page_size();
	return true;
}

/* The nth name to try: that of the option for the first process, else with the process's number. */
static void name_file(char name[NAME_MOST], unsigned n)
{
	struct text t = {.buffer = name, .capacity = NAME_MOST - 1};

	if (n == 0)
		text_put(&t, recorder.path);
	else if (n == 1)
		text_printf(&t, "%s.%zu", recorder.path, (size_t)recorder.pid);
	else
		text_printf(&t, "%s.%zu.%zu", recorder.path, (size_t)recorder.pid, (size_t)n);
	name[t.length] = '\0';
}

static void open_file(void)
{
	char name[NAME_MOST], words[ERROR_WORDS_MOST];
	int error = EEXIST;

	recorder.pid = os_process();
	for (unsigned n = recorder.parent != 0; error == EEXIST && n < TRIES; n++) {
		name_file(name, n);
		error = os_create_aside(&recorder.file, name, OS_NEW);
	}
	if (error) {
		line_say("record: %s cannot be made: %s; name a file that can", name,
			 error_words(error, words));
		store_relaxed(&recording, false);
		return;
	}
	recorder.open = true;
	if (!write_header() || !open_block())
		stop("no room");
}

/* Room for one more event; false: recording has ended. */
static bool make_room(void)
{
	if (!recorder.open)
		open_file();
	else if (recorder.block->capacity - recorder.block->used < TRACE_EVENT_MAX) {
		close_block();
		if (!open_block())
			stop("the file is full, or closed by the program");
	}
	return load_relaxed(&recording);
}

/* ---- Events. */

static unsigned char *put_number(unsigned char *at, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		*at++ = (unsigned char)(n | 0x80);
	*at++ = (unsigned char)n;
	return at;
}

static unsigned char *put_address(unsigned char *at, const void *mem)
{
	int64_t units = (int64_t)((uintptr_t)mem / 16 - recorder.address / 16);

	recorder.address = (uintptr_t)mem;
	return put_number(at, (uint64_t)units << 1 ^ (uint64_t)(units >> 63));
}

static uint32_t thread_number(void)
{
	if (thread_mine.epoch != recorder.epoch) {
		thread_mine.epoch = recorder.epoch;
		thread_mine.number = recorder.threads++;
	}
	return thread_mine.number;
}

static bool has_given(enum trace_op op)
{
	return op == TRACE_FREE || op == TRACE_REALLOC;
}

static unsigned flags_of(enum trace_op op, const struct record_call *call, uint32_t thread)
{
	unsigned flags = thread != recorder.thread ? TRACE_NEW_THREAD : 0;

	if (op != TRACE_FREE && !call->result)
		flags |= TRACE_NO_RESULT;
	if (has_given(op) && !call->given)
		flags |= TRACE_NULL;
	if (has_given(op) && (uintptr_t)call->given % 16)
		flags |= TRACE_ODD_ADDRESS;
	return flags;
}

static unsigned char *put_event(unsigned char *at, const struct record_call *call)
{
	enum trace_op op = recorder.op;
	uint32_t thread = thread_number();
	unsigned flags = flags_of(op, call, thread);

	*at++ = (unsigned char)(op | flags);
	if (flags & TRACE_NEW_THREAD)
		at = put_number(at, thread);
	recorder.thread = thread;
	if (has_given(op) && call->given)
		at = put_address(at, call->given);
	if (flags & TRACE_ODD_ADDRESS)
		at = put_number(at, (uintptr_t)call->given % 16);
	ASSERT(op != TRACE_ALIGNED || is_power_of_two(call->alignment));
	if (op == TRACE_ALIGNED)
		at = put_number(at, log2_floor(call->alignment));
	if (op != TRACE_FREE)
		at = put_number(at, call->size);
	if (op != TRACE_FREE && call->result)
		at = put_address(at, call->result);
	return at;
}

/* T4. A thread that is killed in between leaves a block that is not the last, with all events. */
static void mark_last(void)
{
	seal_block();
	KEEP_ORDER();
	recorder.block->last = true;
}

/* T3: no checksum while it changes. */
static void reopen_last(void)
{
	recorder.block->last = false;
	KEEP_ORDER();
	recorder.block->checksum = 0;
	KEEP_ORDER();
}

/* T2: the events are in place before they are counted. */
static void write_event(const struct record_call *call)
{
	unsigned char *end = put_event(recorder.at, call);
	uint32_t nbytes = (uint32_t)(end - recorder.at);

	ASSERT(lock_held(&record_lock));
	ASSERT(nbytes <= TRACE_EVENT_MAX);
	ASSERT(recorder.at ==
	       (unsigned char *)(recorder.block + 1) + recorder.block->used); /* T2 */
	recorder.sum = trace_checksum_more(recorder.sum, recorder.at, nbytes);
	recorder.at = end;
	if (UNLIKELY(recorder.finished))
		reopen_last();
	store_release(&recorder.block->used, recorder.block->used + nbytes);
	recorder.header->events = ++recorder.events;
	if (UNLIKELY(recorder.finished))
		mark_last();
}

/* Calls that are made of others, which are then not written. */
static bool nests(enum trace_op op)
{
	return op == TRACE_CALLOC || op == TRACE_REALLOC;
}

bool record_enter(enum trace_op op)
{
	if (lock_held(&record_lock)) {
		recorder.lost += !nests(recorder.op);
		return false;
	}
	lock_acquire(&record_lock);
	backtrace_shut++;
	recorder.op = op;
	return true;
}

void record_end(struct record_call call)
{
	ASSERT(lock_held(&record_lock) && recorder.op > TRACE_END && recorder.op < TRACE_OPS);
	if (load_relaxed(&recording) && make_room())
		write_event(&call);
	record_cancel();
}

void record_cancel(void)
{
	backtrace_shut--;
	lock_release(&record_lock);
}

/* ---- Begin and end. */

void record_start(const char *path)
{
	recorder.path = path;
	recording = true;
	open_file();
}

void record_finish(void)
{
	if (!load_relaxed(&recording) || lock_held(&record_lock))
		return;
	lock_acquire(&record_lock);
	recorder.finished = true;
	if (recorder.block) {
		recorder.block->lost = recorder.lost;
		mark_last();
	}
	lock_release(&record_lock);
}

/* The parent's file is no longer ours; the child's is made when it has something to say. */
void record_begin_anew(void)
{
	if (recorder.block)
		unmap_block();
	if (recorder.header)
		os_unmap_file(recorder.header, os_page_size());
	if (recorder.open) { /* else the file of the process before it still counts */
		file_close(&recorder.file);
		recorder.parent = recorder.pid;
		recorder.parent_events = recorder.events;
	}
	recorder.block = NULL;
	recorder.header = NULL;
	recorder.open = false;
	recorder.events = recorder.lost = 0;
	recorder.threads = 0;
	recorder.epoch++;
	recorder.finished = false;
}
