/* For libloam.so: the dynamic linker's list of objects is searched; see front.h. */
#include "front.h"

#include "os/elf.h"
#include "os/libc.h"

extern HIDDEN ElfW(Dyn) _DYNAMIC[];

/* The list is in the order of symbols for what the program starts with.  Of what is opened later,
   libc stands before it. */
uintptr_t front_definition(const char *name)
{
	struct elf_symbols s;
	uintptr_t address = 0;

	for (const struct link_map *m = libc_link_maps(); m && m->l_ld != _DYNAMIC && !address;
	     m = m->l_next) {
		elf_read(&s, m->l_addr, m->l_ld);
		address = elf_definition(&s, name);
	}
	return address;
}
