/* Huge objects as tests see them. */
#pragma once

#include "pages/huge.h"
#include "pages/pagemap.h"
#include "test.h"

static inline struct huge *huge_of(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	REQUIRE(tag && tag->kind == KIND_HUGE);
	return (struct huge *)tag;
}

/* One that need not be zero. */
static inline char *take(size_t nbytes)
{
	bool zero = false;

	return (char *)huge_alloc(nbytes, 16, &zero);
}

static inline struct huge_sizes sizes(void)
{
	struct huge_sizes s;

	huge_sizes(&s);
	return s;
}
