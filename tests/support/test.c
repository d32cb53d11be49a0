/* The harness behind test.h: a table of tests, counts, and a child for tests that must die. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TESTS_MAX 256
#define EXIT_SKIP 77

static struct {
	const char *name;
	void (*body)(void);
} tests[TESTS_MAX];

static int test_count;
static int failures; /* of the running test; written from any of its threads */
static jmp_buf skip_point;
static uint64_t seed;
static char folder[] = "/tmp/loam-test-XXXXXX";
static bool has_folder;

void test_register(const char *name, void (*body)(void))
{
	if (test_count == TESTS_MAX) {
		dprintf(2, "more than %d tests in one file\n", TESTS_MAX);
		_exit(1);
	}
	tests[test_count].name = name;
	tests[test_count].body = body;
	test_count++;
}

static bool fail(void)
{
	__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
	return false;
}

bool test_expect(bool held, const char *what, const char *file, int line)
{
	if (held)
		return true;
	dprintf(2, "%s:%d: does not hold: %s\n", file, line, what);
	return fail();
}

bool test_expect_eq(intmax_t a, intmax_t b, const char *what, const char *file, int line)
{
	if (a == b)
		return true;
	dprintf(2, "%s:%d: %s: %jd (0x%jx) is not %jd (0x%jx)\n", file, line, what, a, (uintmax_t)a,
		b, (uintmax_t)b);
	return fail();
}

bool test_expect_str(const char *text, const char *part, const char *file, int line)
{
	if (strstr(text, part))
		return true;
	dprintf(2, "%s:%d: \"%s\" is not in:\n%s\n", file, line, part, text);
	return fail();
}

/*
 * libgcov's own last call, which writes the counters of a coverage build; elsewhere there is none.
 * A child that aborts or ends by _exit would otherwise leave what it ran uncounted.
 */
void __gcov_exit(void) __attribute__((weak));

static void write_coverage(void)
{
	if (__gcov_exit)
		__gcov_exit();
}

/* Raised again, the signal ends the process as soon as this returns. */
static void on_abort(int signum)
{
	write_coverage();
	signal(signum, SIG_DFL);
	raise(signum);
}

static void run_child(void (*body)(void *), void *arg, int err)
{
	struct rlimit no_core = {0, 0};

	setrlimit(RLIMIT_CORE, &no_core);
	signal(SIGABRT, __gcov_exit ? on_abort : SIG_DFL);
	dup2(err, 2);
	body(arg);
	write_coverage();
	_exit(0);
}

bool test_expect_abort(void (*body)(void *), void *arg, const char *part, const char *file,
		       int line)
{
	static char text[8192];
	size_t length = 0;
	ssize_t got;
	int ends[2], status = 0;
	pid_t child;

	if (pipe(ends) != 0 || (child = fork()) < 0) {
		dprintf(2, "%s:%d: no pipe or no child\n", file, line);
		return fail();
	}
	if (child == 0)
		run_child(body, arg, ends[1]);
	close(ends[1]);
	while (length < sizeof text - 1 &&
	       (got = read(ends[0], text + length, sizeof text - 1 - length)) > 0)
		length += (size_t)got;
	text[length] = '\0';
	close(ends[0]);
	waitpid(child, &status, 0);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT) {
		dprintf(2, "%s:%d: did not abort (wait status 0x%x); it said:\n%s\n", file, line,
			(unsigned)status, text);
		return fail();
	}
	return test_expect_str(text, part, file, line);
}

int test_failures(void)
{
	return __atomic_load_n(&failures, __ATOMIC_RELAXED);
}

void test_stop(void)
{
	dprintf(2, "not run to its end\n");
	_exit(1);
}

bool test_on_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

void test_skip(const char *reason)
{
	printf("    skipped: %s\n", reason);
	longjmp(skip_point, 1);
}

uint64_t test_seed(void)
{
	const char *given = getenv("LOAM_TEST_SEED");
	struct timespec now;

	if (seed)
		return seed;
	clock_gettime(CLOCK_REALTIME, &now);
	seed = given ? strtoull(given, NULL, 0)
		     : (uint64_t)now.tv_nsec * 2654435761u ^ (uint64_t)now.tv_sec;
	seed |= 1;
	printf("    seed: LOAM_TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

const char *test_folder(void)
{
	REQUIRE(has_folder || mkdtemp(folder));
	has_folder = true;
	return folder;
}

static void remove_folder(void)
{
	DIR *entries = opendir(folder);
	struct dirent *entry;

	while (entries && (entry = readdir(entries)))
		unlinkat(dirfd(entries), entry->d_name, 0); /* refused for . and .. */
	if (entries)
		closedir(entries);
	rmdir(folder);
}

static bool chosen(const char *name, int argc, char **argv)
{
	if (argc < 2)
		return true;
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	volatile int ran = 0, failed = 0, skipped = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (volatile int i = 0; i < test_count; i++) {
		if (!chosen(tests[i].name, argc, argv))
			continue;
		ran++;
		failures = 0;
		if (setjmp(skip_point) == 0)
			tests[i].body();
		else
			skipped++;
		printf("%s %s\n", failures ? "FAILED" : "ok    ", tests[i].name);
		failed += failures != 0;
	}
	if (has_folder)
		remove_folder();
	if (!ran)
		dprintf(2, "%s has no such test\n", argv[0]);
	return failed || !ran ? 1 : skipped ? EXIT_SKIP : 0;
}

bool test_may_trace(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0);
	waitpid(child, &status, 0);
	return status == 0;
}

bool test_is_unreadable(const char *mem)
{
	int status = 0;
	pid_t child = fork();

	REQUIRE(child >= 0);
	if (child == 0) {
		struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGSEGV, SIG_DFL);
		_exit(*(const volatile char *)mem & 1);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status);
}
