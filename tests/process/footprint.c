/*
 * What loam costs in memory beside libc's allocator: `footprint CROWD`, with the library in
 * LOAM_SO.  Each program is run by turns without and with it, and stopped at its exit, while
 * its memory is still there to be read; medians are compared.
 */
#include "process.h"

#include <stddef.h>
#include <sys/ptrace.h>

enum {
	SAMPLES_MAX = 61,
	MIB_IN_KIB = 1024,
	RSS_ALLOWED_KIB = 200,
	VIRT_ALLOWED_KIB = 8 * MIB_IN_KIB
};

/* All in KiB: resident at exit, the peak of that, and the address space at exit. */
struct footprint {
	size_t rss, peak, virt;
};

static _Noreturn void execute(char **argv, const char *preload)
{
	int null = open("/dev/null", O_WRONLY);

	dup2(null, 1);
	unsetenv("LD_PRELOAD");
	if (preload)
		setenv("LD_PRELOAD", preload, 1);
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

static struct footprint measure(char **argv, const char *preload)
{
	struct footprint result = {0, 0, 0};
	pid_t pid = fork();
	int status;

	if (pid == 0)
		execute(argv, preload);
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

static int compare_sizes(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

static size_t median(const struct footprint *samples, int count, size_t field)
{
	size_t values[SAMPLES_MAX];

	for (int i = 0; i < count; i++)
		memcpy(&values[i], (const char *)&samples[i] + field, sizeof values[i]);
	qsort(values, (size_t)count, sizeof values[0], compare_sizes);
	return values[count / 2];
}

static struct footprint medians(const struct footprint *samples, int count)
{
	return (struct footprint){median(samples, count, offsetof(struct footprint, rss)),
				  median(samples, count, offsetof(struct footprint, peak)),
				  median(samples, count, offsetof(struct footprint, virt))};
}

static void measure_both(char **argv, int count, struct footprint *without, struct footprint *with)
{
	struct footprint plain[SAMPLES_MAX], preloaded[SAMPLES_MAX];

	for (int i = 0; i < count; i++) {
		plain[i] = measure(argv, NULL);
		preloaded[i] = measure(argv, getenv("LOAM_SO"));
	}
	*without = medians(plain, count);
	*with = medians(preloaded, count);
	printf("%s: RSS %zu KiB, %zu with loam; peak %zu, %zu; VIRT %zu, %zu\n", argv[0],
	       without->rss, with->rss, without->peak, with->peak, without->virt, with->virt);
}

static bool small_program_fits(char **argv)
{
	struct footprint without, with;

	measure_both(argv, SAMPLES_MAX, &without, &with);
	return with.rss <= without.rss + RSS_ALLOWED_KIB &&
	       with.virt <= without.virt + VIRT_ALLOWED_KIB;
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
	fits = crowd_fits(crowd) && fits;
	return fits ? 0 : 1;
}
