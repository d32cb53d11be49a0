/* What a case needs; see cases.h. */
#include "cases.h"

#include <malloc.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

enum { MOST = 500 };

static struct {
	const char *name;
	void (*body)(void);
} cases[MOST];

static int count;

void case_register(const char *name, void (*body)(void))
{
	if (count == MOST)
		abort();
	cases[count].name = name;
	cases[count++].body = body;
}

void warm_up(size_t size)
{
	void *mem[200];

	for (int i = 0; i < 200; i++)
		mem[i] = malloc(size);
	for (int i = 0; i < 200; i++)
		free(mem[i]);
}

/* Every size class that cases use; twice, since an allocator may begin by tidying up what is
   idle. */
static void warm_up_all(void)
{
	for (int i = 0; i < 2; i++)
		for (size_t size = 16; size <= 8192; size += size < 256 ? 16 : size / 8)
			warm_up(size);
}

void want_chunks(void)
{
	static int done;

	if (!done)
		mallopt(M_MMAP_THRESHOLD, 1 << 20);
	done = 1;
}

char *take(size_t size)
{
	char *mem;

	if (size == CHUNK)
		want_chunks();
	mem = unknown(malloc(size));

	if (!mem)
		_exit(4);
	memset(mem, 'x', size);
	return mem;
}

void give(void *mem)
{
	free(unknown(mem));
}

void won(const char *what)
{
	fprintf(stderr, "won: %s\n", what);
	_exit(3);
}

/* Addresses that a test program's own data has: below the stack, above static data. */
static char static_data[16];

static int is_near(const char *mem, const void *place)
{
	uintptr_t a = (uintptr_t)mem, b = (uintptr_t)place;

	return (a > b ? a - b : b - a) < 65536;
}

void claim(const char *mem, size_t size, char *const *others, size_t n)
{
	char here;

	if (is_near(mem, &here) || is_near(mem, static_data))
		won("an object outside the heap");
	for (size_t i = 0; i < n; i++)
		if (mem < others[i] + size && others[i] < mem + size)
			won("two objects overlap");
}

extern const char __executable_start[], etext[];

/* Whether the case itself touched what is not mapped, or the allocator did. */
static void on_fault(int number, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)info;
	if (at >= (uintptr_t)__executable_start && at < (uintptr_t)etext)
		_exit(6);
	signal(number, SIG_DFL);
}

/* Unless the allocator has a handler of its own. */
static void catch_faults(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, there;

	sigaction(SIGSEGV, NULL, &there);
	if (there.sa_handler != SIG_DFL)
		return;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

int main(int argc, char **argv)
{
	catch_faults();
	for (int i = 0; i < count && argc < 2; i++)
		puts(cases[i].name);
	for (int i = 0; i < count && argc > 1; i++)
		if (!strcmp(cases[i].name, argv[1])) {
			if (argc > 2)
				warm_up_all();
			cases[i].body();
			return 0;
		}
	return argc < 2 ? 0 : 5;
}
