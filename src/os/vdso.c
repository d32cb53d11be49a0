/* The vdso's functions; see vdso.h. */
#include "os/vdso.h"

#include "os/elf.h"
#include "os/os.h"
#include "os/syscall.h"

#if defined(__x86_64__)
#define PREFIX "__vdso_"
#else
#define PREFIX "__kernel_"
#endif

SEALED static struct {
	int (*clock)(clockid_t, struct timespec *);
	int (*where)(unsigned *, unsigned *, void *);
} code;

void vdso_start(uintptr_t vdso)
{
	struct elf_symbols s = {.base = 0};

	if (vdso)
		elf_read_header(&s, (const ElfW(Ehdr) *)vdso);
	code.clock = (__typeof__(code.clock))elf_function(&s, PREFIX "clock_gettime");
	code.where = (__typeof__(code.where))elf_function(&s, PREFIX "getcpu");
}

uint64_t vdso_clock(clockid_t clock)
{
	struct timespec now = {0, 0};

	if (!code.clock || code.clock(clock, &now) != 0)
		syscall3(SYS_clock_gettime, clock, (long)&now, 0);
	return (uint64_t)now.tv_sec * OS_SECOND + (uint64_t)now.tv_nsec;
}

void vdso_where(unsigned *ret_cpu, unsigned *ret_node)
{
	if (!code.where || code.where(ret_cpu, ret_node, NULL) != 0)
		*ret_cpu = *ret_node = 0;
}
