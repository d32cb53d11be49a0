/* What an object has room for, and how it is resized where it is; by the kind of its page. */
#pragma once

#include "cache/cache.h"

/* Whether o is an object of the slab and in use; reports it where not. */
bool cache_is_in_use(struct slab *s, const struct object *o, const char *call);

/* How many bytes of an object the program may use; tag is the tag of its page. Reports what is no
   object in use, and returns 0. */
size_t cache_usable(const void *mem, struct descriptor *tag, const char *call);

/* Makes room for req bytes without a copy. Returns the object, whose mapping may have moved
   (huge); NULL, with all as before, if that cannot be. *ret_usable is then what cache_usable()
   says. */
void *cache_resize(void *mem, struct descriptor *tag, size_t req, size_t *ret_usable);
