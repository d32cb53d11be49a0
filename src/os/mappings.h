/*
 * How many mappings a process may have (vm.max_map_count), and how many of these loam may take for
 * itself: half, so that the program has the rest.
 *
 * The number is read from /proc, which only a process that is likely to take many does, as it
 * starts (api/start.c): allocation opens no file, and a small process has no system call to spare.
 * Others go by the kernel's default; where the system refuses an unmapping, all goes on as well.
 */
#pragma once

#include "base/compiler.h"

#define MAPPINGS_BY_DEFAULT ((size_t)65530)

/* Reads the number; where that fails, the default stands. Called as loam starts. */
AT_START void mappings_read(void);

/* How many mappings loam may take. */
size_t mappings_budget(void);
