/*
 * The symbols of a shared object that is mapped already.  Looked up without dlsym, which a program
 * may define, and which takes locks of the dynamic linker.
 */
#pragma once

#include "base/compiler.h"

#include <link.h>

/* Where the parts of the table lie; of the two hashes one may be NULL, and versions. */
struct elf_symbols {
	uintptr_t base; /* what its addresses are relative to */
	const ElfW(Sym) * symbols;
	const char *strings;
	const char *soname; /* or NULL */
	const uint32_t *gnu_hash;
	const uint32_t *sysv_hash;
	const uint16_t *versions;
};

/* Reads the dynamic section of an object that lies at base. */
COLD void elf_read(struct elf_symbols *ret_symbols, uintptr_t base, const ElfW(Dyn) * dynamic);

/* The same of an object of which only the header's address is given; false when it has no such
   section. */
COLD bool elf_read_header(struct elf_symbols *ret_symbols, const ElfW(Ehdr) * header);

/* The address of the object's own function of this name, in its default version; 0 when it has
   none, or one that must be asked which of several it is (IFUNC). */
COLD uintptr_t elf_function(const struct elf_symbols *s, const char *name);

/* The same in whatever version, and of data. */
COLD uintptr_t elf_definition(const struct elf_symbols *s, const char *name);

/* Our own dynamic section: loam's, or that of the program or library that loam is linked into. */
extern HIDDEN ElfW(Dyn) _DYNAMIC[] __attribute__((weak));

/* What the dynamic linker tells debuggers: the objects of its first namespace, and where the next
   one is.  NULL where there is none; a static program has one without libc, or none. */
COLD const struct r_debug *elf_debug(void);
