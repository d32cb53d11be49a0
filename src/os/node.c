/* Where a thread runs; see node.h. */
#include "os/node.h"

#include "os/elf.h"

#if defined(__x86_64__) || defined(__riscv)
#define IN_VDSO "__vdso_getcpu"
#else
#define IN_VDSO "__kernel_getcpu"
#endif

SEALED static int (*in_vdso)(unsigned *, unsigned *, void *);

void node_start(uintptr_t vdso)
{
	struct elf_symbols s;

	if (vdso && elf_read_header(&s, (const ElfW(Ehdr) *)vdso))
		in_vdso = (int (*)(unsigned *, unsigned *, void *))elf_function(&s, IN_VDSO);
}

void node_read(unsigned *ret_cpu, unsigned *ret_node)
{
	*ret_cpu = *ret_node = 0;
	if (in_vdso && in_vdso(ret_cpu, ret_node, NULL) != 0)
		*ret_cpu = *ret_node = 0;
}
