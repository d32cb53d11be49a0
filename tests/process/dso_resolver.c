/*
 * A library with an IFUNC, whose resolver allocates.  The dynamic linker relocates
 * libraries last to first, so it calls this one, for dso_resolved.c, before
 * a preloaded library is relocated.
 */
#include "early.h"

__attribute__((visibility("hidden"))) struct early resolver_blocks;

static int twice(int x)
{
	return 2 * x;
}

__attribute__((used)) static int (*resolve_twice(void))(int)
{
	early_allocate(&resolver_blocks);
	return twice;
}

int dso_twice(int x) __attribute__((ifunc("resolve_twice")));

struct early *dso_resolver_blocks(void)
{
	return &resolver_blocks;
}
