/* For libloam.so: the whole library; see code.h. */
#include "code.h"

extern HIDDEN const char __ehdr_start[], loam_code_end[]; /* the linker's; of cold.ld */

const void *code_start(void)
{
	return __ehdr_start;
}

const void *code_end(void)
{
	return loam_code_end;
}
