/*
 * A program that must see which of its memory goes, as what registers memory with a network card
 * must: `hooked` or `hooked allocating`.  It writes jumps over the beginning of libc's mmap,
 * munmap, mremap and madvise, and makes the calls itself.  Then no page of a block may be gone, or
 * empty, that was not seen going; with the argument the hooks allocate, too.
 */
#include "process.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { BLOCKS = 600, RANGES = 1 << 16, PAGE = 4096, BYTE = 0x5a };

static struct range {
	uintptr_t start, end;
} seen[RANGES];

extern char end[]; /* of the program: the linker's */

static size_t seen_count, calls_of[4];
static bool allocating;
static uintptr_t break_first, break_last; /* the data segment shrinks by other calls */

static void see(void *mem, size_t nbytes)
{
	static __thread bool inside;
	size_t i = __atomic_fetch_add(&seen_count, 1, __ATOMIC_RELAXED);

	MUST(i < RANGES);
	seen[i] = (struct range){(uintptr_t)mem, (uintptr_t)mem + nbytes};
	if (allocating && !inside) {
		char *block, *large;

		inside = true;
		block = malloc(50);
		large = malloc(200000);
		MUST(block && large);
		block = realloc(block, 5000);
		memset(large, 1, 200000);
		free(block);
		free(large);
		inside = false;
	}
}

static bool was_seen(const char *page)
{
	for (size_t i = 0; i < seen_count; i++)
		if ((uintptr_t)page >= seen[i].start && (uintptr_t)page < seen[i].end)
			return true;
	return false;
}

static void *hook_mmap(void *mem, size_t nbytes, int protection, int flags, int fd, off_t offset)
{
	calls_of[0]++;
	if (flags & MAP_FIXED)
		see(mem, nbytes);
	return (void *)syscall(SYS_mmap, mem, nbytes, protection, flags, fd, offset);
}

static int hook_munmap(void *mem, size_t nbytes)
{
	calls_of[1]++;
	see(mem, nbytes);
	return (int)syscall(SYS_munmap, mem, nbytes);
}

static void *hook_mremap(void *mem, size_t old, size_t nbytes, int flags, ...)
{
	va_list rest;
	void *onto;

	va_start(rest, flags);
	onto = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
	va_end(rest);
	calls_of[2]++;
	see(mem, old);
	if (onto)
		see(onto, nbytes);
	return (void *)syscall(SYS_mremap, mem, old, nbytes, flags, onto);
}

static int hook_madvise(void *mem, size_t nbytes, int advice)
{
	calls_of[3]++;
	see(mem, nbytes);
	return (int)syscall(SYS_madvise, mem, nbytes, advice);
}

/* To where the program is told to go on: a jump to an address that follows it. */
static size_t write_jump(unsigned char *code, uintptr_t target)
{
#if defined(__x86_64__)
	static const unsigned char jump[] = {0xff, 0x25, 0, 0, 0, 0}; /* jmp *0(%rip) */
#elif defined(__aarch64__)
	static const unsigned char jump[] = {0x50, 0,	 0,    0x58,
					     0,	   0x02, 0x1f, 0xd6}; /* ldr x16, .+8; br x16 */
#endif

	memcpy(code, jump, sizeof jump);
	memcpy(code + sizeof jump, &target, sizeof target);
	return sizeof jump + sizeof target;
}

static void patch(const char *name, uintptr_t hook)
{
	unsigned char *code = dlsym(RTLD_DEFAULT, name);
	char *page = (char *)((uintptr_t)code & -(uintptr_t)PAGE);

	MUST(code);
	MUST(mprotect(page, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
	__builtin___clear_cache((char *)code, (char *)code + write_jump(code, hook));
	MUST(mprotect(page, 2 * PAGE, PROT_READ | PROT_EXEC) == 0);
}

static bool is_there(char *page)
{
	unsigned char resident;

	return mincore(page, PAGE, &resident) == 0 && page[0] == BYTE;
}

/* Every page that lies in a block as a whole. */
static void check_pages(char *mem, size_t nbytes)
{
	char *page = (char *)(((uintptr_t)mem + PAGE - 1) & -(uintptr_t)PAGE);

	for (; page + PAGE <= mem + nbytes; page += PAGE) {
		bool in_data_segment =
			(uintptr_t)page >= break_first && (uintptr_t)page < break_last;

		if (!in_data_segment && !is_there(page) && !was_seen(page)) {
			dprintf(2, "a page of a block of %zu bytes went unseen\n", nbytes);
			_exit(1);
		}
	}
}

static size_t size_of(size_t i)
{
	static const size_t sizes[] = {30, 1000, 9000, 40000, 150000, 700000, 5 << 20};

	return sizes[i % 7] + i;
}

static void allocate_and_free(void)
{
	static char *blocks[BLOCKS];
	char *growing = malloc(6 << 20);

	for (size_t i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(size_of(i));
		MUST(blocks[i]);
		memset(blocks[i], BYTE, size_of(i));
	}
	break_last = (uintptr_t)sbrk(0);
	growing = realloc(growing, 50 << 20);
	MUST(growing);
	for (size_t i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	free(growing);
	malloc_trim(0);
	for (size_t i = 0; i < BLOCKS; i++)
		check_pages(blocks[i], size_of(i));
	seen_count = 0;
}

int main(int argc, char **argv)
{
	(void)argv;
	free(malloc(1));
	break_first = (uintptr_t)end; /* the data segment grows from somewhere behind it on */
	patch("mmap", (uintptr_t)hook_mmap);
	patch("munmap", (uintptr_t)hook_munmap);
	patch("mremap", (uintptr_t)hook_mremap);
	patch("madvise", (uintptr_t)hook_madvise);
	allocating = argc > 1;
	for (int i = 0; i < 3; i++)
		allocate_and_free();
	for (int i = 1; i < 4; i++)
		MUST(calls_of[i] > 0);
	return 0;
}
