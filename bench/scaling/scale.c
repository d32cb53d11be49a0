/*
 * Runs a program on simulated processors, one for each of its threads, and says what moved between
 * their caches.
 *
 *	scale -o FILE [OPTIONS] -- PROGRAM ARGS
 *
 * The program runs freely until it sends itself SIGTRAP. Then all its threads are stopped, and run
 * one instruction at a time (simulate.h), in the caches of coherence.h, until enough calls of the
 * allocator have been counted; then it is killed. bench/scale makes tables of what FILE gets.
 *
 * Exit status: 0; 2 for trouble; 3 if the simulation was proved wrong (-v); 77 where ptrace or a
 * filter of system calls is not permitted.
 */
#include "simulate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: scale -o FILE [OPTIONS] -- PROGRAM ARGS\n"
	"  -o FILE        where the figures go, as JSON\n"
	"  -l FILE        the shared library whose malloc is meant; libc without\n"
	"  -e NAME=VALUE  in the program's environment\n"
	"  -p N           processors that the program is told of\n"
	"  -w N           calls of the allocator that warm up the caches\n"
	"  -n N           calls of the allocator that are counted\n"
	"  -m N           instructions at most\n"
	"  -s             all instructions are stepped\n"
	"  -v             all instructions are stepped, and what is known of them is verified\n";

struct options {
	const char *output, *library;
	unsigned processors;
	struct limits limits;
	char **argv;
};

static uint64_t number(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (end == text || *end || *text == '-')
		fail("%s is no number", text);
	return value;
}

static struct options read_options(int argc, char **argv)
{
	struct options o = {.processors = 8,
			    .limits = {.warm_up = 1000, .operations = 10000, .steps = UINT64_MAX}};
	int c;

	while ((c = getopt(argc, argv, "+o:l:e:p:w:n:m:sv")) != -1) {
		switch (c) {
		case 'o':
			o.output = optarg;
			break;
		case 'l':
			o.library = optarg;
			break;
		case 'e':
			if (!strchr(optarg, '=') || putenv(optarg))
				fail("%s is no NAME=VALUE", optarg);
			break;
		case 'p':
			o.processors = (unsigned)number(optarg);
			break;
		case 'w':
			o.limits.warm_up = number(optarg);
			break;
		case 'n':
			o.limits.operations = number(optarg);
			break;
		case 'm':
			o.limits.steps = number(optarg);
			break;
		case 's':
			o.limits.step_all = true;
			break;
		case 'v':
			o.limits.verify = true;
			break;
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
	o.argv = argv + optind;
	if (!o.output || !*o.argv || !o.processors || o.processors > MAX_PROCESSORS) {
		fputs(usage, stderr);
		exit(2);
	}
	return o;
}

/* ---- The figures. */

/* Lines that moved in the allocator, of blocks and of its own. */
static void own_lines(const struct coherence *c, uint64_t own[2], uint64_t blocks[2])
{
	for (size_t i = 0; i < c->nslots; i++)
		for (unsigned far = 0; far < 2; far++)
			(c->slot[i].in_block ? blocks : own)[far] +=
				c->slot[i].moved[ALLOCATOR][far];
}

static void write_pair(FILE *f, const char *name, const uint64_t pair[2])
{
	fprintf(f, " \"%s\": {\"near\": %" PRIu64 ", \"far\": %" PRIu64 "},\n", name, pair[0],
		pair[1]);
}

static void write_counts(FILE *f, struct simulation *s)
{
	const struct counts *c = &s->counts;
	uint64_t own[2] = {0}, blocks[2] = {0};

	own_lines(&s->coherence, own, blocks);
	fprintf(f, " \"enough\": %s, \"operations\": %" PRIu64 ", \"time\": %" PRIu64 ",\n",
		s->warm && c->operations > s->limits.operations ? "true" : "false", c->operations,
		c->ended - c->began);
	fprintf(f, " \"steps\": %" PRIu64 ", \"stepped\": %" PRIu64 ", \"unknown\": %" PRIu64 ",\n",
		c->steps, c->stepped, c->unknown);
	write_pair(f, "program", c->moved[PROGRAM]);
	write_pair(f, "allocator", c->moved[ALLOCATOR]);
	write_pair(f, "blocks", blocks);
	write_pair(f, "own", own);
	fprintf(f, " \"upgrades\": {\"program\": %" PRIu64 ", \"allocator\": %" PRIu64 "},\n",
		c->upgrades[PROGRAM], c->upgrades[ALLOCATOR]);
	fprintf(f, " \"invalidated\": {\"program\": %" PRIu64 ", \"allocator\": %" PRIu64 "},\n",
		c->invalidated[PROGRAM], c->invalidated[ALLOCATOR]);
	fprintf(f,
		" \"atomics\": %" PRIu64 ", \"system_calls\": %" PRIu64
		", \"memory_calls\": %" PRIu64 ", \"waits\": %" PRIu64 ",\n",
		c->atomics, c->calls, c->memory_calls, c->waits);
}

static void write_locks(FILE *f, const struct locks *l)
{
	const char *comma = "";

	fprintf(f, " \"locks\": [");
	for (size_t i = 0; i < MAX_LOCKS; i++) {
		const struct lock_word *w = &l->word[i];

		if (!w->acquisitions)
			continue;
		fprintf(f,
			"%s\n  {\"address\": %" PRIu64 ", \"acquisitions\": %" PRIu64
			", \"waits\": %" PRIu64 ", \"held\": %" PRIu64 "}",
			comma, w->address, w->acquisitions, w->waits, w->held);
		comma = ",";
	}
	fprintf(f, "],\n");
}

static void write_sites(FILE *f, struct simulation *s)
{
	const char *comma = "";

	fprintf(f, " \"sites\": [");
	for (size_t i = 0; i < MAX_SITES; i++) {
		const struct site *site = &s->site[i];

		if (!site->used)
			continue;
		fprintf(f, "%s\n  [%" PRIu64 ", %" PRIu64 ", %s, %u, %u, %u]", comma, site->ip,
			site->line * LINE_BYTES,
			coherence_line(&s->coherence, site->line * LINE_BYTES)->in_block ? "false"
											 : "true",
			site->moved[0], site->moved[1], site->upgrades);
		comma = ",";
	}
	fprintf(f, "],\n");
}

/* Mappings as [low, high, offset, path], to name addresses by. */
static void write_maps(FILE *f, pid_t pid)
{
	char path[64], line[4352], name[4096];
	const char *comma = "";
	FILE *maps;

	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	fprintf(f, " \"maps\": [");
	while (maps && fgets(line, sizeof line, maps)) {
		uint64_t low, high, offset;

		name[0] = 0;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %4095[^\n\"\\]",
			   &low, &high, &offset, name) < 3)
			continue;
		fprintf(f, "%s\n  [%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", \"%s\"]", comma, low,
			high, offset, name);
		comma = ",";
	}
	fprintf(f, "]}\n");
	if (maps)
		fclose(maps);
}

static void write_figures(const char *path, struct simulation *s)
{
	FILE *f = fopen(path, "w");

	if (!f)
		fail("cannot write to %s: %s", path, strerror(errno));
	fprintf(f, "{");
	write_counts(f, s);
	write_locks(f, &s->locks);
	write_sites(f, s);
	write_maps(f, s->process->pid);
	if (fclose(f))
		fail("cannot write to %s: %s", path, strerror(errno));
}

int main(int argc, char **argv)
{
	struct options o = read_options(argc, argv);
	static struct simulation s;
	struct process process;
	struct entries entries;

	process_start(&process, o.argv, o.processors);
	if (!process_run_to_mark(&process))
		fail("%s ended before its mark", o.argv[0]);
	if (!entries_find(&entries, process.pid, o.library))
		fail("%s is not in the program, or has no malloc", o.library ? o.library : "libc");
	process_gather(&process);
	simulation_init(&s, &process, &entries, o.limits);
	simulate(&s);
	if (!coherence_check(&s.coherence))
		fail("the caches are not coherent");
	write_figures(o.output, &s);
	process_kill(&process);
	return 0;
}
