/* What is known of an object's size, and the calls that are about sizes. */
#pragma once

#include "harden/fence.h"
#include "harden/sampled.h"
#include "pages/pagemap.h"

/* Whether the size of an object is known to the byte. */
static inline bool is_exact(const struct descriptor *tag)
{
	return tag->kind == KIND_SAMPLED || (fences && tag->kind != KIND_EARLY);
}

/* The size of such an object; SIZE_MAX, and reported in the name of call, for what is none in
   use. */
LATER size_t exact_size(const void *mem, struct descriptor *tag, const char *call);

/* Frees an object with a fence, if it has that size; reports in the name of call what has not.
   Elsewhere the size says nothing that the page map does not. */
LATER void free_exact(void *mem, size_t size, const char *call);
