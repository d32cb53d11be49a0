/* Strings of others in JSON: names of files and of functions. */
#pragma once

#include "base/text.h"

/* Puts a string, with '?' for what JSON may not have: control characters, and bytes that are no
   whole UTF-8 sequence, as of a name in another encoding or one that was cut off. */
COLD void json_put(struct text *t, const char *string);
