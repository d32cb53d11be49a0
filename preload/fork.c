/*
 * libc runs our handlers around fork.  They are registered before any other
 * constructor runs (-z initfirst), so that ours are the last before the fork
 * and the first after it: the program's own handlers may allocate.
 */
#include "api/fork.h"
#include "base/compiler.h"

/* What pthread_atfork() does.  That one is part of who calls it, and so may be the program's own. */
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *library);
extern HIDDEN void *__dso_handle;

__attribute__((constructor(101))) static void register_fork_handlers(void)
{
	__register_atfork(loam_prefork, loam_postfork_parent, loam_postfork_child, __dso_handle);
}
