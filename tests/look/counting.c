/*
 * Preloaded before an allocator it counts what a program holds, usable bytes and objects, and how
 * many bytes it asked for so far. A reader finds the three counts in the file $COUNTING.PID. What
 * the allocator hands out by other names (operator new of a shared libstdc++) is not counted.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct count {
	int64_t nbytes, objects; /* in use */
	int64_t asked;		 /* bytes, of all allocations; what a block grew by in place */
};

static struct count early, *count = &early;
static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static void *(*next_memalign)(size_t, size_t);
static void (*next_free)(void *);

/* loam's dlsym() allocates nothing. */
static void find(void)
{
	if (next_free)
		return;
	next_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	next_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
	next_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
	next_memalign = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "memalign");
	next_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
}

static void asked(int64_t nbytes)
{
	__atomic_fetch_add(&count->asked, nbytes, __ATOMIC_RELAXED);
}

static void *add(void *mem, int sign)
{
	if (mem) {
		__atomic_fetch_add(&count->nbytes, sign * (int64_t)malloc_usable_size(mem),
				   __ATOMIC_RELAXED);
		__atomic_fetch_add(&count->objects, sign, __ATOMIC_RELAXED);
	}
	return mem;
}

void *malloc(size_t nbytes)
{
	find();
	asked((int64_t)nbytes);
	return add(next_malloc(nbytes), 1);
}

void *calloc(size_t n, size_t nbytes)
{
	find();
	asked((int64_t)(n * nbytes));
	return add(next_calloc(n, nbytes), 1);
}

void *realloc(void *mem, size_t nbytes)
{
	uintptr_t before = (uintptr_t)mem;
	int64_t room = mem ? (int64_t)malloc_usable_size(mem) : 0;
	void *made;

	find();
	add(mem, -1);
	made = next_realloc(mem, nbytes);
	if (!made && nbytes)
		add(mem, 1);
	else if (made)
		asked((uintptr_t)made != before ? (int64_t)nbytes
		      : (int64_t)nbytes > room	? (int64_t)nbytes - room
						: 0);
	return add(made, 1);
}

void *reallocarray(void *mem, size_t n, size_t nbytes)
{
	size_t all;

	if (__builtin_mul_overflow(n, nbytes, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(mem, all);
}

void *memalign(size_t alignment, size_t nbytes)
{
	find();
	asked((int64_t)nbytes);
	return add(next_memalign(alignment, nbytes), 1);
}

void *aligned_alloc(size_t alignment, size_t nbytes)
{
	return memalign(alignment, nbytes);
}

int posix_memalign(void **ret_mem, size_t alignment, size_t nbytes)
{
	void *mem = memalign(alignment, nbytes);

	if (mem)
		*ret_mem = mem;
	return mem ? 0 : ENOMEM;
}

void free(void *mem)
{
	int error = errno;

	find();
	add(mem, -1);
	next_free(mem);
	errno = error;
}

__attribute__((constructor)) static void share(void)
{
	char path[512];
	struct count *shared;
	int fd;

	if (!getenv("COUNTING"))
		return;
	snprintf(path, sizeof path, "%s.%d", getenv("COUNTING"), (int)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof *shared) != 0)
		return;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared == MAP_FAILED)
		return;
	*shared = early;
	count = shared;
}
