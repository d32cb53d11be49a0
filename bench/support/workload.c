#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SAMPLES = 2000, FIRST_INTERVAL_NS = 5000000, MAX_FIGURES = 32, MAX_BOUNDS = 1000 };

struct sample {
	uint64_t ns;
	int64_t live;
};

struct figure {
	const char *name;
	double value;
};

static struct {
	const char *name;
	uint64_t seed;
	double scale;
	uint64_t threads; /* 0: the workload's own default */
	uint64_t started_ns;
	size_t table_bytes;
	unsigned used_threads; /* how many of threads[] have counted */
	struct workload_thread *thread;
	struct sample *sample;
	unsigned nsamples;
	uint64_t interval_ns;
	uint64_t next_sample_ns;
	uint64_t mark; /* operations of a thread, or 0: see mark() */
	int64_t peak_live;
	struct figure figure[MAX_FIGURES];
	unsigned nfigures;
	struct sample bound[MAX_BOUNDS]; /* live is the pages bound here */
	unsigned nbounds;
} workload = {.seed = 20250101, .scale = 1};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static _Noreturn void usage(const struct workload_option *own, const char *what, const char *arg)
{
	dprintf(2, "%s: %s: %s\nusage: %s [--seed N] [--scale X] [--threads N]", workload.name,
		what, arg, workload.name);
	for (; own && own->name; own++)
		dprintf(2, " [%s N: %s, now %" PRIu64 "]", own->name, own->about, *own->value);
	dprintf(2, "\n");
	exit(2);
}

static uint64_t whole_number(const struct workload_option *own, const char *text)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (end == text || *end || *text == '-' || errno)
		usage(own, "not a whole number", text);
	return value;
}

static uint64_t *option_value(const struct workload_option *own, const char *name)
{
	if (!strcmp(name, "--seed"))
		return &workload.seed;
	if (!strcmp(name, "--threads"))
		return &workload.threads;
	for (; own && own->name; own++)
		if (!strcmp(name, own->name))
			return own->value;
	return NULL;
}

static void read_options(int argc, char **argv, const struct workload_option *own)
{
	for (int i = 1; i < argc; i += 2) {
		uint64_t *value = option_value(own, argv[i]);
		char *end;

		if (!value && strcmp(argv[i], "--scale"))
			usage(own, "no such option", argv[i]);
		if (i + 1 == argc)
			usage(own, "needs a value", argv[i]);
		if (value) {
			*value = whole_number(own, argv[i + 1]);
			continue;
		}
		workload.scale = strtod(argv[i + 1], &end);
		if (end == argv[i + 1] || *end || !(workload.scale > 0 && workload.scale <= 1000))
			usage(own, "scale is not above 0 and at most 1000", argv[i + 1]);
	}
	if (workload.threads > WORKLOAD_MAX_THREADS)
		usage(own, "too many threads", "at most 1024");
}

static void *map(size_t nbytes)
{
	void *mem = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		workload_no_memory(nbytes);
	return mem;
}

void workload_start(int argc, char **argv, const char *name, const struct workload_option *own)
{
	workload.name = name;
	read_options(argc, argv, own);
	workload.thread = map(WORKLOAD_MAX_THREADS * sizeof *workload.thread);
	workload.sample = map(MAX_SAMPLES * sizeof *workload.sample);
	workload.interval_ns = FIRST_INTERVAL_NS;
	workload.mark = getenv("BENCH_MARK") ? strtoull(getenv("BENCH_MARK"), NULL, 10) : 0;
	workload.started_ns = now_ns();
}

unsigned workload_threads(unsigned default_threads)
{
	return workload.threads ? (unsigned)workload.threads : default_threads;
}

uint64_t workload_seed(void)
{
	return workload.seed;
}

uint64_t workload_scaled(uint64_t n)
{
	double scaled = (double)n * workload.scale;

	return scaled < 1 ? 1 : (uint64_t)scaled;
}

void *workload_table(size_t nbytes)
{
	__atomic_add_fetch(&workload.table_bytes, nbytes, __ATOMIC_RELAXED);
	return map(nbytes);
}

void random_seed(struct random *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = seed += 0x9e3779b97f4a7c15;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
		z = (z ^ z >> 27) * 0x94d049bb133111eb;
		r->state[i] = z ^ z >> 31;
	}
}

struct workload_thread *workload_thread_at(unsigned index)
{
	struct workload_thread *thread = &workload.thread[index];

	if (!thread->random.state[0]) {
		thread->index = index;
		random_seed(&thread->random, workload.seed + index);
		if (index >= workload.used_threads)
			workload.used_threads = index + 1;
	}
	return thread;
}

struct workload_thread *workload_main_thread(void)
{
	return workload_thread_at(0);
}

/* ---- Threads. */

struct start {
	uint64_t (*body)(struct workload_thread *self, void *arg);
	void *arg;
	struct workload_thread *self;
	pthread_barrier_t *barrier;
	uint64_t result;
};

void workload_thread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *),
			    void *arg)
{
	errno = pthread_create(thread, attr, body, arg);
	if (errno) {
		dprintf(2, "%s: a thread cannot be started: %s\n", workload.name, strerror(errno));
		exit(1);
	}
}

static void *run_thread(void *arg)
{
	struct start *start = arg;

	pthread_barrier_wait(start->barrier);
	start->result = start->body(start->self, start->arg);
	return NULL;
}

uint64_t workload_run(unsigned n, uint64_t (*body)(struct workload_thread *self, void *arg),
		      void *arg)
{
	static struct start start[WORKLOAD_MAX_THREADS];
	static pthread_t thread[WORKLOAD_MAX_THREADS];
	pthread_barrier_t barrier;
	uint64_t sum = 0;

	pthread_barrier_init(&barrier, NULL, n);
	for (unsigned i = 0; i < n; i++) {
		start[i] = (struct start){body, arg, workload_thread_at(i), &barrier, 0};
		workload_thread_create(&thread[i], NULL, run_thread, &start[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(thread[i], NULL);
		sum += start[i].result;
	}
	pthread_barrier_destroy(&barrier);
	return sum;
}

/* ---- What was counted. */

int64_t workload_live_bytes(void)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < workload.used_threads; i++)
		sum += __atomic_load_n(&workload.thread[i].live, __ATOMIC_RELAXED);
	return sum;
}

static uint64_t operations(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < workload.used_threads; i++)
		sum += workload.thread[i].operations;
	return sum;
}

/* Tells a tracer, which alone asks for it, that each thread has done so many operations. Once. */
static void mark(void)
{
	if (workload.used_threads < workload.threads)
		return;
	for (unsigned i = 0; i < workload.used_threads; i++)
		if (workload.thread[i].operations < workload.mark)
			return;
	workload.mark = 0;
	raise(SIGTRAP);
}

/* When the table is full every second sample goes, and they are taken half as often. */
void workload_sample(void)
{
	uint64_t now = now_ns();
	int64_t live = workload_live_bytes();

	if (workload.mark)
		mark();
	if (live > workload.peak_live)
		workload.peak_live = live;
	if (now < workload.next_sample_ns)
		return;
	if (workload.nsamples == MAX_SAMPLES) {
		workload.nsamples /= 2;
		workload.interval_ns *= 2;
		for (unsigned i = 0; i < workload.nsamples; i++)
			workload.sample[i] = workload.sample[2 * i];
	}
	workload.sample[workload.nsamples++] = (struct sample){now, live};
	workload.next_sample_ns = now + workload.interval_ns;
}

void workload_figure(const char *name, double value)
{
	if (workload.nfigures < MAX_FIGURES)
		workload.figure[workload.nfigures++] = (struct figure){name, value};
}

void workload_sample_bound(uint64_t nbytes)
{
	if (workload.nbounds < MAX_BOUNDS)
		workload.bound[workload.nbounds++] = (struct sample){now_ns(), (int64_t)nbytes};
}

static void write_curve(FILE *file, const char *name, const struct sample *point, unsigned n)
{
	fprintf(file, ",\n \"%s\": [", name);
	for (unsigned i = 0; i < n; i++)
		fprintf(file, "%s[%.6f, %" PRId64 "]", i ? ", " : "", (double)point[i].ns / 1e9,
			point[i].live);
	fprintf(file, "]");
}

static void write_figures(FILE *file)
{
	fprintf(file, ",\n \"figures\": {");
	for (unsigned i = 0; i < workload.nfigures; i++)
		fprintf(file, "%s\"%s\": %.10g", i ? ", " : "", workload.figure[i].name,
			workload.figure[i].value);
	fprintf(file, "}");
}

static void write_report(const char *path, double seconds)
{
	FILE *file = fopen(path, "w");

	if (!file) {
		dprintf(2, "%s: BENCH_REPORT %s cannot be written: %s\n", workload.name, path,
			strerror(errno));
		exit(2);
	}
	fprintf(file,
		"{\"name\": \"%s\", \"seed\": %" PRIu64 ", \"scale\": %g, \"threads\": %u,\n"
		" \"operations\": %" PRIu64 ", \"seconds\": %.6f,\n"
		" \"table_bytes\": %zu, \"peak_live_bytes\": %" PRId64,
		workload.name, workload.seed, workload.scale, workload.used_threads, operations(),
		seconds, workload.table_bytes, workload.peak_live);
	write_curve(file, "live", workload.sample, workload.nsamples);
	if (workload.nbounds)
		write_curve(file, "bound", workload.bound, workload.nbounds);
	if (workload.nfigures)
		write_figures(file);
	fprintf(file, "}\n");
	fclose(file);
}

int workload_end(uint64_t checksum)
{
	double seconds = (double)(now_ns() - workload.started_ns) / 1e9;
	const char *report = getenv("BENCH_REPORT");

	workload.next_sample_ns = 0;
	workload_sample();
	dprintf(1, "%s %016" PRIx64 "\n", workload.name, checksum);
	dprintf(2, "%s: %.0f operations a second, %" PRId64 " bytes live at most\n", workload.name,
		(double)operations() / seconds, workload.peak_live);
	if (report)
		write_report(report, seconds);
	return 0;
}

void workload_no_memory(size_t nbytes)
{
	dprintf(2, "%s: no memory for %zu bytes\n", workload.name, nbytes);
	exit(1);
}

void workload_refuse(const char *what)
{
	dprintf(2, "%s: %s\n", workload.name, what);
	exit(2);
}
