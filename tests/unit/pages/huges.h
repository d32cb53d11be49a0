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

static inline struct huge_sizes sizes(void)
{
	struct huge_sizes s;

	huge_sizes(&s);
	return s;
}
