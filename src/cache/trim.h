/* Giving back all free memory, for malloc_trim() and for other processes that ask for it. */
#pragma once

#include "cache/cache.h"

/* Gives back what is free but pad bytes of each top; returns how many bytes. *ret_any: something
   went back, be it in no whole page that counts. self is the caller's, between cache_enter() and
   cache_leave(). */
COLD size_t trim_all(struct cache *self, size_t pad, bool *ret_any);
