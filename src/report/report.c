/* Reports, as a line, as JSON, and what is said besides; see report.h. */
#include "report/report.h"

#include "base/options.h"
#include "base/probe.h"
#include "base/text.h"
#include "os/check.h"
#include "os/files.h"
#include "os/line.h"
#include "report/json.h"
#include "report/maps.h"
#include "os/os.h"
#include "report/stack.h"
#include "report/symbols.h"

#define JSON_LEAST 900					 /* without frames of stacks */
#define FRAME_MOST (2 * (MAPS_NAME + SYMBOL_NAME) + 256) /* and what follows the last one */
#define JSON_MOST  (16 * KIB)

static_assert(JSON_MOST >= JSON_LEAST + 3 * FRAME_MOST, "each stack has room for a frame");

SEALED void (*report_details)(const void *mem, const void *at);

SEALED static struct os_file json_file;
SEALED static const char *json_path; /* NULL: there is none */

static bool json_taken, more_said; /* a thread is at it; atomic */

void report_to(const struct os_file *file, const char *path)
{
	json_file = *file;
	json_path = path;
}

/* --- what is said -------------------------------------------------------------------------- */

/* A report: who called, what is wrong, of what, and a number that belongs to it. */
struct report {
	const char *call; /* NULL: nobody's call is to blame */
	const char *what;
	struct report_about about;
	const char *note; /* NULL, or what stands before `number`, as "overwritten at byte " */
	size_t number;
	const void *at; /* where it is to be seen, if that is not the pointer */
	const char *by; /* what the thread did, as "called", that has the stack `here` */
	struct stack here;
};

/* "8 bytes inside the object of 48 bytes at 0x..." */
static void put_place(struct text *t, const struct report_about *about)
{
	uintptr_t mem = (uintptr_t)about->mem, start = (uintptr_t)about->start;
	size_t distance = mem - start;
	const char *where = "inside";

	ASSERT(about->kind &&
	       about->start != about->mem); /* what mem lies in, and does not begin */
	if (mem < start) {
		distance = start - mem;
		where = "before";
	} else if (distance >= about->usable) {
		distance -= about->usable;
		where = "behind";
	}
	text_printf(t, ": %zu bytes %s the %s of %zu bytes at %p", distance, where, about->kind,
		    about->usable, about->start);
}

static void put_about(struct text *t, const struct report_about *about)
{
	if (about->start)
		put_place(t, about);
	else if (about->kind && about->usable)
		text_printf(t, ": %s of %zu bytes", about->kind, about->usable);
	else if (about->kind)
		text_printf(t, ": %s", about->kind);
	if (about->state)
		text_printf(t, ", %s", about->state);
}

/* "loam: free(): invalid pointer: 0x...: 8 bytes inside ... (arena 1, thread 0x...)" */
static void say(const struct report *r)
{
	struct line line;
	struct text *t = &line.text;

	line_begin(&line);
	if (r->call)
		text_printf(t, "%s(): ", r->call);
	text_put(t, r->what);
	if (r->about.mem)
		text_printf(t, ": %p", r->about.mem);
	put_about(t, &r->about);
	if (r->note)
		text_printf(t, ", %s%zu", r->note, r->number);
	text_put(t, " (");
	if (r->about.arena)
		text_printf(t, "arena %zu, ", (size_t)r->about.arena);
	text_printf(t, "thread %p)", (const void *)thread_self());
	line_end(&line);
}

/* --- the same as JSON ---------------------------------------------------------------------- */

/* But for the names of files all strings are loam's own, and need no escapes. */
static void put_string(struct text *t, const char *name, const char *value)
{
	if (value)
		text_printf(t, ",\"%s\":\"%s\"", name, value);
}

static void put_count(struct text *t, const char *name, size_t value)
{
	if (value)
		text_printf(t, ",\"%s\":%zu", name, value);
}

static void put_address(struct text *t, const char *name, const void *value)
{
	if (value)
		text_printf(t, ",\"%s\":\"%p\"", name, value);
}

/* "/usr/bin/program+0x11c5 main+0x12" */
static void put_frame(struct text *t, const void *frame)
{
	struct mapping m;
	struct symbol symbol;

	text_put(t, "\"");
	if (maps_find(frame, &m) && m.name[0]) {
		json_put(t, m.name);
		text_printf(t, "+%p", (const void *)m.offset);
		if (symbols_find(&m, frame, &symbol)) {
			text_put(t, " ");
			json_put(t, symbol.name);
			text_printf(t, "+%p", (const void *)symbol.offset);
		}
	} else {
		text_printf(t, "%p", frame);
	}
	text_put(t, "\"");
}

static bool is_known(const struct stack *s)
{
	return s && s->thread;
}

/* As many frames as there is room for, where so many stacks follow. */
static void put_stack(struct text *t, const char *name, const struct stack *s, size_t follow)
{
	const size_t reserved = (follow + 1) * FRAME_MOST;

	if (!is_known(s))
		return;
	ASSERT(s->count <= STACK_FRAMES);
	text_printf(t, ",\"%s\":{\"thread\":\"%p\",\"frames\":[", name, (const void *)s->thread);
	for (uint32_t i = 0; i < s->count && t->capacity - t->length > reserved; i++) {
		text_put(t, i ? "," : "");
		put_frame(t, s->frames[i]);
	}
	text_put(t, "]}");
}

static void put_stacks(struct text *t, const struct report *r)
{
	const struct stack *allocated = r->about.allocated, *freed = r->about.freed;

	if (r->here.count)
		put_stack(t, r->by, &r->here, is_known(allocated) + is_known(freed));
	put_stack(t, "allocated", allocated, is_known(freed));
	put_stack(t, "freed", freed, 0);
}

static void put_json(struct text *t, const struct report *r)
{
	text_put(t, "{\"allocator\":\"loam\"");
	put_string(t, "call", r->call);
	put_string(t, "what", r->what);
	put_address(t, "pointer", r->about.mem);
	put_string(t, "kind", r->about.kind);
	put_count(t, "bytes", r->about.usable);
	put_address(t, "start", r->about.start);
	put_string(t, "state", r->about.state);
	put_count(t, "arena", r->about.arena);
	if (r->note)
		text_printf(t, ",\"note\":\"%s%zu\",\"number\":%zu", r->note, r->number, r->number);
	put_address(t, "thread", (const void *)thread_self());
	put_stacks(t, r);
	text_put(t, "}\n");
}

/* In one piece, as others may write to that file. Where the program has closed it since, as daemons
   do, it is opened anew, unless the folder that its name begins in may be another by now. */
static void append(const struct text *t)
{
	struct os_file file = json_file;
	bool still = os_is_still(&file);

	if (!still && (*json_path != '/' || os_create_aside(&file, json_path, OS_APPEND) != 0))
		return;
	os_write(file.fd, t->buffer, t->length);
	if (!still)
		os_close(file.fd);
}

/* Threads that report at the same time have no room for frames. */
static void say_json(const struct report *r)
{
	static char shared[JSON_MOST];
	char own[JSON_LEAST];
	bool mine = !__atomic_exchange_n(&json_taken, true, __ATOMIC_ACQUIRE);
	struct text t = {.buffer = mine ? shared : own,
			 .capacity = mine ? sizeof shared : sizeof own};

	ASSERT(json_path);
	put_json(&t, r);
	append(&t);
	if (mine)
		store_release(&json_taken, false);
}

/* --- what is said besides -------------------------------------------------------------------- */

/* What lies around may be unmapped by another thread: who faults in here says no more. */
static void say_more(const struct report *r)
{
	if (options.report != REPORT_FULL || !report_details ||
	    __atomic_exchange_n(&more_said, true, __ATOMIC_RELAXED))
		return;
	report_details(r->about.mem, r->at ? r->at : r->about.mem);
	store_relaxed(&more_said, false);
}

static void say_stacks(const struct report *r)
{
	if (r->here.count)
		stack_say(r->by, &r->here);
	if (r->about.allocated)
		stack_say("allocated", r->about.allocated);
	if (r->about.freed)
		stack_say("freed", r->about.freed);
}

static void trace(const struct report *r)
{
	PROBE3(loam, misuse, r->call, r->what, r->about.mem);
}

static void make(struct report *r)
{
	trace(r);
	say(r);
	if (options.report == REPORT_FULL || r->about.allocated)
		stack_note(&r->here);
	if (json_path)
		say_json(r);
	say_more(r);
	say_stacks(r);
}

/* --- misuse -------------------------------------------------------------------------------- */

static void misuse(struct report r)
{
	ASSERT(r.call && r.what);
	if (!options.harden) {
		trace(&r);
		return;
	}
	r.by = "called";
	make(&r);
	if (options.harden_action == HARDEN_ABORT)
		os_abort();
}

void report_double_free(const char *call, struct report_about about)
{
	about.state = about.state ? about.state : "free";
	misuse((struct report){.call = call, .what = "double free detected", .about = about});
}

void report_interior_pointer(const char *call, struct report_about about)
{
	misuse((struct report){.call = call, .what = "invalid pointer", .about = about});
}

void report_misaligned_pointer(const char *call, struct report_about about)
{
	about.state = "misaligned";
	misuse((struct report){.call = call, .what = "invalid pointer", .about = about});
}

void report_stack_pointer(const char *call, struct report_about about)
{
	about.kind = "on the caller's stack";
	misuse((struct report){.call = call, .what = "invalid pointer", .about = about});
}

void report_metadata_pointer(const char *call, struct report_about about)
{
	about.kind = "in loam's own memory";
	misuse((struct report){.call = call, .what = "invalid pointer", .about = about});
}

void report_unknown_pointer(const char *call, struct report_about about)
{
	about.kind = "no allocator gave it, or it was freed long ago";
	misuse((struct report){.call = call, .what = "invalid pointer", .about = about});
}

void report_free_memory(const char *call, struct report_about about, bool was_object)
{
	about.kind = "in free memory";
	misuse((struct report){.call = call,
			       .what = was_object ? "double free detected" : "invalid pointer",
			       .about = about});
}

void report_wrong_size(const char *call, struct report_about about, size_t size)
{
	misuse((struct report){.call = call,
			       .what = "invalid size",
			       .about = about,
			       .note = "freed as one of ",
			       .number = size});
}

static void overwritten(const char *call, const char *what, struct report_about about,
			size_t offset)
{
	misuse((struct report){.call = call,
			       .what = what,
			       .about = about,
			       .note = "overwritten at byte ",
			       .number = offset,
			       .at = (const char *)about.mem + offset});
}

void report_overflow(const char *call, struct report_about about, size_t offset)
{
	overwritten(call, "heap buffer overflow", about, offset);
}

void report_underflow(const char *call, struct report_about about, size_t distance)
{
	misuse((struct report){.call = call,
			       .what = "heap buffer underflow",
			       .about = about,
			       .note = "overwritten at byte -",
			       .number = distance,
			       .at = (const char *)about.mem - distance});
}

void report_write_after_free(const char *call, struct report_about about, size_t offset)
{
	overwritten(call, "write after free", about, offset);
}

void report_access(const char *what, struct report_about about)
{
	make(&(struct report){.what = what, .about = about, .by = "touched"});
}

void report_corruption(const char *what, struct report_about about)
{
	make(&(struct report){.what = what, .about = about, .by = "found"});
	os_abort();
}

#define LEFT_INSIDE                                                                                \
	"a signal handler left malloc or free in the middle, by longjmp, an exception, "           \
	"setcontext or cancellation, after which nothing may call them: set a flag in the "        \
	"handler, or block the signal around them"

void report_recover(void)
{
	store_relaxed(&json_taken, false);
	store_relaxed(&more_said, false);
}

void report_left_inside(void)
{
	os_block_signals(); /* the handler would leave this, too */
	make(&(struct report){.what = LEFT_INSIDE, .by = "found"});
	os_abort();
}
