/* For libloam.a: the section that archive.sh puts loam's code into; see code.h. */
#include "code.h"

extern HIDDEN const char __start_loam_text[], __stop_loam_text[]; /* the linker's */

const void *code_start(void)
{
	return __start_loam_text;
}

const void *code_end(void)
{
	return __stop_loam_text;
}
