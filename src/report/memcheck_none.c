/* For builds without valgrind's header; see memcheck.h. */
#include "report/memcheck.h"

bool memcheck_runs(void)
{
	return false;
}

void memcheck_enter(void)
{
}

void memcheck_leave(void)
{
}

void memcheck_allocated(void *mem, size_t req, size_t usable, bool is_zero)
{
	(void)mem, (void)req, (void)usable, (void)is_zero;
}

void memcheck_freed(void *mem)
{
	(void)mem;
}

void memcheck_hide(const void *word, size_t nbytes)
{
	(void)word, (void)nbytes;
}
