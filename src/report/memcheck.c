/* Requests to valgrind's memcheck, some instructions that do nothing elsewhere. */
#include "report/memcheck.h"

#include <valgrind/memcheck.h>

bool memcheck_runs(void)
{
	char byte = 0, bits = 0;

	return RUNNING_ON_VALGRIND && VALGRIND_GET_VBITS(&byte, &bits, 1) == 1;
}

void memcheck_enter(void)
{
	VALGRIND_DISABLE_ERROR_REPORTING;
}

void memcheck_leave(void)
{
	VALGRIND_ENABLE_ERROR_REPORTING;
}

void memcheck_allocated(void *mem, size_t req, size_t usable, bool is_zero)
{
	VALGRIND_MALLOCLIKE_BLOCK(mem, req, 0, is_zero);
	VALGRIND_MAKE_MEM_NOACCESS((char *)mem + req, usable - req);
	if ((uintptr_t)mem % 4096)
		VALGRIND_MAKE_MEM_NOACCESS((char *)mem - 8, 8);
}

void memcheck_freed(void *mem)
{
	VALGRIND_FREELIKE_BLOCK(mem, 0);
}

void memcheck_hide(const void *word, size_t nbytes)
{
	VALGRIND_MAKE_MEM_NOACCESS(word, nbytes);
}
