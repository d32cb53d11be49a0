/*
 * libc runs our handlers around fork.  They are registered before any other
 * constructor runs (-z initfirst), so that ours are the last before the fork
 * and the first after it: the program's own handlers may allocate.
 */
#include "api/fork.h"
#include "base/compiler.h"

#include <pthread.h>

__attribute__((constructor(101))) static void register_fork_handlers(void)
{
	pthread_atfork(loam_prefork, loam_postfork_parent, loam_postfork_child);
}
