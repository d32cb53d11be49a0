/* libc is looked for in the list of mapped objects, one for each namespace (dlmopen), that loam
   itself is in: where our own dynamic section is. */
#include "os/libc.h"

#include "base/text.h"
#include "os/elf.h"

#include <unistd.h>

#define SONAME "libc.so.6"

SEALED static struct {
	bool searched;
	const struct link_map *all; /* of loam's namespace */
	const struct link_map *map; /* libc's; NULL: none */
	struct elf_symbols symbols;
} libc;

/* A namespace.  glibc has more than one from 2.35 on, and its r_version is 2 then. */
struct namespace
{
	struct r_debug debug;
	const struct namespace *next;
};

static const struct namespace *next_namespace(const struct namespace *n)
{
	return n->debug.r_version >= 2 ? n->next : NULL;
}

static bool is_in(const struct link_map *map)
{
	for (; map; map = map->l_next)
		if (map->l_ld == _DYNAMIC)
			return true;
	return false;
}

static void search_in(const struct link_map *map)
{
	struct elf_symbols s;

	for (; map && !libc.map; map = map->l_next) {
		elf_read(&s, map->l_addr, map->l_ld);
		if (!s.soname || !text_equal(s.soname, SONAME))
			continue;
		libc.symbols = s;
		libc.map = map;
	}
}

/* Threads that come here at once find the same. */
static void search(void)
{
	const struct namespace *n = (const struct namespace *)elf_debug();

	if (load_acquire(&libc.searched))
		return;
	for (; n && !libc.map; n = next_namespace(n))
		if (is_in(n->debug.r_map)) {
			libc.all = n->debug.r_map;
			search_in(n->debug.r_map);
		}
	store_release(&libc.searched, true);
}

static uintptr_t linked(const char *name)
{
	for (const struct libc_function *f = libc_linked; f && f->name; f++)
		if (text_equal(f->name, name))
			return (uintptr_t)f->function;
	return 0;
}

uintptr_t libc_function(const char *name)
{
	search();
	return libc.map ? elf_function(&libc.symbols, name) : linked(name);
}

const struct link_map *libc_link_maps(void)
{
	search();
	return libc.all;
}

uintptr_t libc_first_definition(const char *name)
{
	struct elf_symbols s;
	uintptr_t address = 0;

	for (const struct link_map *m = libc_link_maps(); m && !address; m = m->l_next) {
		elf_read(&s, m->l_addr, m->l_ld);
		address = elf_definition(&s, name);
	}
	return address;
}

bool libc_is_before_loam(void)
{
	const struct link_map *map;

	search();
	for (map = libc.all; map && map != libc.map; map = map->l_next)
		if (map->l_ld == _DYNAMIC)
			return false;
	return map;
}

typedef void constructor(int argc, char **argv, char **environment);

/* When a library is opened before libc's constructor has run, the dynamic linker runs that, with
   the arguments that libc has noted, by then none: program_invocation_name would be empty (PAM
   refuses a service without a name), and constructors of libraries would get no arguments.  The
   dynamic linker still runs it again, which does no harm, since the arguments are the same. */
void libc_construct(int argc, char **argv, char **environment)
{
	constructor *first = NULL, *const *rest = NULL;
	size_t n = 0;

	search();
	if (!libc.map || __environ)
		return;
	for (const ElfW(Dyn) *d = libc.map->l_ld; d->d_tag != DT_NULL; d++) {
		uintptr_t address = libc.map->l_addr + d->d_un.d_ptr;

		if (d->d_tag == DT_INIT)
			first = (constructor *)address;
		else if (d->d_tag == DT_INIT_ARRAY)
			rest = (constructor *const *)address;
		else if (d->d_tag == DT_INIT_ARRAYSZ)
			n = d->d_un.d_val / sizeof *rest;
	}
	if (first)
		first(argc, argv, environment);
	for (size_t i = 0; rest && i < n; i++)
		rest[i](argc, argv, environment);
}
