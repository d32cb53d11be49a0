/* The slow path of free, sizes of objects, and resizing in place; each by the kind of the object's
   page. */
#pragma once

#include "cache/bad_pointer.h"
#include "cache/cache.h"
#include "pages/pagemap.h"
#include "pages/run.h"

/* Frees mem. tag is the tag of its page, call the name of the program's call, for reports. */
void cache_release(void *mem, struct descriptor *tag, const char *call);

/* Frees an object of a slab whose magazine is full. False, with nothing done, in a signal
   handler that interrupted its thread inside loam. */
bool cache_release_full(void *mem);

/* Whether o is an object of the slab and in use; reports it where not. */
bool cache_is_in_use(struct slab *s, const struct object *o, const char *call);

/* How many bytes of an object the program may use; tag is the tag of its page. Reports what is no
   object in use, and returns 0. */
size_t cache_usable(const void *mem, struct descriptor *tag, const char *call);

/* Makes room for req bytes without a copy. Returns the object, whose mapping may have moved
   (huge); NULL, with all as before, if that cannot be. *ret_usable is then what cache_usable()
   says. */
void *cache_resize(void *mem, struct descriptor *tag, size_t req, size_t *ret_usable);
