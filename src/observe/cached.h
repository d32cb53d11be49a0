/* The objects that are free, but out of their slabs: in magazines and in the depot. */
#pragma once

#include "slab/slab.h"

/* Calls visit for each of them. Other threads go on meanwhile, so an object may be in use by now,
   or no object any more. The caller is between cache_enter() and cache_leave(). */
COLD void cached_visit(void (*visit)(const struct object *o, void *arg), void *arg);
