/*
 * Replays the trace of a program's allocations (observe/trace_format.h) under the allocator that
 * this process has: replay TRACE.
 *
 *   replay [--fill all|edges] [--latency] TRACE    decodes the trace, and runs it
 *   replay --prepare PLAN TRACE                    decodes it to a file, which stands for it then
 *   replay --counts TRACE                          says what is in it
 *
 * Standard output gets a line of counts, the same under every allocator, standard error what was
 * measured, and the file that BENCH_REPORT names both, as JSON.
 *
 * Where the trace is cut off or damaged, a line says how and at which byte, what came before is
 * replayed, and the status is 1.  It is 1 too where a block lost what was written into it, and 2
 * where nothing can be replayed.
 */
#include "fill.h"
#include "plan.h"
#include "run.h"
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SAMPLES = 2000 };

static struct {
	const char *trace;
	const char *prepare; /* the file to write, or NULL */
	bool counts, latency;
} options;

static int status; /* that the program ends with */

_Noreturn static void usage(const char *what, const char *arg)
{
	dprintf(2,
		"replay: %s%s\nusage: replay [--fill all|edges] [--latency] TRACE\n"
		"       replay --prepare PLAN TRACE\n       replay --counts TRACE\n",
		what, arg);
	_exit(2);
}

static void read_fill(const char *how)
{
	if (!strcmp(how, "edges"))
		fill_small = 2 * FILL_EDGE + 8;
	else if (strcmp(how, "all"))
		usage("--fill is all or edges, not ", how);
}

static void read_options(char **args)
{
	for (; *args; args++) {
		if (!strcmp(*args, "--latency"))
			options.latency = true;
		else if (!strcmp(*args, "--counts"))
			options.counts = true;
		else if (!strcmp(*args, "--prepare") && args[1])
			options.prepare = *++args;
		else if (!strcmp(*args, "--fill") && args[1])
			read_fill(*++args);
		else if (**args == '-')
			usage("no such option, or nothing after it: ", *args);
		else if (options.trace)
			usage("one trace at a time, not also ", *args);
		else
			options.trace = *args;
	}
	if (!options.trace)
		usage("which trace?", "");
}

/* ---- The plan of a trace. */

/*
 * Writes the plan of the trace, which has these bytes, to a file; says what is wrong with the
 * trace, and keeps what is to be replayed of it.  Returns the plan's bytes.
 */
static size_t decode(const void *bytes, size_t nbytes, int fd, const char *path)
{
	static struct trace_reader reader;

	if (!trace_open(&reader, bytes, nbytes))
		table_fail(options.trace, reader.problem);
	nbytes = plan_build(&reader, fd, path);
	if (*reader.problem)
		dprintf(2, "replay: %s: %s\n", options.trace, reader.problem);
	status = reader.state == TRACE_DAMAGED;
	return nbytes;
}

/* Opens the file as a plan, or as a trace whose plan is made first. */
static struct plan open_plan(void)
{
	const char *path = options.prepare ? options.prepare : "a temporary file";
	size_t nbytes, plan_bytes;
	int fd = table_open(options.trace, &nbytes), plan_fd;
	void *bytes = table_map_file(fd, options.trace, nbytes, false);
	struct plan plan;

	close(fd);
	if (plan_open(&plan, bytes, nbytes))
		return plan;
	plan_fd = options.prepare ? table_create(path) : table_temporary();
	plan_bytes = decode(bytes, nbytes, plan_fd, path);
	table_unmap(bytes, nbytes);
	if (!plan_open(&plan, table_map_file(plan_fd, path, plan_bytes, false), plan_bytes))
		table_fail(path, "the plan cannot be read again");
	close(plan_fd);
	return plan;
}

/* ---- What is said. */

/* dprintf() would allocate. */
__attribute__((format(printf, 2, 3))) static void print(int fd, const char *format, ...)
{
	char line[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (write(fd, line, (size_t)n) != n)
		table_fail("output", strerror(errno));
}

static const char *state_name(enum trace_state state)
{
	return state == TRACE_WHOLE ? "whole" : state == TRACE_DAMAGED ? "damaged" : "unfinished";
}

/* "name": value, ... of what is in the trace. */
static void print_counts(int fd, const struct plan_header *header)
{
	const struct plan_counts *c = &header->counts;
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{"events", c->events},
		{"malloc", c->calls[TRACE_MALLOC]},
		{"calloc", c->calls[TRACE_CALLOC]},
		{"aligned", c->calls[TRACE_ALIGNED]},
		{"realloc", c->calls[TRACE_REALLOC]},
		{"free", c->calls[TRACE_FREE]},
		{"null_frees", c->null_frees},
		{"realloc_frees", c->realloc_frees},
		{"failed", c->failed},
		{"inherited_frees", c->inherited_frees},
		{"inherited_reallocs", c->inherited_reallocs},
		{"lost", c->lost},
		{"lost_frees", c->lost_frees},
		{"threads", c->threads},
		{"bytes", c->bytes},
		{"peak_live_bytes", c->peak_live_bytes},
		{"peak_live_blocks", c->peak_live_blocks},
		{"last_live_bytes", c->live_bytes},
		{"last_live_blocks", c->live_blocks},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		print(fd, "\"%s\": %" PRIu64 ", ", rows[i].name, rows[i].value);
	print(fd, "\"state\": \"%s\"", state_name(header->state));
}

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

static void print_latency(int fd, const struct latency *latency)
{
	static const char *const names[RUN_CALLS] = {"malloc", "calloc", "realloc", "free"};

	print(fd, ",\n \"latency\": {");
	for (int i = 0; i < RUN_CALLS; i++) {
		const struct latency *l = &latency[i];

		print(fd,
		      "%s\n  \"%s\": {\"calls\": %" PRIu64 ", \"mean\": %.1f, \"p50\": %.1f, "
		      "\"p99\": %.1f, \"p99.9\": %.1f, \"p99.99\": %.1f, \"max\": %.1f}",
		      i ? "," : "", names[i], l->count, latency_mean(l), latency_quantile(l, 0.5),
		      latency_quantile(l, 0.99), latency_quantile(l, 0.999),
		      latency_quantile(l, 0.9999), latency_most(l));
	}
	print(fd, "}");
}

/* Live bytes as each epoch ended, or every nth: after each live_every events. */
static void print_live(int fd, const struct plan *plan, const struct run_result *result)
{
	uint32_t every = plan->header->nepochs / MOST_SAMPLES + 1;

	print(fd, ",\n \"live_every\": %" PRIu32 ", \"live\": [[%.6f, 0]", every * PLAN_EPOCH_STEPS,
	      seconds(result->began_ns));
	for (uint32_t i = every - 1; i < plan->header->nepochs; i += every)
		print(fd, ", [%.6f, %" PRIu64 "]", seconds(result->epoch_ended_ns[i]),
		      plan->live_bytes[i]);
	print(fd, "]");
}

/* Calls that were made: all but those that had nothing to free. */
static uint64_t operations(const struct plan_header *header)
{
	return header->counts.events - header->counts.inherited_frees;
}

static void write_report(const char *path, const struct plan *plan, const struct run_result *result)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0)
		table_fail(path, "the report (BENCH_REPORT) cannot be written");
	print(fd, "{\"name\": \"replay\", \"operations\": %" PRIu64 ", \"seconds\": %.6f,\n ",
	      operations(plan->header), seconds(result->ended_ns - result->began_ns));
	print(fd, "\"table_bytes\": 0, \"file_bytes\": %" PRIu64 ",\n ",
	      plan->header->nbytes + result->table_bytes);
	print_counts(fd, plan->header);
	print_live(fd, plan, result);
	if (result->latency)
		print_latency(fd, result->latency);
	print(fd, "}\n");
	close(fd);
}

static void replay(const struct plan *plan)
{
	struct run_result result = run_plan(plan, options.latency);
	double took = seconds(result.ended_ns - result.began_ns);
	const char *report = getenv("BENCH_REPORT");

	print(2, "replay: %" PRIu64 " calls in %.3f s, %.1f ns each\n", operations(plan->header),
	      took, operations(plan->header) ? took * 1e9 / (double)operations(plan->header) : 0);
	if (report)
		write_report(report, plan, &result);
}

int main(int argc, char **argv)
{
	struct plan plan;

	read_options(argv + 1);
	plan = open_plan();
	if (!options.counts && !options.prepare)
		replay(&plan);
	print(1, "{");
	print_counts(1, plan.header);
	print(1, "}\n");
	return status;
}
