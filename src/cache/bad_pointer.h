/* Reports of pointers that are not what the program takes them for, with what is known of their
   place. */
#pragma once

#include "pages/pagemap.h"

/* mem, whose page has the tag, is no object. */
COLD void cache_report_bad(const void *mem, struct descriptor *tag, const char *call);

/* mem is an object that is free already; tag is NULL if what it was is not known. */
COLD void cache_report_double_free(const void *mem, const struct descriptor *tag, const char *call);
