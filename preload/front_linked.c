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

/* Says so if it is a program whose link hides malloc: that shows late, when libc grows a block
   (getline) or libstdc++ frees one.  A library may hide it on purpose. */
static COLD void tell_if_hidden(const struct link_map *program, bool is_seen)
{
	static bool said;

	if (!is_seen && program->l_ld == _DYNAMIC &&
	    !__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
		line_say("malloc is hidden from the program's libraries, which use another: a "
			 "block that one side allocates and the other frees may end the program; "
			 "link libloam.a without --exclude-libs, or with malloc global in the "
			 "version script");
}

/* A link may have hidden ours (a version script, --exclude-libs): then the first definition that
   others see is another. */
bool front_is_seen(uintptr_t own)
{
	uintptr_t seen = libc_first_definition("malloc");

	if (!seen) /* it is a static program */
		return true;
	tell_if_hidden(libc_link_maps(), seen == own);
	return seen == own;
}

bool front_has_object(const char *soname)
{
	(void)soname;
	return false;
}
