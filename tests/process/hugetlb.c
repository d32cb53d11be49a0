/*
 * Large objects for hugetlb.py: written, resized, given back, and shared with a child. Says how
 * many KiB of reserved pages the process had meanwhile, at most.
 */
#include "process.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static long most;

static void look(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[200];
	long kib;

	MUST(status);
	while (fgets(line, sizeof line, status))
		if (sscanf(line, "HugetlbPages: %ld", &kib) == 1 && kib > most)
			most = kib;
	fclose(status);
}

static void expect(const char *mem, size_t nbytes, char value)
{
	for (size_t i = 0; i < nbytes; i += 512)
		MUST(mem[i] == value);
}

static void resize_and_free(void)
{
	char *mem = malloc(5 << 20);

	MUST(mem);
	memset(mem, 1, 5 << 20);
	for (size_t n = 6; n <= 12; n++) { /* moves when it does not fit */
		mem = realloc(mem, n << 20);
		MUST(mem);
		memset(mem + ((n - 1) << 20), 1, 1 << 20);
		look();
	}
	mem = realloc(mem, 7 << 20);
	MUST(mem);
	expect(mem, 7 << 20, 1);
	free(mem);
}

/* The child only reads: it needs no pages of its own. */
static void fork_and_read(void)
{
	char *mem = calloc(9, 1 << 20);
	int status;
	pid_t child;

	MUST(mem);
	expect(mem, 9 << 20, 0);
	memset(mem, 3, 9 << 20);
	look();
	child = fork();
	MUST(child >= 0);
	if (child == 0) {
		expect(mem, 9 << 20, 3);
		free(mem);
		_exit(0);
	}
	MUST(waitpid(child, &status, 0) == child && status == 0);
	expect(mem, 9 << 20, 3);
	free(mem);
}

int main(void)
{
	for (int round = 0; round < 3; round++) {
		resize_and_free();
		fork_and_read();
	}
	printf("%ld\n", most);
	return 0;
}
