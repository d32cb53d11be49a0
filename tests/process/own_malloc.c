/*
 * Programs with a malloc of their own, which comes before any preloaded one:
 *
 *	OWN_ALL      malloc, free, calloc and realloc are the program's; the aligned functions are
 *not OWN_TWO      only malloc and free are OWN_WRAPPER  malloc counts calls and goes to
 *__libc_malloc; free is nobody's but the next library's
 *
 * Blocks go to and come from libc's functions, and the program's free meets blocks that
 * are not its own: those it leaves alone, as such programs do.
 */
#include "process.h"

#include <dirent.h>
#include <malloc.h>
#include <pthread.h>

#if defined(OWN_WRAPPER)

void *__libc_malloc(size_t nbytes);

static int calls;

void *malloc(size_t nbytes)
{
	__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
	return __libc_malloc(nbytes);
}

#else

/* Objects with their size before them, cut one after the other and never reused. */
enum { POOL_BYTES = 256 << 20 };

static _Alignas(16) unsigned char pool[POOL_BYTES];
static size_t pool_used;
static int calls;

/* Where the size of an own object stands. */
static size_t *size_of(const void *mem)
{
	return (size_t *)(pool + ((const unsigned char *)mem - pool) - 16);
}

static bool is_own(const void *mem)
{
	return (const unsigned char *)mem >= pool && (const unsigned char *)mem < pool + POOL_BYTES;
}

void *malloc(size_t nbytes)
{
	size_t needed = (nbytes + 31) & ~(size_t)15;
	size_t at = __atomic_fetch_add(&pool_used, needed, __ATOMIC_RELAXED);

	calls++;
	if (at + needed > POOL_BYTES) {
		errno = ENOMEM;
		return NULL;
	}
	*size_of(pool + at + 16) = nbytes;
	return pool + at + 16;
}

void free(void *mem)
{
	if (mem && is_own(mem))
		*size_of(mem) = 0;
}

#ifdef OWN_ALL
void *calloc(size_t n, size_t nbytes)
{
	return malloc(n * nbytes); /* the pool is zero and never reused */
}

void *realloc(void *mem, size_t nbytes)
{
	void *moved = malloc(nbytes);

	if (mem && moved) {
		size_t kept = *size_of(mem);

		memcpy(moved, mem, kept < nbytes ? kept : nbytes);
	}
	return moved;
}
#endif

#endif

/* The program's malloc might grow by brk, so that the one behind it must not. */
static void look_at_break(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[1000];

	MUST(maps);
	while (fgets(line, sizeof line, maps))
		MUST(!strstr(line, "[heap]"));
	fclose(maps);
}

static void *use_libc(void *unused)
{
	DIR *directory = opendir("/");
	FILE *file = fopen("/proc/self/status", "r");
	char *line = strdup("a line"), text[100];
	void *aligned = NULL;

	MUST(directory && readdir(directory) && closedir(directory) == 0);
	MUST(file && fgets(text, sizeof text, file) && fclose(file) == 0);
	MUST(line && strcmp(line, "a line") == 0);
	free(line);
	MUST(posix_memalign(&aligned, 256, 1000) == 0 && (uintptr_t)aligned % 256 == 0);
	memset(aligned, 1, 1000);
	free(aligned);
	aligned = memalign(64, 5000);
	MUST(aligned && (uintptr_t)aligned % 64 == 0);
	memset(aligned, 1, 5000);
	free(aligned);
	for (size_t n = 1; n < 1000000; n = n * 3 + 1) {
		unsigned char *zeroed = calloc(1, n);

		MUST(zeroed && zeroed[0] == 0 && zeroed[n - 1] == 0);
		memset(zeroed, 1, n);
		free(zeroed);
		block_free(block_new(n));
	}
	return unused;
}

#ifndef OWN_TWO /* the realloc of no allocator knows a block of another */
/* Growth by libc's functions of what they allocated by the program's. */
static void use_realloc(void)
{
	char *text = NULL, *line = NULL;
	size_t size = 0, room = 0;
	FILE *stream = open_memstream(&text, &size), *file = fopen("/proc/self/maps", "r");

	for (int i = 0; i < 5000; i++)
		fprintf(stream, "%d ", i);
	MUST(fclose(stream) == 0 && size > 20000 && text[0] == '0');
	free(text);
	while (getline(&line, &room, file) > 0)
		MUST(room > 0);
	free(line);
	fclose(file);
	MUST(asprintf(&text, "%5000d", 1) == 5000);
	text = realloc(text, 50000);
	MUST(text && text[4999] == '1');
	free(text);
}
#endif

int main(void)
{
	pthread_t threads[4];

	MUST(calls == 0); /* such a malloc may not work before main */
	for (int i = 0; i < 20; i++)
		use_libc(NULL);
	for (int t = 0; t < 4; t++)
		MUST(pthread_create(&threads[t], NULL, use_libc, NULL) == 0);
	for (int t = 0; t < 4; t++)
		MUST(pthread_join(threads[t], NULL) == 0);
#ifndef OWN_TWO
	use_realloc();
#endif
	MUST(calls > 100);
	look_at_break();
	return 0;
}
