/* What valgrind's memcheck is told; memcheck.c does it, memcheck_none.c stands in its place in
   builds without valgrind's header. */
#pragma once

#include "base/compiler.h"

/* Whether the process runs under memcheck, not another tool of valgrind's. */
AT_START bool memcheck_runs(void);

/* From here to memcheck_leave() nothing that this thread does is reported. */
void memcheck_enter(void);
void memcheck_leave(void);

/* An object of req bytes, of usable ones; the word before it is loam's too, where that is on the
 * same page. */
void memcheck_allocated(void *mem, size_t req, size_t usable, bool is_zero);
void memcheck_freed(void *mem);

/* What is leaked is not to be found reachable by this word of loam's. */
void memcheck_hide(const void *word, size_t nbytes);
