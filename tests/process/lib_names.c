/*
 * A library with exported functions of its own under names that are no longer libc's, or are only
 * since C23.  It calls them; a malloc that gave these names to everybody would be called instead.
 */
#include "lib_names.h"

#include <stddef.h>

/* stdlib.h may declare libc's under these names. */
void *malloc(size_t size);
void free(void *mem);

static int own_calls;

struct connection {
	char *name;
};

void cfree(struct connection *c)
{
	own_calls++;
	free(c->name);
}

void free_sized(void **slots, int n)
{
	own_calls++;
	for (int i = 0; i < n; i++)
		slots[i] = NULL;
}

double free_aligned_sized(double part)
{
	own_calls++;
	return part / 2;
}

int memalignment(const char *molecule, const char *other)
{
	own_calls++;
	return molecule[0] == other[0];
}

const char *malloc_get_state(void)
{
	own_calls++;
	return "Utah";
}

int malloc_set_state(const char *name, int votes)
{
	own_calls++;
	return name[0] == 'U' ? votes : 0;
}

int lib_names_run(void)
{
	struct connection c = {malloc(10)};
	void *slots[4] = {&c, &c, &c, &c};

	cfree(&c);
	free_sized(slots, 4);
	if (slots[3] || free_aligned_sized(3.0) != 1.5 || !memalignment("abc", "axx") ||
	    malloc_get_state()[0] != 'U' || malloc_set_state("Utah", 6) != 6)
		return -1;
	return own_calls;
}
