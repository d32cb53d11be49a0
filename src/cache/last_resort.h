/* The last attempt before malloc returns NULL. */
#pragma once

#include "base/compiler.h"

/* What is free in any arena, of any size and any class that holds req: without a call of the
   system. An arena may have much that it cannot give back, because of what lies around it, or that
   other classes have. */
COLD void *cache_alloc_held(size_t alignment, size_t req);
