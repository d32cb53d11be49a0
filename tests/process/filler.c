/*
 * A program of as many bytes in objects as its second argument says, in KiB, for limits.py.  The
 * first says which: a size, or `mixed`.  It ends with 0 when all could be had.
 */
#include "process.h"

int main(int argc, char **argv)
{
	size_t wanted, size;
	uint32_t state = 1;

	MUST(argc == 3);
	wanted = strtoul(argv[2], NULL, 10) << 10;
	size = strtoul(argv[1], NULL, 10);
	for (size_t done = 0; done < wanted;) {
		size_t nbytes = size ? size : 1 + state % 600;
		char *mem = malloc(nbytes);

		if (!mem)
			return 1;
		memset(mem, 1, nbytes);
		done += nbytes;
		state = state * 1664525 + 1013904223;
	}
	return 0;
}
