/* A library that needs libloam.so, in a program that does not: libloam.so then stands behind libc,
   malloc is libc's, and its blocks go back to libc by loam's names. */
#include "process.h"

#include <loam/loam.h>

int use_loam(void);

int use_loam(void)
{
	char *text = strdup("libc's"), *own = loam_malloc(100);

	MUST(loam_owns(own) && !loam_owns(text));
	MUST(loam_malloc_usable_size(text) >= 7);
	text = loam_realloc(text, 100000);
	MUST(text && strcmp(text, "libc's") == 0);
	loam_free(text);
	loam_free(own);
	MUST(loam_check());
	return 0;
}
