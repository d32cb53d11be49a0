/*
 * From the environment to base/options.h: LOAM_OPTIONS, and what users have
 * set for glibc already (MALLOC_ARENA_MAX and its like, GLIBC_TUNABLES).
 * A later source wins: default, MALLOC_*, GLIBC_TUNABLES, LOAM_OPTIONS, mallopt.
 */
#pragma once

#include "base/options.h"
#include "base/text.h"

/*
 * Reads the environment once, unless os_secure().  What is not understood is
 * reported in one line, with the name that was meant if one is near, and the default stands.
 * Prints what `help` and `confirm` ask for.
 */
void options_read(void);

/*
 * Sets one option of a process that runs, by "name=value". False where that cannot be: no such
 * option or value, or one that holds from the start on. ret_said gets one line, without an end
 * mark: what it is now, or why not.
 */
COLD bool options_set(const char *setting, struct text *ret_said);

/*
 * mallopt(3): sets what the parameter stands for here.  The result is glibc's:
 * 1 for every parameter it knows, and for those that it does not.
 */
COLD int options_mallopt(int parameter, int value);
