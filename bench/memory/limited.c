/*
 * 24 phases under a limit: in each the heap is filled to 40 MiB with blocks of one size, and 98%
 * of them are freed at random, half of these by another thread.  Sizes go from 100 KiB down to 512
 * bytes, not evenly, or up (--rising 1).  The limit is 64 MiB, of a memory cgroup where the
 * program may make one, else of the address space (RLIMIT_AS; --address 1 asks for that), which
 * then has 12 MiB more for files and stacks.
 *
 * The phases run in a process of their own, started inside the limit; a phase is finished when all
 * of it is live at once.  What counts is how many the process finishes until it is killed or
 * refused memory.  The tables that hold the blocks' addresses are not charged to it.
 *
 * Stands for: a container that is killed at its limit though half of its heap is free.
 * Cares: operators of containers: whether pages that hold nothing go back before the limit is met.
 * Source: ours, after the phases of Bobby Powers and others, "Mesh: compacting memory management
 * for C/C++ applications" (PLDI 2019), and the kernel's cgroup-v1/memory.rst (2008).
 */
#include "cgroup.h"
#include "resident.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	LEAST = 512, /* bytes of a block */
	SURVIVORS = 50,
	STACK_BYTES = 256 << 10,
	PROGRAM_BYTES = 12 << 20, /* of the address space, for files and stacks */
	MIB = 1 << 20,
	MAX_ARGS = 64
};

/* At 512 bytes 15% of the pages hold one of the survivors. */
static const uint32_t size_of[] = {102400, 64000, 81920, 40960, 51200, 25600, 32000, 12800,
				   20480,  10240, 16000, 5120,	8000,  4000,  6400,  2000,
				   3200,   1280,  2560,	 1000,	1600,  512,   800,   640};
enum { PHASES = sizeof size_of / sizeof *size_of };

/* Shared by the process that measures and the one that runs inside. */
struct shared {
	uint64_t grouped;  /* the limit is a cgroup's */
	uint64_t finished; /* phases */
	uint64_t refused;  /* malloc returned NULL */
	uint64_t peak;	   /* anonymous bytes resident, at the end of a fill */
	struct block block[];
};

struct part {
	struct block *block;
	size_t n;
	uint64_t live;
};

static uint64_t live_mib = 40, limit_mib = 64, by_address, rising, inside;
static struct shared *shared;
static size_t part_room, shared_bytes;
static unsigned nworkers, nthreads;
static uint64_t nphases, part_bytes;
static struct part parts[WORKLOAD_MAX_THREADS];
static pthread_barrier_t meeting;

/* ---- Inside. */

static _Noreturn void end_refused(void)
{
	shared->refused = 1;
	_exit(0);
}

static size_t size_of_phase(uint64_t i)
{
	return size_of[rising ? PHASES - 1 - i % PHASES : i % PHASES];
}

static void fill(struct workload_thread *self, struct part *part, size_t size)
{
	while (part->live + size <= part_bytes && part->n < part_room) {
		unsigned char *mem = malloc(size);

		if (!mem)
			end_refused();
		memset(mem, 1, size);
		part->block[part->n++] = (struct block){mem, size};
		part->live += size;
		workload_count(self, (int64_t)size);
	}
}

/* Moves what is to be freed, chosen at random, behind what stays; returns how many stay. */
static size_t choose(struct random *r, struct part *part)
{
	size_t left = part->n / SURVIVORS;

	for (size_t i = part->n; i > left; i--)
		block_swap(&part->block[i - 1], &part->block[random_below(r, i)]);
	return left;
}

/* Frees each second block from first on. */
static void free_half(struct workload_thread *self, struct part *part, size_t first, size_t left)
{
	for (size_t i = left + first; i < part->n; i += 2)
		workload_free(self, part->block[i].mem, part->block[i].nbytes);
}

static void settle(struct part *part, size_t left)
{
	part->n = left;
	part->live = 0;
	for (size_t i = 0; i < left; i++)
		part->live += part->block[i].nbytes;
}

static void phase_is_full(void)
{
	uint64_t now = resident_roughly();

	if (now > shared->peak)
		shared->peak = now;
	shared->finished++;
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	struct part *own = &parts[self->index], *next = &parts[(self->index + 1) % nthreads];
	size_t *left = arg;

	for (uint64_t i = 0; i < nphases; i++) {
		if (self->index < nworkers)
			fill(self, own, size_of_phase(i));
		pthread_barrier_wait(&meeting);
		if (self->index == 0)
			phase_is_full();
		left[self->index] = choose(&self->random, own);
		free_half(self, own, 0, left[self->index]);
		pthread_barrier_wait(&meeting);
		free_half(self, next, 1, left[(self->index + 1) % nthreads]);
		pthread_barrier_wait(&meeting);
		settle(own, left[self->index]);
	}
	return 0;
}

static _Noreturn void run_inside(void)
{
	static size_t left[WORKLOAD_MAX_THREADS];

	pthread_barrier_init(&meeting, NULL, nthreads);
	workload_run(nthreads, body, left);
	_exit(0);
}

/* ---- Outside. */

/* A file in memory, whose pages are charged to this process as it writes them. */
static int shared_make(void)
{
	int fd = memfd_create("blocks", 0);

	if (fd < 0 || ftruncate(fd, (off_t)shared_bytes))
		workload_refuse("a file in memory cannot be made");
	return fd;
}

static void shared_map(int fd)
{
	shared = mmap(NULL, shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		workload_no_memory(shared_bytes);
	for (unsigned i = 0; i < nthreads; i++)
		parts[i].block = shared->block + i * part_room;
}

static _Noreturn void become_inside(int argc, char **argv, int fd, const struct cgroup *group)
{
	struct rlimit stack = {STACK_BYTES, STACK_BYTES}, space;
	char *args[MAX_ARGS + 3], number[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	unsetenv("BENCH_REPORT");
	memcpy(args, argv, (size_t)argc * sizeof *args);
	snprintf(number, sizeof number, "%d", fd);
	args[argc] = "--inside";
	args[argc + 1] = number;
	args[argc + 2] = NULL;
	setrlimit(RLIMIT_STACK, &stack);
	space.rlim_cur = space.rlim_max = limit_mib * MIB + shared_bytes + PROGRAM_BYTES;
	shared->grouped = group && cgroup_join(group);
	if (!shared->grouped && setrlimit(RLIMIT_AS, &space))
		_exit(3);
	execv("/proc/self/exe", args);
	_exit(3);
}

static int run_outside(int argc, char **argv)
{
	int fd = shared_make(), status;
	struct cgroup group;
	bool grouped = !by_address && cgroup_make(&group, limit_mib * MIB);
	pid_t pid;

	shared_map(fd);
	memset(shared, 0, shared_bytes);
	pid = fork();
	if (pid == 0)
		become_inside(argc, argv, fd, grouped ? &group : NULL);
	waitpid(pid, &status, 0);
	workload_figure("grouped", (double)shared->grouped);
	workload_figure("phases", (double)nphases);
	workload_figure("finished", (double)shared->finished);
	workload_figure("killed", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	workload_figure("refused_memory", (double)shared->refused);
	workload_figure("peak", (double)shared->peak);
	if (grouped) {
		workload_figure("charged", (double)cgroup_peak(&group));
		cgroup_remove(&group);
	}
	if (pid < 0 || (WIFEXITED(status) && WEXITSTATUS(status)))
		workload_refuse("no process could be started inside the limit");
	return workload_end(nphases);
}

int main(int argc, char **argv)
{
	const struct workload_option own[] = {
		{"--live", &live_mib, "MiB live"},
		{"--limit", &limit_mib, "MiB"},
		{"--address", &by_address, "1: limit the address space, make no cgroup"},
		{"--rising", &rising, "1: small sizes first"},
		{"--inside", &inside, "descriptor of the tables; used by the program itself"},
		{NULL, NULL, NULL}};

	workload_start(argc, argv, "limited", own);
	if (live_mib < 1 || live_mib > 1 << 20 || limit_mib < live_mib || limit_mib > 1 << 20)
		workload_refuse(
			"--live is at least 1 and --limit no less than it, at most 1048576");
	if (by_address > 1 || rising > 1)
		workload_refuse("--address and --rising are 0 or 1");
	nworkers = workload_threads(1);
	nthreads = nworkers == 1 ? 2 : nworkers;
	part_bytes = live_mib * MIB / nworkers;
	part_room = part_bytes / LEAST + 1;
	shared_bytes = sizeof *shared + nthreads * part_room * sizeof *shared->block;
	nphases = workload_scaled(PHASES);
	if (argc > MAX_ARGS)
		workload_refuse("too many options");
	if (!inside)
		return run_outside(argc, argv);
	shared_map((int)inside);
	run_inside();
}
