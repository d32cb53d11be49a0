/* Reports, as base/report.h promises them: they need the system, and so stand here. */
#include "base/report.h"

#include "base/options.h"
#include "base/text.h"
#include "os/os.h"

#define LINE_MOST 500
#define JSON_MOST 900

SEALED void (*report_details)(const void *mem);

SEALED static int json_fd = -1;

/* A line under construction; it begins with the library's name. */
struct line {
	struct text text;
	char buffer[LINE_MOST];
};

static void line_begin(struct line *line)
{
	line->text = (struct text){.buffer = line->buffer, .capacity = LINE_MOST - 1};
	text_put(&line->text, "loam: ");
}

static void line_end(struct line *line)
{
	line->buffer[line->text.length++] = '\n';
	os_write(2, line->buffer, line->text.length);
}

void report_line(const char *format, ...)
{
	struct line line;
	va_list arguments;

	line_begin(&line);
	va_start(arguments, format);
	text_format(&line.text, format, arguments);
	va_end(arguments);
	line_end(&line);
}

void report_to(int fd)
{
	json_fd = fd;
}

/* --- what is said -------------------------------------------------------------------------- */

/* A report: who called, what is wrong, of what, and a number that belongs to it. */
struct report {
	const char *call; /* NULL: nobody's call is to blame */
	const char *what;
	struct report_about about;
	const char *note; /* NULL, or what `number` is, as "write at offset" */
	size_t number;
};

static void put_about(struct text *t, const struct report_about *about)
{
	if (about->start)
		text_printf(t, ": %zu bytes inside the %s of %zu bytes at %p",
			    (size_t)((uintptr_t)about->mem - (uintptr_t)about->start), about->kind,
			    about->usable, about->start);
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
	text_printf(t, "%s: %p", r->what, r->about.mem);
	put_about(t, &r->about);
	if (r->note)
		text_printf(t, ", %s %zu", r->note, r->number);
	text_put(t, " (");
	if (r->about.arena)
		text_printf(t, "arena %zu, ", (size_t)r->about.arena);
	text_printf(t, "thread %p)", (const void *)thread_self());
	line_end(&line);
}

/* --- the same as JSON ---------------------------------------------------------------------- */

/* All strings are loam's own, and need no escapes. */
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

static void say_json(const struct report *r)
{
	char buffer[JSON_MOST];
	struct text t = {.buffer = buffer, .capacity = sizeof buffer};

	text_put(&t, "{\"allocator\":\"loam\"");
	put_string(&t, "call", r->call);
	put_string(&t, "what", r->what);
	put_address(&t, "pointer", r->about.mem);
	put_string(&t, "kind", r->about.kind);
	put_count(&t, "bytes", r->about.usable);
	put_address(&t, "start", r->about.start);
	put_string(&t, "state", r->about.state);
	put_count(&t, "arena", r->about.arena);
	if (r->note)
		text_printf(&t, ",\"note\":\"%s\",\"number\":%zu", r->note, r->number);
	put_address(&t, "thread", (const void *)thread_self());
	text_put(&t, "}\n");
	os_write(json_fd, buffer, t.length);
}

/* What lies around may be unmapped by another thread: who faults in here says no more. */
static void say_more(const struct report *r)
{
	static bool saying;

	if (options.report != REPORT_FULL || !report_details ||
	    __atomic_exchange_n(&saying, true, __ATOMIC_RELAXED))
		return;
	report_details(r->about.mem);
	store_relaxed(&saying, false);
}

static void make(struct report r)
{
	say(&r);
	if (json_fd >= 0)
		say_json(&r);
	say_more(&r);
}

/* --- misuse -------------------------------------------------------------------------------- */

static void misuse(struct report r)
{
	if (!options.harden)
		return;
	make(r);
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

void report_wrong_size(const char *call, struct report_about about, size_t size)
{
	misuse((struct report){call, "invalid size", about, "freed as one of", size});
}

void report_overflow(const char *call, struct report_about about, size_t offset)
{
	misuse((struct report){call, "heap buffer overflow", about, "overwritten at byte", offset});
}

void report_write_after_free(const char *call, struct report_about about)
{
	misuse((struct report){.call = call, .what = "write after free", .about = about});
}

void report_access(const char *what, struct report_about about)
{
	make((struct report){.what = what, .about = about});
}

void report_corruption(const char *what, struct report_about about)
{
	make((struct report){.what = what, .about = about});
	os_abort();
}

void report_check(const char *cond, const char *file, int line)
{
	report_line("%s:%zu: does not hold: %s", file, (size_t)line, cond);
	os_abort();
}

bool report_expect(const char *label, const char *a_text, uint64_t a, const char *b_text, uint64_t b)
{
	if (a == b)
		return true;
	report_line("%s does not hold: %s is %zu, %s is %zu", label, a_text, (size_t)a, b_text,
		    (size_t)b);
	return false;
}
