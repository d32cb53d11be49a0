/* Arrays of 8 to 2,048 pointers to objects, for magazines and the depot; by size, from pools. */
#pragma once

#include "slab/slab.h"

#define ARRAY_MOST 2048 /* words */

/* An array of at least that many words, as it was left by its last user; NULL as
   pool_alloc_patiently(). */
struct object **array_alloc(uint32_t words);
void array_free(struct object **array, uint32_t words);
