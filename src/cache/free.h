/* The slow path of free, by the kind of the object's page. */
#pragma once

#include "cache/cache.h"

/* Frees mem. tag is the tag of its page, call the name of the program's call, for reports. */
void cache_release(void *mem, struct descriptor *tag, const char *call);

/* Frees an object of a slab whose magazine is full. False, with nothing done, in a signal
   handler that interrupted its thread inside loam. */
bool cache_release_full(void *mem);
