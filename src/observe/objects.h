/* Every object that the program holds. */
#pragma once

#include "slab/slab.h"

/* Calls `see` for each, in no order, some of them under loam's locks. While other threads allocate
   and free, one that changes hands meanwhile may be among them or not. Reads nothing of a page that
   the program made unreadable. */
COLD void objects_visit(void (*see)(const void *mem, size_t nbytes, void *arg), void *arg);

/* slab_is_free() of an object of which the program may have made pages unreadable. */
COLD bool objects_is_free(const struct slab *s, const struct object *o);
