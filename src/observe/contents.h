/*
 * What memory of this process holds, read by way of the kernel: what another thread unmaps
 * meanwhile, or nobody may read, is left out. Of large ranges only those pages are read that are in
 * RAM or swapped out; the others were never written to.
 */
#pragma once

#include "base/compiler.h"

/* False where the kernel does not show it. */
COLD bool contents_open(void);
COLD void contents_close(void);

/* Shows `see` the words of [start, end), in pieces, as far as they can be read. */
COLD void contents_visit(uintptr_t start, uintptr_t end,
			 void (*see)(void *arg, const uintptr_t *words, size_t n), void *arg);

/* The same of those whole pages alone that are no file's: of a file that is mapped privately, what
   was written to. Nothing where the kernel does not say which. */
COLD void contents_visit_copies(uintptr_t start, uintptr_t end,
				void (*see)(void *arg, const uintptr_t *words, size_t n),
				void *arg);
