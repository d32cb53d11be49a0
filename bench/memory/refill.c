/*
 * In 16 MiB of address space (RLIMIT_AS above what the process has at its start) blocks of size A
 * are allocated until there is no more, all are freed, and blocks of size B are allocated until
 * there is no more; in a process of its own for each ordered pair of nine sizes from 24 B to 10
 * MiB.
 *
 * The figures are the share of B's blocks that a process gets which never had A's: the least and
 * the mean of the 72 pairs; and what part of the room a first fill uses, mean of the nine sizes. A
 * smaller scale tries fewer pairs.
 *
 * Stands for: a process near its limit whose work changes.
 * Cares: authors of embedded programs, and of whatever runs under ulimit -v: memory that served
 * one size must serve any other.
 * Source: ours, after the tests of Miguel Masmano and others, "TLSF: a new dynamic memory
 * allocator for real-time systems" (ECRTS 2004).
 */
#include "resident.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SPACE_BYTES = 16 << 20, LEAST = 24, ROOM = SPACE_BYTES / LEAST * 2 };

static const size_t size_of[] = {24, 100, 500, 2000, 10000, 50000, 200000, 1 << 20, 10 << 20};
enum { SIZES = sizeof size_of / sizeof *size_of, PAIRS = SIZES * (SIZES - 1) };

/* Written by the process of a pair. */
static void **block;
static uint64_t *filled;

/* Of the process; nothing is allocated before the first fill. */
static uint64_t address_bytes(void)
{
	char text[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
		workload_refuse("needs /proc/self/statm");
	close(fd);
	return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Number of blocks until malloc returns NULL. */
static size_t fill(size_t size)
{
	size_t n = 0;

	while (n < ROOM && (block[n] = malloc(size))) {
		((char *)block[n])[0] = 1;
		((char *)block[n])[size - 1] = 1;
		n++;
	}
	return n;
}

/* Blocks of size b in a process of its own, after a fill of size a; a is 0 for none. */
static size_t filled_after(size_t a, size_t b, uint64_t before)
{
	pid_t pid;

	*filled = 0;
	pid = fork();
	if (pid == 0) {
		struct rlimit space = {before + SPACE_BYTES, before + SPACE_BYTES};

		setrlimit(RLIMIT_AS, &space);
		for (size_t n = a ? fill(a) : 0; n > 0; n--)
			free(block[n - 1]);
		*filled = fill(b);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		workload_refuse("a process cannot be started");
	return *filled;
}

/* The pair of this number, from 0 to PAIRS - 1: no size with itself. */
static void pair_of(unsigned number, unsigned *a, unsigned *b)
{
	*a = number / (SIZES - 1);
	*b = number % (SIZES - 1);
	*b += *b >= *a;
}

static double first_fills(size_t *first, uint64_t before)
{
	double sum = 0;

	for (unsigned i = 0; i < SIZES; i++) {
		first[i] = filled_after(0, size_of[i], before);
		sum += (double)first[i] * (double)size_of[i] / SPACE_BYTES;
	}
	return sum / SIZES;
}

int main(int argc, char **argv)
{
	size_t first[SIZES], npairs, worst_a = 0, worst_b = 0;
	double sum = 0, least = 2;
	uint64_t before;

	workload_start(argc, argv, "refill", NULL);
	block = resident_table(ROOM * sizeof *block);
	filled = resident_table(sizeof *filled);
	npairs = workload_scaled(PAIRS) < PAIRS ? workload_scaled(PAIRS) : PAIRS;
	before = address_bytes();
	workload_figure("first", first_fills(first, before));
	for (size_t i = 0; i < npairs; i++) {
		double share = 0;
		unsigned a, b;

		pair_of((unsigned)(i * PAIRS / npairs), &a, &b);
		if (first[b])
			share = (double)filled_after(size_of[a], size_of[b], before) /
				(double)first[b];
		sum += share;
		if (share < least) {
			least = share;
			worst_a = size_of[a];
			worst_b = size_of[b];
		}
	}
	workload_figure("pairs", (double)npairs);
	workload_figure("least", least);
	workload_figure("least_from", (double)worst_a);
	workload_figure("least_to", (double)worst_b);
	workload_figure("mean", sum / (double)npairs);
	return workload_end(npairs);
}
