/*
 * Counts the allocation calls of a program, apart from all that loam does: a library to preload
 * before libloam.so, or alone.  Each call goes on to the next library that has the name.
 *
 * COUNT_FILE=FILE in the environment names the file FILE.PID, which holds the counts while the
 * program runs and after it, however it ends: eight-byte words, malloc, calloc, realloc, free,
 * aligned.  A child of fork has a file of its own, and begins at 0.
 *
 * Counted are the calls that a program makes, not those that they make in turn: operator new is
 * one malloc, whether it is loam's or calls malloc.  reallocarray is a realloc; aligned are
 * aligned_alloc, memalign, posix_memalign, valloc, pvalloc and operator new with an alignment.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum call { MALLOC, CALLOC, REALLOC, FREE, ALIGNED, CALLS };

static uint64_t early[CALLS];	 /* before the file is open */
static uint64_t *counts = early; /* atomic */

static __thread int inside __attribute__((tls_model("initial-exec")));

/* What dlsym asks for while it looks up the names here; never freed. */
static _Alignas(16) char lookup_memory[4096];
static size_t lookup_used;

static bool is_lookup_memory(const void *mem)
{
	return (uintptr_t)mem - (uintptr_t)lookup_memory < sizeof(lookup_memory);
}

static void *lookup_alloc(size_t nbytes)
{
	size_t at = __atomic_fetch_add(&lookup_used, (nbytes + 15) & ~(size_t)15, __ATOMIC_RELAXED);

	return at + nbytes <= sizeof(lookup_memory) ? lookup_memory + at : NULL;
}

static __thread bool looking_up __attribute__((tls_model("initial-exec")));

static void *next(void **function, const char *name)
{
	void *found = __atomic_load_n(function, __ATOMIC_ACQUIRE);

	if (found)
		return found;
	looking_up = true;
	found = dlsym(RTLD_NEXT, name);
	looking_up = false;
	if (!found) {
		dprintf(2, "count_calls: no library has %s\n", name);
		_exit(1);
	}
	__atomic_store_n(function, found, __ATOMIC_RELEASE);
	return found;
}

static void leave(const int *entered)
{
	inside = *entered;
}

static int enter(enum call call)
{
	if (!inside)
		__atomic_fetch_add(&counts[call], 1, __ATOMIC_RELAXED);
	return inside++;
}

/*
 * Defines a function that counts a call and makes it.  Where the call throws, the depth is set
 * right too: the file is compiled with -fexceptions.
 */
#define FORWARD(call, type, name, parameters, arguments)                                           \
	type name parameters                                                                       \
	{                                                                                          \
		static void *function;                                                             \
		type(*real) parameters = next(&function, #name);                                   \
		int entered __attribute__((unused, cleanup(leave))) = enter(call);                 \
                                                                                                   \
		return real arguments;                                                             \
	}

/* The same, for what dlsym itself may call. */
#define FORWARD_EARLY(call, type, name, parameters, arguments, early_result)                       \
	type name parameters                                                                       \
	{                                                                                          \
		static void *function;                                                             \
		type(*real) parameters;                                                            \
                                                                                                   \
		if (looking_up)                                                                    \
			return early_result;                                                       \
		real = next(&function, #name);                                                     \
		int entered __attribute__((unused, cleanup(leave))) = enter(call);                 \
                                                                                                   \
		return real arguments;                                                             \
	}

FORWARD_EARLY(MALLOC, void *, malloc, (size_t nbytes), (nbytes), lookup_alloc(nbytes))
FORWARD_EARLY(CALLOC, void *, calloc, (size_t n, size_t nbytes), (n, nbytes),
	      lookup_alloc(n *nbytes))
FORWARD(REALLOC, void *, realloc, (void *old, size_t nbytes), (old, nbytes))
FORWARD(REALLOC, void *, reallocarray, (void *old, size_t n, size_t nbytes), (old, n, nbytes))
FORWARD(ALIGNED, void *, aligned_alloc, (size_t alignment, size_t nbytes), (alignment, nbytes))
FORWARD(ALIGNED, void *, memalign, (size_t alignment, size_t nbytes), (alignment, nbytes))
FORWARD(ALIGNED, void *, valloc, (size_t nbytes), (nbytes))
FORWARD(ALIGNED, void *, pvalloc, (size_t nbytes), (nbytes))
FORWARD(ALIGNED, int, posix_memalign, (void **mem, size_t alignment, size_t nbytes),
	(mem, alignment, nbytes))

void free(void *mem)
{
	static void *function;
	void (*real)(void *);

	if (looking_up || is_lookup_memory(mem))
		return;
	real = next(&function, "free");
	int entered __attribute__((unused, cleanup(leave))) = enter(FREE);

	real(mem);
}

/* The operators of C++, by their names in the Itanium ABI: array or not, sized, aligned, nothrow.
 */
#define NOTHROW const void *nothrow
#define NEWS(name)                                                                                 \
	FORWARD(MALLOC, void *, name, (size_t nbytes), (nbytes))                                   \
	FORWARD(MALLOC, void *, name##RKSt9nothrow_t, (size_t nbytes, NOTHROW), (nbytes, nothrow)) \
	FORWARD(ALIGNED, void *, name##St11align_val_t, (size_t nbytes, size_t alignment),         \
		(nbytes, alignment))                                                               \
	FORWARD(ALIGNED, void *, name##St11align_val_tRKSt9nothrow_t,                              \
		(size_t nbytes, size_t alignment, NOTHROW), (nbytes, alignment, nothrow))
#define DELETES(name)                                                                              \
	FORWARD(FREE, void, name, (void *mem), (mem))                                              \
	FORWARD(FREE, void, name##m, (void *mem, size_t nbytes), (mem, nbytes))                    \
	FORWARD(FREE, void, name##RKSt9nothrow_t, (void *mem, NOTHROW), (mem, nothrow))            \
	FORWARD(FREE, void, name##St11align_val_t, (void *mem, size_t alignment),                  \
		(mem, alignment))                                                                  \
	FORWARD(FREE, void, name##mSt11align_val_t, (void *mem, size_t nbytes, size_t alignment),  \
		(mem, nbytes, alignment))                                                          \
	FORWARD(FREE, void, name##St11align_val_tRKSt9nothrow_t,                                   \
		(void *mem, size_t alignment, NOTHROW), (mem, alignment, nothrow))

NEWS(_Znwm)
NEWS(_Znam)
DELETES(_ZdlPv)
DELETES(_ZdaPv)

/* ---- The file. */

static void open_counts(const uint64_t *so_far)
{
	const char *name = getenv("COUNT_FILE");
	char path[PATH_MAX];
	uint64_t *file;
	int fd;

	snprintf(path, sizeof(path), "%s.%d", name ? name : "", (int)getpid());
	fd = name ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
	if (fd < 0 || ftruncate(fd, CALLS * sizeof(*file))) {
		dprintf(2, "count_calls: %s cannot be written: COUNT_FILE names it\n", path);
		_exit(1);
	}
	file = mmap(NULL, sizeof(*file) * CALLS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (file == MAP_FAILED)
		_exit(1);
	memcpy(file, so_far, sizeof(*file) * CALLS);
	counts = file;
}

static void in_child(void)
{
	static const uint64_t none[CALLS];

	open_counts(none);
}

__attribute__((constructor)) static void start(void)
{
	open_counts(early);
	pthread_atfork(NULL, NULL, in_child);
}
