/* For libloam.a: what it is linked with comes first, and the linker has settled that; see front.h.
 */
#include "front.h"

#include "os/elf.h"
#include "os/libc.h"
#include "os/line.h"

uintptr_t front_definition(const char *name)
{
	(void)name;
	return 0;
}

/* A library may have two heaps on purpose.  Of a program it is an error of the link that shows
   late: where libc grows a block (getline), or libstdc++ frees one. */
static COLD void tell_if_hidden(const struct link_map *program, bool is_seen)
{
	if (!is_seen && program->l_ld == _DYNAMIC)
		line_say("malloc is hidden from the program's libraries, which use another: what "
			 "one allocates and the other frees may end it; link libloam.a without "
			 "--exclude-libs, and with malloc global in a version script");
}

/* A link may have hidden ours (a version script, --exclude-libs): then the first definition that
   others see is another. */
bool front_is_seen(uintptr_t own)
{
	const struct link_map *all = libc_link_maps();
	struct elf_symbols s;
	uintptr_t seen = 0;

	for (const struct link_map *m = all; m && !seen; m = m->l_next) {
		elf_read(&s, m->l_addr, m->l_ld);
		seen = elf_definition(&s, "malloc");
	}
	if (!seen) /* it is a static program */
		return true;
	tell_if_hidden(all, seen == own);
	return seen == own;
}

bool front_has_object(const char *soname)
{
	(void)soname;
	return false;
}
