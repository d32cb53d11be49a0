/* For libloam.so: the whole library; see code.h. */
#include "code.h"

extern HIDDEN const char __ehdr_start[], _end[]; /* the linker's */

const void *code_start(void)
{
	return __ehdr_start;
}

const void *code_end(void)
{
	return _end;
}
