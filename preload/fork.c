/*
 * libc runs our handler in the child of a fork.  It is registered before any other
 * constructor runs (-z initfirst), so that it is the first there.
 */
#include "api/background.h"
#include "api/fork.h"
#include "base/compiler.h"

/* What pthread_atfork() does.  That one is part of who calls it, and so may be the program's
   own. */
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
		      void *library);
extern HIDDEN void *__dso_handle;

static void begin_child(void)
{
	fork_child();
	background_start_if_asked();
}

__attribute__((constructor(101))) static void register_fork_handler(void)
{
	__register_atfork(fork_prepare, fork_parent, begin_child, __dso_handle);
}
