/*
 * Runs a program and says what it cost: the only thing that runs beside a measured program.
 *
 *   meter -o FILE [-i MILLISECONDS] [-t SECONDS] [-e NAME=VALUE]... [-s PID] -- PROGRAM [ARGS]
 *
 * Times, faults and switches are the kernel's counts (wait4) of the program and of all that it
 * waited for; what it left behind is waited for here, and counted too.  Memory is told twice:
 *
 *   peak_rss_bytes   ru_maxrss: exact, file pages included, of the largest single process.  It
 *                    starts at the size of the process that called exec, so that the program must
 *                    not be started by a large one; hence this small one, linked statically.
 *   samples          anonymous memory (resident less shared pages, of statm) of all processes of
 *                    the tree together, over time.  The library's and the program's own pages are
 *                    files and are left out, as is shared memory; pages that a child still shares
 *                    with its parent after fork count for both.
 *
 * waited is what the program stood ready and had no processor, because others had it (schedstat's
 * run delay).  It is told of programs of one thread only, else 0: among several, whose waiting
 * made the whole longer is not known, and it may have been for each other.
 *
 * The interval grows with the time that has passed, up to -i, so that short programs have samples
 * too; and it is never less than 200 times what a sample cost, so that this process takes half a
 * percent of one processor at most.  When the table of samples is full, each two become the larger
 * one, and the interval doubles.
 *
 * SIGTERM, SIGINT and SIGHUP are passed on to the program.  When it ends, or at the timeout of -t,
 * all that is left of its tree is killed: a daemon would disturb the next run.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_SAMPLES = 4096, /* even */
	MAX_VARIABLES = 64,
	MAX_DEPTH = 64, /* of a tree of processes */
	COST_FACTOR = 200,
	SHORTEST_PART = 64, /* the interval is a 64th of the time that has passed */
};

static const int64_t SECOND = 1000000000, MILLISECOND = 1000000;

static struct {
	const char *file;
	int64_t interval_ns;
	int64_t timeout_ns; /* 0: none */
	char *variable[MAX_VARIABLES];
	unsigned nvariables;
	pid_t sampled; /* 0: the program */
	char **argv;
} options = {.interval_ns = 10000000};

struct sample {
	int64_t ns;
	uint64_t nbytes;
};

static struct sample sample[MAX_SAMPLES];
static unsigned nsamples;
static int64_t least_interval_ns = 1000000;
static uint64_t tree_peak;
static unsigned ntasks;	  /* threads of all processes, as the sample in hand counts them */
static bool many_tasks;	  /* a sample counted more than one */
static int64_t waited_ns; /* of the program, as it ended */
static struct rusage total;

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static _Noreturn void fail(int status, const char *what, const char *name)
{
	fprintf(stderr, "meter: %s: %s\n", name, what);
	exit(status);
}

/* ---- The tree of processes, as /proc tells it. */

/* Reads a file of /proc into text, which ends with a NUL; false if the process is gone. */
static bool read_file(const char *path, char *text, size_t nbytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return false;
	got = read(fd, text, nbytes - 1);
	close(fd);
	text[got > 0 ? got : 0] = 0;
	return got > 0;
}

static uint64_t anonymous_bytes(pid_t pid)
{
	char path[64], text[256];
	unsigned long resident, shared;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	if (!read_file(path, text, sizeof(text)) ||
	    sscanf(text, "%*u %lu %lu", &resident, &shared) != 2 || shared > resident)
		return 0;
	return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t kill_process(pid_t pid)
{
	if (pid != getpid())
		kill(pid, SIGKILL);
	return 0;
}

static uint64_t visit_tree(pid_t pid, uint64_t (*visit)(pid_t), unsigned depth);

/* A process's children are listed by the thread that forked them. */
static uint64_t visit_children(pid_t pid, const char *tid, uint64_t (*visit)(pid_t), unsigned depth)
{
	char path[64], text[4096], *cut;
	uint64_t sum = 0;

	ntasks++;
	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", pid, tid);
	if (!read_file(path, text, sizeof(text)))
		return 0;
	cut = strrchr(text, ' '); /* ends each number; what is behind the last one was cut off */
	*(cut ? cut : text) = '\0';
	for (char *next = text, *end; (pid = (pid_t)strtol(next, &end, 10)) > 0; next = end)
		sum += visit_tree(pid, visit, depth);
	return sum;
}

/* Returns the sum of what visit returned for pid and all below it. */
static uint64_t visit_tree(pid_t pid, uint64_t (*visit)(pid_t), unsigned depth)
{
	char path[64];
	uint64_t sum = visit(pid);
	struct dirent *thread;
	DIR *threads;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	threads = depth < MAX_DEPTH ? opendir(path) : NULL;
	if (!threads)
		return sum;
	while ((thread = readdir(threads)))
		if (thread->d_name[0] != '.')
			sum += visit_children(pid, thread->d_name, visit, depth + 1);
	closedir(threads);
	return sum;
}

/* ---- Samples. */

static void halve_samples(void)
{
	for (unsigned i = 0; i < MAX_SAMPLES / 2; i++) {
		struct sample a = sample[2 * i], b = sample[2 * i + 1];

		sample[i] = a.nbytes > b.nbytes ? a : b;
	}
	nsamples = MAX_SAMPLES / 2;
	least_interval_ns *= 2;
	options.interval_ns *= 2;
}

static void take_sample(pid_t root, int64_t now)
{
	uint64_t nbytes;

	ntasks = 0;
	nbytes = visit_tree(root, anonymous_bytes, 0);
	if (ntasks > 1)
		many_tasks = true;
	if (nbytes == 0)
		return;
	if (nbytes > tree_peak)
		tree_peak = nbytes;
	if (nsamples == MAX_SAMPLES)
		halve_samples();
	sample[nsamples++] = (struct sample){now, nbytes};
}

/* Takes a sample and returns when to take the next. */
static int64_t sample_once(pid_t root, int64_t started)
{
	int64_t before = now_ns(CLOCK_PROCESS_CPUTIME_ID), now = now_ns(CLOCK_MONOTONIC);
	int64_t interval = (now - started) / SHORTEST_PART, cost;

	take_sample(root, now);
	cost = (now_ns(CLOCK_PROCESS_CPUTIME_ID) - before) * COST_FACTOR;
	if (interval > options.interval_ns)
		interval = options.interval_ns;
	if (interval < least_interval_ns)
		interval = least_interval_ns;
	return now + (interval > cost ? interval : cost);
}

/* ---- The program. */

static sigset_t awaited(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1); /* ends the program and all below it */
	return set;
}

static _Noreturn void become_program(int failed, const sigset_t *mask)
{
	int why;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, mask, NULL);
	for (unsigned i = 0; i < options.nvariables; i++)
		putenv(options.variable[i]);
	execvp(options.argv[0], options.argv);
	why = errno;
	if (write(failed, &why, sizeof(why)) < 0)
		_exit(126);
	_exit(127);
}

/* Starts the program in a group of its own; returns when it has called exec. */
static pid_t start_program(const sigset_t *mask)
{
	int ends[2], why;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) || (pid = fork()) < 0)
		fail(126, strerror(errno), "cannot start a process");
	if (pid == 0)
		become_program(ends[1], mask);
	close(ends[1]);
	if (read(ends[0], &why, sizeof(why)) == sizeof(why))
		fail(127, strerror(why), options.argv[0]);
	close(ends[0]);
	return pid;
}

static void add_time(struct timeval *sum, struct timeval more)
{
	sum->tv_sec += more.tv_sec + (sum->tv_usec + more.tv_usec) / 1000000;
	sum->tv_usec = (sum->tv_usec + more.tv_usec) % 1000000;
}

static void add_usage(const struct rusage *more)
{
	add_time(&total.ru_utime, more->ru_utime);
	add_time(&total.ru_stime, more->ru_stime);
	total.ru_minflt += more->ru_minflt;
	total.ru_majflt += more->ru_majflt;
	total.ru_nvcsw += more->ru_nvcsw;
	total.ru_nivcsw += more->ru_nivcsw;
	if (more->ru_maxrss > total.ru_maxrss)
		total.ru_maxrss = more->ru_maxrss;
}

/* Of a process that has ended and is not reaped yet. */
static int64_t waited_of(pid_t pid)
{
	char path[64], text[128];
	long long waited;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	if (!read_file(path, text, sizeof(text)) || sscanf(text, "%*u %lld", &waited) != 1)
		return 0;
	return waited;
}

/* Takes in what has ended; true if the program has. */
static bool reap(pid_t program, int *status)
{
	siginfo_t ended = {0};
	struct rusage usage;

	while (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid) {
		if (ended.si_pid == program)
			waited_ns = waited_of(program);
		wait4(ended.si_pid, status, 0, &usage);
		add_usage(&usage);
		if (ended.si_pid == program)
			return true;
		ended.si_pid = 0;
	}
	return false;
}

/* Its orphans become our children, so that one round may uncover more. */
static void kill_the_rest(void)
{
	struct rusage usage;

	for (;;) {
		visit_tree(getpid(), kill_process, 0);
		if (wait4(-1, NULL, 0, &usage) < 0)
			return;
		add_usage(&usage);
	}
}

/* Samples until the program ends; returns its wait status.  Kills it when its time is up. */
static int watch(pid_t program, int64_t started, bool *timed_out)
{
	int64_t due = started, end = options.timeout_ns ? started + options.timeout_ns : INT64_MAX;
	pid_t root = options.sampled ? options.sampled : program;
	sigset_t set = awaited();
	int status, signum;

	for (;;) {
		int64_t now = now_ns(CLOCK_MONOTONIC);

		if (now >= end && !*timed_out) {
			*timed_out = true;
			kill(program, SIGKILL);
		}
		if (now >= due)
			due = sample_once(root, started);
		int64_t left = (due < end || *timed_out ? due : end) - now;
		struct timespec wait = {left > 0 ? left / SECOND : 0, left > 0 ? left % SECOND : 0};

		signum = sigtimedwait(&set, NULL, &wait);
		if (signum > 0 && signum != SIGCHLD)
			kill(program, signum);
		else if (signum == SIGCHLD && reap(program, &status))
			return status;
	}
}

/* ---- The report. */

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void write_report(int64_t started, int64_t ended, int status, bool timed_out)
{
	FILE *out = fopen(options.file, "we");

	if (!out)
		fail(2, strerror(errno), options.file);
	fprintf(out, "{\"start\": %.9f, \"wall\": %.9f, \"waited\": %.9f,\n", (double)started / 1e9,
		(double)(ended - started) / 1e9, many_tasks ? 0 : (double)waited_ns / 1e9);
	fprintf(out, " \"user\": %.6f, \"system\": %.6f,\n", seconds(total.ru_utime),
		seconds(total.ru_stime));
	fprintf(out, " \"peak_rss_bytes\": %ld, \"tree_peak_bytes\": %llu,\n",
		total.ru_maxrss * 1024, (unsigned long long)tree_peak);
	fprintf(out, " \"minor_faults\": %ld, \"major_faults\": %ld,\n", total.ru_minflt,
		total.ru_majflt);
	fprintf(out, " \"voluntary_switches\": %ld, \"involuntary_switches\": %ld,\n",
		total.ru_nvcsw, total.ru_nivcsw);
	fprintf(out, " \"status\": %d, \"timed_out\": %s, \"samples\": [",
		WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status),
		timed_out ? "true" : "false");
	for (unsigned i = 0; i < nsamples; i++)
		fprintf(out, "%s[%.6f, %llu]", i ? ", " : "", (double)sample[i].ns / 1e9,
			(unsigned long long)sample[i].nbytes);
	fprintf(out, "]}\n");
	if (fclose(out))
		fail(2, strerror(errno), options.file);
}

/* ---- Options. */

static double positive(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0 && value < 1e9))
		fail(2, "not a positive number", text);
	return value;
}

static void add_variable(char *text)
{
	if (!strchr(text, '=') || options.nvariables == MAX_VARIABLES)
		fail(2, "not NAME=VALUE, or one too many", text);
	options.variable[options.nvariables++] = text;
}

static void read_options(int argc, char **argv)
{
	for (int option; (option = getopt(argc, argv, "+o:i:t:e:s:")) != -1;) {
		if (option == 'o')
			options.file = optarg;
		else if (option == 'i')
			options.interval_ns = (int64_t)(positive(optarg) * (double)MILLISECOND);
		else if (option == 't')
			options.timeout_ns = (int64_t)(positive(optarg) * (double)SECOND);
		else if (option == 'e')
			add_variable(optarg);
		else if (option == 's')
			options.sampled = (pid_t)positive(optarg);
		else
			exit(2); /* getopt has said why */
	}
	options.argv = argv + optind;
	if (!options.file || !options.argv[0])
		fail(2, "-o FILE and a program are needed", "usage");
}

int main(int argc, char **argv)
{
	sigset_t set = awaited(), before;
	int64_t started, ended;
	bool timed_out = false;
	pid_t program;
	int status;

	read_options(argc, argv);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigprocmask(SIG_BLOCK, &set, &before);
	started = now_ns(CLOCK_MONOTONIC);
	program = start_program(&before);
	status = watch(program, started, &timed_out);
	ended = now_ns(CLOCK_MONOTONIC);
	kill_the_rest();
	write_report(started, ended, status, timed_out);
	return 0;
}
