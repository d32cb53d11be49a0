/*
 * What loam costs in memory beside libc's allocator: `footprint CROWD`, with the library in
 * LOAM_SO.  Each program is run by turns without and with it, and stopped at its exit, while
 * its memory is still there to be read; means are compared.
 *
 * How many pages of a library a process has depends on where it lies: around a page that is
 * touched the kernel maps what is in the same 64 KiB of addresses, within a page table's 2 MiB.
 * By chance `ls` has up to 100 KiB more or less, so addresses are not left to chance: the PLACES
 * lie in steps of an odd number of pages that make 2 MiB together. The stack's limit moves them,
 * since mappings begin below the room that the stack may need, if that is more than 128 MiB.
 */
#include "process.h"

#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>

enum {
	PLACES = 16,
	PLACE_STEP_KIB = 33 * 4,
	MIB_IN_KIB = 1024,
	STACK_KIB = 256 * MIB_IN_KIB,
	RSS_ALLOWED_KIB = 200,
	CROWD_PIDS = 2500,
	SKIPPED = 77,
	VIRT_ALLOWED_KIB = 8 * MIB_IN_KIB
};

/* All in KiB: resident at exit, the peak of that, and the address space at exit. */
struct footprint {
	size_t rss, peak, virt;
};

/* False where that may not be asked for: a sandbox, or a lower limit of the stack. */
static bool choose_place(int place)
{
	struct rlimit stack;

	MUST(getrlimit(RLIMIT_STACK, &stack) == 0);
	stack.rlim_cur = (rlim_t)(STACK_KIB + place * PLACE_STEP_KIB) << 10;
	return setrlimit(RLIMIT_STACK, &stack) == 0 && personality(ADDR_NO_RANDOMIZE) != -1;
}

static bool can_choose_place(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(choose_place(PLACES - 1) ? 0 : 1);
	return child_wait(pid) == 0;
}

static _Noreturn void execute(char **argv, bool preloads, int place)
{
	int null = open("/dev/null", O_WRONLY);

	choose_place(place);
	dup2(null, 1);
	unsetenv("LD_PRELOAD");
	/* Both with as much on the stack: it may need a page more for a long path. */
	setenv(preloads ? "LD_PRELOAD" : "NO_PRELOAD", getenv("LOAM_SO"), 1);
	MUST(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	raise(SIGSTOP);
	execv(argv[0], argv);
	_exit(127);
}

static size_t number_of(pid_t pid, const char *file, const char *name)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	return proc_number(path, name);
}

static struct footprint measure(char **argv, bool preloads, int place)
{
	struct footprint result = {0, 0, 0};
	pid_t pid = fork();
	int status;

	if (pid == 0)
		execute(argv, preloads, place);
	MUST(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	MUST(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL) == 0);
	for (int deliver = 0;; deliver = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status)) {
		MUST(ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)deliver) == 0);
		MUST(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8))
			break;
	}
	result.rss = number_of(pid, "smaps_rollup", "\nRss:");
	result.peak = number_of(pid, "status", "\nVmHWM:");
	result.virt = number_of(pid, "status", "\nVmSize:");
	MUST(ptrace(PTRACE_CONT, pid, NULL, NULL) == 0);
	MUST(waitpid(pid, &status, 0) == pid);
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return result;
}

static void add(struct footprint *sum, struct footprint one)
{
	sum->rss += one.rss;
	sum->peak += one.peak;
	sum->virt += one.virt;
}

static struct footprint mean(struct footprint sum, int count)
{
	size_t n = (size_t)count;

	return (struct footprint){sum.rss / n, sum.peak / n, sum.virt / n};
}

static void measure_both(char **argv, int count, struct footprint *without, struct footprint *with)
{
	struct footprint plain = {0, 0, 0}, preloaded = {0, 0, 0};

	for (int i = 0; i < count; i++) {
		add(&plain, measure(argv, false, i));
		add(&preloaded, measure(argv, true, i));
	}
	*without = mean(plain, count);
	*with = mean(preloaded, count);
	printf("%s: RSS %zu KiB, %zu with loam; peak %zu, %zu; VIRT %zu, %zu\n", argv[0],
	       without->rss, with->rss, without->peak, with->peak, without->virt, with->virt);
}

static bool small_program_fits(char **argv)
{
	struct footprint without, with;

	measure_both(argv, PLACES, &without, &with);
	if (with.virt > without.virt + VIRT_ALLOWED_KIB)
		return false;
	if (can_choose_place())
		return with.rss <= without.rss + RSS_ALLOWED_KIB;
	printf("RSS was left to chance, and is not compared\n");
	return true;
}

/* At most 1.15 times as much: bins first, slabs for what proves hot. */
static bool crowd_fits(char **argv)
{
	struct footprint without, with;

	measure_both(argv, 3, &without, &with);
	return with.peak * 100 <= without.peak * 115;
}

int main(int argc, char **argv)
{
	char *smallest[] = {"/bin/true", NULL}, *list[] = {"/bin/ls", "/", NULL};
	char *crowd[] = {argv[1], NULL};
	bool fits;

	MUST(argc == 2 && getenv("LOAM_SO"));
	fits = small_program_fits(smallest);
	fits = small_program_fits(list) && fits;
	if (fits && !pids_allow(CROWD_PIDS)) {
		printf("skipped: pids.max of a cgroup is too low for 2,000 threads\n");
		return SKIPPED;
	}
	fits = crowd_fits(crowd) && fits;
	return fits ? 0 : 1;
}
