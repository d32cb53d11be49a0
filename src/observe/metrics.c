/* Writes the counters to a file; see metrics.h. */
#include "observe/metrics.h"

#include "base/options.h"
#include "cache/upkeep.h"
#include "observe/counters.h"
#include "observe/error_words.h"
#include "observe/proc.h"
#include "observe/writer.h"
#include "os/files.h"
#include "os/line.h"
#include "os/os.h"
#include "os/process.h"
#include "report/json.h"

#define PATH_MOST 1100 /* of an option, with numbers in it */

static const char *path;       /* constant from the start on; NULL: nothing is written */
static uint64_t last_write;    /* os_clock() */
static bool busy;	       /* a thread writes; atomic */
static struct os_file said_to; /* standard error at first */
static char labels[560];       /* of this process, or of the parent that it has them from */
static uint64_t labels_of;     /* its number */

/* --- the text -------------------------------------------------------------------------------- */

static const char *last_part(const char *file)
{
	const char *part = file;

	for (; *file; file++)
		if (*file == '/')
			part = file + 1;
	return part;
}

static bool ends_in(const char *string, const char *end)
{
	size_t length = text_length(string), n = text_length(end);

	while (n && length && string[length - 1] == end[n - 1])
		n--, length--;
	return !n;
}

/* The program as `loam metrics` names it. Escapes are those of JSON. */
static void make_labels(void)
{
	static const char deleted[] = " (deleted)"; /* says the kernel behind what was replaced */
	char program[1024];
	struct text t = {.buffer = labels, .capacity = sizeof labels - 1};

	proc_program(program, sizeof program);
	if (ends_in(program, deleted))
		program[text_length(program) - (sizeof deleted - 1)] = '\0';
	labels_of = os_process();
	text_put(&t, "program=\"");
	json_put(&t, last_part(program));
	text_printf(&t, "\",pid=\"%zu\"", (size_t)labels_of);
	labels[t.length] = '\0';
}

static struct word part_to(const char *start, char end)
{
	struct word part = {start, 0};

	while (start[part.length] != end)
		part.length++;
	return part;
}

static void put_line(struct text *t, const char *what, struct word name, const char *end)
{
	text_printf(t, "%sloam_", what);
	text_put_bytes(t, name.start, name.length);
	text_put(t, end);
}

/* line is counter_lines()' of it; returns the next. In the text format a counter's name ends in
   _total in all its lines, in OpenMetrics in the one of its value alone. */
static const char *put_counter(struct writer *w, enum counter which, const char *line,
			       uint64_t value, bool classic)
{
	struct word name = part_to(line, ' '), help = part_to(name.start + name.length, '\n');
	bool is_total = counter_kinds[which] == TOTAL;
	const char *end = is_total ? "_total" : "", *title = classic ? end : "";
	struct text *t = writer_room(w);

	put_line(t, "# HELP ", name, title);
	text_put_bytes(t, help.start, help.length);
	put_line(t, "\n# TYPE ", name, title);
	text_put(t, is_total ? " counter\n" : " gauge\n");
	if (!classic && counter_units[which] != NUMBER)
		put_line(t, "# UNIT ", name, " bytes\n");
	put_line(t, "", name, end);
	text_printf(t, "{%s} %zu\n", labels, (size_t)value);
	return help.start + help.length + 1;
}

/* 0, or the number of an error. */
static int put_all(int fd, bool classic)
{
	const char *line = counter_lines();
	struct writer w;
	struct counters counters;

	writer_begin(&w, fd);
	if (labels_of != os_process())
		make_labels();
	counters_collect(&counters);
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		line = put_counter(&w, i, line, counters.of[i], classic);
	if (!classic)
		text_put(writer_room(&w), "# EOF\n");
	writer_flush(&w);
	return w.error;
}

/* --- the file -------------------------------------------------------------------------------- */

static void put_expanded(struct text *t, const char *from)
{
	for (const char *c = from; *c; c++) {
		if (c[0] == '%' && c[1] == 'p') {
			text_printf(t, "%zu", (size_t)os_process());
			c++;
		} else {
			text_put_bytes(t, c, 1);
		}
	}
}

/* The path and what is put behind it, with the process's number in place of each %p. */
static void expand(char buffer[PATH_MOST], const char *behind)
{
	struct text t = {.buffer = buffer, .capacity = PATH_MOST - 1};

	put_expanded(&t, path);
	put_expanded(&t, behind);
	buffer[t.length] = '\0';
}

/* 0, or the number of an error. Several processes may write the same file, each by a new one of its
   own. A process that is killed in the middle leaves its new one, which the next one of that number
   removes. */
static int replace(void)
{
	char name[PATH_MOST], new_name[PATH_MOST];
	int fd, error;

	expand(name, "");
	expand(new_name, ".%p.new");
	os_remove(new_name);
	fd = os_create_high(new_name, OS_SHARED);
	if (fd < 0)
		return -fd;
	error = put_all(fd, ends_in(path, ".prom"));
	os_close(fd);
	if (!error)
		error = -os_rename(new_name, name);
	if (error)
		os_remove(new_name);
	return error;
}

/* An error is said once, until another one or none follows; and only where standard error is what
   it was at first, since a daemon may have closed it and opened a file of its own there. */
static void write_now(void)
{
	static int last_error;
	char words[ERROR_WORDS_MOST];
	int error;

	if (__atomic_exchange_n(&busy, true, __ATOMIC_ACQUIRE))
		return;
	error = replace();
	if (error && error != last_error && os_is_still(&said_to))
		line_say("metrics: %s cannot be written: %s", path, error_words(error, words));
	last_error = error;
	store_release(&busy, false);
}

/* Another thread may have looked at the clock later, and written. */
static void write_if_due(uint64_t now)
{
	uint64_t last = load_relaxed(&last_write);

	if ((int64_t)(now - last) < (int64_t)(options.metrics_interval * OS_SECOND))
		return;
	if (__atomic_compare_exchange_n(&last_write, &last, now, false, __ATOMIC_RELAXED,
					__ATOMIC_RELAXED))
		write_now();
}

/* Whether the name is that of a link, a device, a pipe or a socket, and says so: renaming the new
   file to it would remove that, as root even /dev/null. */
static bool is_special(void)
{
	char name[PATH_MOST];

	expand(name, "");
	if (!os_is_special(name))
		return false;
	line_say("metrics: %s is a link, device or pipe, and is not replaced: nothing is written",
		 name);
	return true;
}

void metrics_start(const char *wanted)
{
	path = wanted;
	if (is_special()) {
		path = NULL;
		return;
	}
	said_to.fd = 2;
	if (!os_identify(2, &said_to.device, &said_to.inode))
		said_to = (struct os_file){.fd = -1, .inode = 1}; /* closed, and never still that */
	write_now();
	store_relaxed(&last_write, os_clock());
	upkeep_look = write_if_due;
}

void metrics_finish(void)
{
	if (path)
		write_now();
}

void metrics_recover(void)
{
	store_relaxed(&busy, false);
}
