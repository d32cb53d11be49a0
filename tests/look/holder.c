/*
 * A program whose heap others look into: it holds what it was told to, says on a line of output
 * what that is, and then does what its input says.
 *
 *	holder rest          objects of many kinds; one small object in eight is kept
 *	holder busy          eight threads always allocate and free, and hold the same much
 *	holder none          nothing
 *	holder interrupted   allocates until a signal handler ends it, perhaps in a call
 *	holder slow          rest, and a thread whose calls are mostly slow
 *	holder hot           rest, and a thread that always frees what it allocated last
 *
 *	poke ADDRESS BYTE    writes into its own memory, were it read-only
 *	exec PROGRAM         becomes another program, which gets the input from then on
 *	drop                 frees its small objects
 *	call                 allocates and frees one
 *	fork                 has a child that allocates, and ends
 *	stats                says what loam_stats() says of it, on one line
 *	die                  is killed by a signal
 *
 * It ends with its input.  The line: what it holds in usable bytes; how many objects of SMALL
 * bytes; bytes of huge ones; and the first sum as mallinfo2 has it.
 */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNT = 200000, SMALL = 96, SHARE = 8, RUN = 300000, HUGE_SIZE = 20 << 20 };
enum { THREADS = 8, SLOTS = 2000 };

static size_t held, small, huge;

static void *hold(size_t nbytes)
{
	char *mem = malloc(nbytes);

	if (!mem)
		exit(3);
	memset(mem, 'x', nbytes);
	held += malloc_usable_size(mem);
	return mem;
}

static void let_go(void *mem)
{
	held -= malloc_usable_size(mem);
	free(mem);
}

static void **all;

static void rest(void)
{
	void *twenty;

	all = calloc(COUNT, sizeof *all);
	held += malloc_usable_size(all);
	for (int i = 0; i < COUNT; i++)
		all[i] = hold(SMALL);
	for (int i = 0; i < COUNT; i++)
		if (i % SHARE)
			let_go(all[i]);
	small = COUNT / SHARE;
	for (int i = 0; i < 10; i++)
		hold(RUN);
	for (int i = 0; i < 50; i++)
		hold(3000 + (size_t)i * 700);
	twenty = hold(HUGE_SIZE);
	huge = malloc_usable_size(twenty);
}

static pthread_barrier_t all_hold;
static char *given[SLOTS]; /* an object of each size, by one thread for another */

static char *of_slot(int i)
{
	return malloc(16 + (size_t)i % 1000);
}

/* Each thread holds SLOTS objects. It always gives one of these away, frees what another thread
   gave of its size, and allocates one anew. */
static void *churn(void *arg)
{
	uint64_t chance = (uintptr_t)arg * 0x9e3779b97f4a7c15u;
	char *slots[SLOTS], name[16];
	size_t nbytes = 0;

	snprintf(name, sizeof name, "churn-%d", (int)(uintptr_t)arg);
	prctl(PR_SET_NAME, name);
	for (int i = 0; i < SLOTS; i++) {
		slots[i] = of_slot(i);
		nbytes += malloc_usable_size(slots[i]);
	}
	__atomic_fetch_add(&held, nbytes, __ATOMIC_SEQ_CST);
	pthread_barrier_wait(&all_hold);
	for (;;) {
		int i;

		chance = chance * 6364136223846793005u + 1442695040888963407u;
		i = (int)(chance >> 33) % SLOTS;
		free(__atomic_exchange_n(&given[i], slots[i], __ATOMIC_ACQ_REL));
		slots[i] = of_slot(i);
		*slots[i] = 1;
	}
	return NULL;
}

static void be_busy(void)
{
	pthread_t thread;

	for (int i = 0; i < SLOTS; i++) {
		given[i] = of_slot(i);
		held += malloc_usable_size(given[i]);
	}
	pthread_barrier_init(&all_hold, NULL, THREADS + 1);
	for (uintptr_t i = 1; i <= THREADS; i++)
		if (pthread_create(&thread, NULL, churn, (void *)i) != 0)
			exit(3);
	pthread_barrier_wait(&all_hold);
}

static void drop(void)
{
	for (int i = 0; i < COUNT; i += SHARE)
		let_go(all[i]);
}

/* Everything is served by the thread's cache, which neither runs empty nor full. */
static void *pair(void *arg)
{
	for (;;) {
		free(malloc(64));
		usleep(100);
	}
	return arg;
}

static void *many_sizes(void *arg)
{
	static void *some[512];

	for (unsigned i = 0;; i++) {
		free(some[i % 512]);
		some[i % 512] = malloc((size_t)i * 7919 % 30000);
		if (i % 512 == 0)
			usleep(1000);
	}
	return arg;
}

static void rest_beside(void *(*body)(void *))
{
	pthread_t thread;

	rest();
	for (int i = 0; i < 1000; i++)
		free(malloc(64));
	if (pthread_create(&thread, NULL, body, NULL) != 0)
		exit(3);
}

static void end_in_handler(int number)
{
	exit(number == SIGALRM ? 7 : 8);
}

/* The signal comes after a time that is as good as random. */
static void be_interrupted(void)
{
	struct itimerval when = {.it_value.tv_usec = 500 + getpid() % 1999};
	static void *some[4096];

	signal(SIGALRM, end_in_handler);
	setitimer(ITIMER_REAL, &when, NULL);
	for (unsigned i = 0;; i++) {
		free(some[i % 4096]);
		some[i % 4096] = malloc((size_t)i * 7919 % 300000 >> i % 8);
	}
}

static void have_child(void)
{
	if (fork() == 0) {
		for (int i = 0; i < 1000; i++)
			free(malloc(SMALL + (size_t)i));
		exit(0);
	}
	wait(NULL);
}

extern int loam_stats(void *ret_stats, size_t size) __attribute__((weak));

static void say_stats(void)
{
	uint64_t stats[512];

	memset(stats, 1, sizeof stats);
	if (loam_stats(stats, sizeof stats) != 0)
		exit(5);
	for (size_t i = 0; i < sizeof stats / sizeof stats[0]; i++)
		printf("%llu ", (unsigned long long)stats[i]);
	printf("\n");
}

static void poke(uintptr_t address, int byte)
{
	uintptr_t page = address & -(uintptr_t)sysconf(_SC_PAGESIZE);

	if (mprotect((void *)page, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE) != 0)
		exit(4);
	*(char *)address = (char)byte;
}

static void obey(const char *line)
{
	unsigned long address;
	char program[256];
	int byte;

	if (sscanf(line, "poke %lx %x", &address, (unsigned *)&byte) == 2)
		poke(address, byte);
	else if (sscanf(line, "exec %255s", program) == 1)
		execl(program, program, (char *)NULL);
	else if (strcmp(line, "drop\n") == 0)
		drop();
	else if (strcmp(line, "call\n") == 0)
		free(malloc(SMALL));
	else if (strcmp(line, "fork\n") == 0)
		have_child();
	else if (strcmp(line, "stats\n") == 0)
		say_stats();
	else if (strcmp(line, "die\n") == 0)
		kill(getpid(), SIGKILL);
	printf("done\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct mallinfo2 info;
	char line[512];

	setvbuf(stdin, NULL, _IONBF, 0); /* what comes after an exec is not ours */
	if (argc > 1 && strcmp(argv[1], "busy") == 0)
		be_busy();
	else if (argc > 1 && strcmp(argv[1], "hot") == 0)
		rest_beside(pair);
	else if (argc > 1 && strcmp(argv[1], "slow") == 0)
		rest_beside(many_sizes);
	else if (argc > 1 && strcmp(argv[1], "interrupted") == 0)
		be_interrupted();
	else if (argc < 2 || strcmp(argv[1], "none") != 0)
		rest();
	info = mallinfo2();
	printf("%zu %zu %zu %zu\n", held, small, huge, info.uordblks + info.hblkhd);
	fflush(stdout);
	while (fgets(line, sizeof line, stdin))
		obey(line);
	return 0;
}
