/*
 * A process with 300 MiB of objects of 16 to 200 bytes forks.  The child frees all of them, and the
 * figure is its page faults; or, with --write 1, the parent replaces 20,000 objects at random while
 * the child lives, and the figure is the parent's.  A fault is a page that is copied, or a new one.
 *
 * Stands for: redis saving a snapshot, a server of one process a connection, a test runner that
 * forks from a warm interpreter.
 * Cares: operators who size a machine for the copy: what an allocator writes into an object that is
 * freed, or beside it, copies a page that was shared.
 * Source: ours, after the copy-on-write that redis reports of its snapshots (rdb_last_cow_size,
 * redis 4, 2017).
 */
#include "resident.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 300 << 20, REPLACED = 20000, LEAST = 16, MOST = 200 };

static struct block *block;
static size_t nblocks;
static uint64_t *child_faults;

static uint64_t faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_minflt;
}

/* Reads the table, so that its pages are mapped; they are not what is counted. */
static uint64_t read_table(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < nblocks; i++)
		sum += block[i].nbytes;
	return sum;
}

static void fill(struct workload_thread *self, uint64_t most)
{
	for (uint64_t live = 0; live < most; live += block[nblocks++].nbytes)
		filled_alloc(self, &block[nblocks], random_between(&self->random, LEAST, MOST));
}

/* The table is shared with the parent and stays as it is. */
static void free_all_in_child(struct workload_thread *self)
{
	uint64_t before;

	workload_use((void *)read_table());
	before = faults();
	for (size_t i = 0; i < nblocks; i++)
		workload_free(self, block[i].mem, block[i].nbytes);
	*child_faults = faults() - before;
}

static pid_t start_child(struct workload_thread *self, bool frees)
{
	pid_t pid = fork();

	if (pid < 0)
		workload_refuse("cannot fork");
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!frees)
		for (;;)
			pause();
	free_all_in_child(self);
	_exit(0);
}

static uint64_t replace(struct workload_thread *self, uint64_t n)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n; i++) {
		struct block *one = &block[random_below(&self->random, nblocks)];

		sum += block_read(one);
		block_free(self, one);
		filled_alloc(self, one, random_between(&self->random, LEAST, MOST));
	}
	return sum;
}

int main(int argc, char **argv)
{
	uint64_t writes = 0, bytes, before, sum = 0;
	const struct workload_option own[] = {
		{"--write", &writes, "1: the parent replaces objects"}, {NULL, NULL, NULL}};
	struct workload_thread *self;
	pid_t pid;

	workload_start(argc, argv, "forked", own);
	if (writes > 1)
		workload_refuse("--write is 0 or 1");
	self = workload_main_thread();
	bytes = workload_scaled(BYTES);
	block = resident_table((bytes / ((LEAST + MOST) / 4) + 1) * sizeof *block);
	child_faults = resident_table(sizeof *child_faults);
	fill(self, bytes);
	workload_figure("live", (double)workload_live_bytes());
	bound_start(4 * bytes);
	bound_add(block, nblocks);
	workload_figure("bound", (double)bound_end());
	pid = start_child(self, !writes);
	before = faults();
	if (writes) {
		sum = replace(self, workload_scaled(REPLACED));
		workload_figure("faults", (double)(faults() - before));
		kill(pid, SIGKILL);
	}
	waitpid(pid, NULL, 0);
	if (!writes)
		workload_figure("faults", (double)*child_faults);
	return workload_end(sum + block_free_all(self, block, nblocks));
}
