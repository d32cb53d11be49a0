/* For libloam.a: what it is linked with comes first, and the linker has settled that; see front.h.
 */
#include "front.h"

#include "os/elf.h"
#include "os/libc.h"

uintptr_t front_definition(const char *name)
{
	(void)name;
	return 0;
}

/* A link may have hidden ours (a version script, --exclude-libs): then the first definition that
   others see is another. */
bool front_is_seen(uintptr_t own)
{
	struct elf_symbols s;
	uintptr_t seen = 0;

	for (const struct link_map *m = libc_link_maps(); m && !seen; m = m->l_next) {
		elf_read(&s, m->l_addr, m->l_ld);
		seen = elf_definition(&s, "malloc");
	}
	return !seen || seen == own; /* none: it is a static program */
}

bool front_has_object(const char *soname)
{
	(void)soname;
	return false;
}
