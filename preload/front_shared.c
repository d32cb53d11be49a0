/* For libloam.so: the dynamic linker's list of objects is searched; see front.h. */
#include "front.h"

#include "base/text.h"
#include "os/elf.h"
#include "os/libc.h"

extern HIDDEN ElfW(Dyn) _DYNAMIC[];

/* The list is in the order of symbols for what the program starts with.  Of what is opened later,
   libc stands before it. */
static bool before_loam(const struct link_map *m)
{
	return m && m->l_ld != _DYNAMIC;
}

uintptr_t front_definition(const char *name)
{
	struct elf_symbols s;
	uintptr_t address = 0;

	for (const struct link_map *m = libc_link_maps(); before_loam(m) && !address;
	     m = m->l_next) {
		elf_read(&s, m->l_addr, m->l_ld);
		address = elf_definition(&s, name);
	}
	return address;
}

uintptr_t front_definition_from(const char *allocator, const char *name)
{
	struct elf_symbols s;
	uintptr_t address = 0;
	bool found = false;

	for (const struct link_map *m = libc_link_maps(); before_loam(m) && !address;
	     m = m->l_next) {
		elf_read(&s, m->l_addr, m->l_ld);
		found = found || elf_definition(&s, allocator);
		address = found ? elf_definition(&s, name) : 0;
	}
	return address;
}

bool front_is_seen(uintptr_t own)
{
	(void)own;
	return true; /* libloam.so exports it */
}

bool front_has_object(const char *soname)
{
	struct elf_symbols s;
	bool found = false;

	for (const struct link_map *m = libc_link_maps(); before_loam(m) && !found; m = m->l_next) {
		elf_read(&s, m->l_addr, m->l_ld);
		found = s.soname && text_equal(s.soname, soname);
	}
	return found;
}
