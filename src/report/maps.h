/* What the process has mapped where, as /proc/self/maps says; for reports only. */
#pragma once

#include "base/compiler.h"

#define MAPS_NAME 200

struct mapping {
	uintptr_t start, end;
	bool readable, writable;
	size_t offset;	      /* of the address that was asked for, in the file */
	char name[MAPS_NAME]; /* of the file, cut off; empty: it has none */
};

/* The mapping that an address is in; false when there is none, or nobody may know. */
COLD bool maps_find(const void *address, struct mapping *ret_mapping);

/* Calls visit for each mapping, by rising address; false where nobody may know. */
COLD bool maps_visit(void (*visit)(const struct mapping *m, void *arg), void *arg);
