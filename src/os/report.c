/* Last words, as base/report.h promises them: they need the system, and so stand here. */
#include "base/report.h"

#include "base/text.h"
#include "os/os.h"

#define LINE_MOST 500

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

/* "loam: free(): WHAT 0x...: object of 48 bytes (thread 0x...)", and the end of the program. */
static _Noreturn void die(const char *call, const char *what, struct report_about about)
{
	struct line line;

	line_begin(&line);
	text_printf(&line.text, call ? "%s(): %s %p" : "heap corruption%s: %s %p", call ? call : "",
		    what, about.mem);
	if (about.start)
		text_printf(&line.text, ": %zu bytes inside the %s of %zu bytes at %p",
			    (size_t)((uintptr_t)about.mem - (uintptr_t)about.start), about.kind,
			    about.usable, about.start);
	else if (about.kind && about.usable)
		text_printf(&line.text, ": %s of %zu bytes", about.kind, about.usable);
	else if (about.kind)
		text_printf(&line.text, ": %s", about.kind);
	text_printf(&line.text, " (thread %p)", (const void *)thread_self());
	line_end(&line);
	os_abort();
}

void report_double_free(const char *call, struct report_about about)
{
	die(call, "double free of", about);
}

void report_interior_pointer(const char *call, struct report_about about)
{
	die(call, "invalid pointer", about);
}

void report_misaligned_pointer(const char *call, struct report_about about)
{
	die(call, "misaligned pointer", about);
}

void report_stack_pointer(const char *call, struct report_about about)
{
	about.kind = "on the caller's stack";
	die(call, "invalid pointer", about);
}

void report_metadata_pointer(const char *call, struct report_about about)
{
	about.kind = "in loam's own memory";
	die(call, "invalid pointer", about);
}

void report_unknown_pointer(const char *call, struct report_about about)
{
	about.kind = "no allocator gave it, or it was freed long ago";
	die(call, "invalid pointer", about);
}

void report_corruption(const char *what, struct report_about about)
{
	die(NULL, what, about);
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
