/*
 * Mistakes that memory tools tell of, one a run: mistakes NAME.  With OWN_NAMES by loam's own
 * names, since AddressSanitizer has those of libc itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef OWN_NAMES
#include <loam/loam.h>
#define malloc	      loam_malloc
#define calloc	      loam_calloc
#define realloc	      loam_realloc
#define aligned_alloc loam_aligned_alloc
#define free	      loam_free
#endif

static void *unknown(void *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

static volatile char sink;

static void read_behind(void)
{
	char *mem = unknown(malloc(100));

	sink = mem[100];
	free(mem);
}

/* Not before the first object of a page: the word there may be another's, and AddressSanitizer lets
   it be. */
static void write_before(void)
{
	char *mem;

	do
		mem = unknown(malloc(100));
	while ((size_t)mem % 4096 == 0);
	*(volatile char *)(mem - 1) = 1;
	free(mem);
}

static void read_after_free(void)
{
	char *mem = unknown(malloc(100));

	free(mem);
	sink = *(volatile char *)unknown(mem);
}

static void write_after_realloc(void)
{
	char *mem = unknown(malloc(100)), *moved = unknown(realloc(mem, 100000));

	*(volatile char *)unknown(mem) = 1;
	free(moved);
}

static void use_uninitialised(void)
{
	char *mem = unknown(malloc(100));

	if (*(volatile char *)unknown(mem + 50))
		puts("");
	free(mem);
}

static void leak_some(size_t nbytes)
{
	void *mem = unknown(malloc(nbytes));

	memset(mem, 0, 100);
	mem = unknown(NULL);
}

static void leak(void)
{
	leak_some(100);
}

/* Loam's own memory has the addresses of these. */
static void leak_first(void)
{
	leak_some(5000);
}

static void leak_run(void)
{
	leak_some(300000);
}

static void nothing_wrong(void)
{
	char *mem = unknown(calloc(10, 10)), *more = unknown(realloc(mem, 1000));

	for (int i = 0; i < 100; i++)
		if (more[i])
			puts("");
	free(more);
	for (int i = 0; i < 10000; i++)
		free(unknown(malloc((size_t)i)));
	free(aligned_alloc(256, 512));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*make)(void);
	} mistakes[] = {
		{"read_behind", read_behind},
		{"write_before", write_before},
		{"read_after_free", read_after_free},
		{"write_after_realloc", write_after_realloc},
		{"use_uninitialised", use_uninitialised},
		{"leak", leak},
		{"leak_first", leak_first},
		{"leak_run", leak_run},
		{"nothing_wrong", nothing_wrong},
	};

	for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++)
		if (argc > 1 && !strcmp(argv[1], mistakes[i].name)) {
			mistakes[i].make();
			return 0;
		}
	return 2;
}
