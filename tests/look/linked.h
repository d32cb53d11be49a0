/* Objects that lead one to the next, so that what holds the first can free all. */
#pragma once

#include <stdlib.h>

/* As many objects as have that many bytes, before those that are there. */
static void *linked_allocate(size_t size, size_t nbytes, void *last)
{
	for (size_t n = nbytes / size; n; n--) {
		void **mem = malloc(size);

		if (!mem)
			exit(3);
		*mem = last;
		last = mem;
	}
	return last;
}

static void linked_free(void **all)
{
	while (all) {
		void **next = *all;

		free(all);
		all = next;
	}
}
