/* os.h on Linux: the process, its environment, its break, its end; mappings are os_linux_map.c. */
#include "os/os.h"

#include "base/bits.h"
#include "base/text.h"
#include "os/calls.h"
#include "os/elf.h"
#include "os/libc.h"
#include "os/os_linux_map.h"
#include "os/process.h"
#include "os/robust.h"
#include "os/syscall.h"
#include "os/vdso.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/auxv.h>
#include <unistd.h>

#define RANDOM_BYTES 16

/* Where the initial thread's stack was when the process began; of the dynamic linker. */
extern void *__libc_stack_end __attribute__((weak));

/* Set by os_start(), then constant. */
SEALED static size_t page_size = 4096;
SEALED static bool secure;
SEALED static const char *program;
SEALED static unsigned cpus = 1;
SEALED static uintptr_t stack_end;
SEALED static uint64_t random_words[2];
SEALED static size_t memory_limit = SIZE_MAX;

/* The kernel refuses a set that is smaller than its own: it may have been built for 8,192. */
static AT_START unsigned count_cpus(void)
{
	unsigned long mask[8192 / 64] = {0};
	long nbytes = syscall3(SYS_sched_getaffinity, 0, sizeof mask, (long)mask);
	unsigned n = 0;

	if (syscall_failed(nbytes))
		return 1;
	for (size_t i = 0; i < (size_t)nbytes / sizeof mask[0]; i++)
		n += bits_count(mask[i]);
	return n ? n : 1;
}

/* The 16 bytes that the kernel gives each process are the stack protector's too: only a mix of
   them is used. */
static AT_START uint64_t mix_random(const unsigned char *bytes, uint64_t word)
{
	for (int i = 0; bytes && i < RANDOM_BYTES; i++)
		word = mix64(word ^ bytes[i]);
	return mix64(word ^ os_clock());
}

static AT_START void start_random(const unsigned char *bytes)
{
	random_words[0] = mix_random(bytes, (uintptr_t)&page_size);
	random_words[1] = mix_random(bytes, ~random_words[0]);
}

/* What the kernel says of the process. */
static AT_START void read_auxiliary_vector(void)
{
	unsigned long (*value_of)(unsigned long) = NULL;

	libc_find(&value_of, "getauxval");
	if (!value_of) {
		start_random(NULL);
		return;
	}
	if (value_of(AT_PAGESZ))
		page_size = value_of(AT_PAGESZ);
	vdso_start(value_of(AT_SYSINFO_EHDR));
	secure = value_of(AT_SECURE);
	start_random((const unsigned char *)value_of(AT_RANDOM));
	program = (const char *)value_of(AT_EXECFN);
	stack_end = align_up((uintptr_t)program, page_size); /* the last string on the stack */
}

AT_START void os_start(void)
{
	size_t space, data;

	read_auxiliary_vector();
	calls_start();
	robust_start();
	store_relaxed(&cpus, count_cpus());
	if (os_address_limits(&space, &data))
		memory_limit = smaller(space, data);
	os_linux_map_start(page_size);
}

size_t os_page_size(void)
{
	return page_size;
}

bool os_secure(void)
{
	return secure;
}

const char *os_program(void)
{
	return program;
}

/* One result alone does not determine the two words that all are made of. */
uint64_t os_random(enum os_random use)
{
	return mix64(random_words[0] ^ mix64(random_words[1] + use));
}

/* NULL: not known. mold leaves the name undefined in a program, as that of elf_debug(). */
static void *initial_stack(void)
{
	const struct link_map *map = &__libc_stack_end ? NULL : libc_link_maps();
	void **found = &__libc_stack_end;
	struct elf_symbols s;

	for (; map && !found; map = map->l_next) {
		elf_read(&s, map->l_addr, map->l_ld);
		found = (void **)elf_definition(&s, "__libc_stack_end");
	}
	return found ? *found : NULL;
}

/* Before libc has set environ: the strings that the process was started with lie on its stack,
   behind the count of arguments, the arguments, and a NULL. */
static char **initial_environment(void)
{
	void *stack = initial_stack();

	return stack ? (char **)stack + *(long *)stack + 2 : NULL;
}

const char *const *os_environment(void)
{
	return (const char *const *)(__environ ? __environ : initial_environment());
}

/* What follows "NAME=", if entry begins so; else NULL. */
static const char *value_in(const char *entry, const char *name)
{
	const char *rest = text_after(entry, name);

	return rest && *rest == '=' ? rest + 1 : NULL;
}

const char *os_getenv(const char *name)
{
	for (const char *const *entry = os_environment(); entry && *entry; entry++)
		if (value_in(*entry, name))
			return value_in(*entry, name);
	return NULL;
}

void os_where(unsigned *ret_cpu, unsigned *ret_node)
{
	vdso_where(ret_cpu, ret_node);
}

uint64_t os_clock(void)
{
	return vdso_clock(CLOCK_MONOTONIC_COARSE);
}

unsigned os_cpus(void)
{
	return load_relaxed(&cpus);
}

size_t os_memory_limit(void)
{
	return memory_limit;
}

uintptr_t os_stack_end(void)
{
	return stack_end;
}

void os_futex_wait(uint32_t *word, uint32_t value)
{
	(void)syscall6(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, value, 0, 0, 0);
}

void os_futex_wait_for(uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	struct timespec time = {.tv_sec = (time_t)(nanoseconds / OS_SECOND),
				.tv_nsec = (long)(nanoseconds % OS_SECOND)};

	(void)syscall6(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, value, (long)&time, 0, 0);
}

int os_futex_wake(uint32_t *word, int waiters)
{
	long woken = syscall6(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, waiters, 0, 0, 0);

	return syscall_failed(woken) ? 0 : (int)woken;
}

int os_write(int fd, const char *bytes, size_t nbytes)
{
	while (nbytes) {
		long written = syscall3(SYS_write, fd, (long)bytes, (long)nbytes);

		if (written == -EINTR)
			continue;
		if (syscall_failed(written) || written == 0)
			return written ? (int)-written : EIO;
		bytes += written;
		nbytes -= (size_t)written;
	}
	return 0;
}

COLD bool os_on_signal_stack(void)
{
	stack_t s;

	return syscall_failed(syscall3(SYS_sigaltstack, 0, (long)&s, 0)) || s.ss_flags & SS_ONSTACK;
}

/* The kernel copies the break for a child of fork before the mappings. If another thread moves it
   in between, the child's break is not where its mapping ends, for ever, and to grow there succeeds
   with nothing mapped. libc's record of it is copied with the mappings. */
void *os_break(void)
{
	long end = call_sbrk(0);

	return syscall_failed(end) || syscall3(SYS_brk, 0, 0, 0) != end ? NULL : (void *)end;
}

void *os_sbrk(intptr_t nbytes)
{
	long end = call_sbrk(nbytes);

	return syscall_failed(end) ? NULL : (void *)end;
}

COLD void os_block_signals(void)
{
	const unsigned long long all = ~0ull;

	syscall6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&all, 0, sizeof all, 0, 0);
}

/* By libc's abort; where there is none, as it does it: the signal is unblocked, and comes again
   without a handler when one returned or it was ignored. */
void os_abort(void)
{
	const unsigned long long mask = 1ull << (SIGABRT - 1);
	const long by_default[4] = {0}; /* the kernel's struct sigaction */
	void (*libc_abort)(void);

	libc_find(&libc_abort, "abort");
	if (libc_abort)
		libc_abort();
	syscall6(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&mask, 0, sizeof mask, 0, 0);
	os_send_signal(SIGABRT, NULL);
	syscall6(SYS_rt_sigaction, SIGABRT, (long)by_default, 0, sizeof mask, 0, 0);
	os_send_signal(SIGABRT, NULL);
	for (;;)
		syscall3(SYS_exit_group, 127, 0, 0);
}
