/* What the kernel says of the process. */
#pragma once

#include "base/compiler.h"

/* The path of the running program into a buffer, cut off if it is longer; always a string. Without
   /proc the name by which it was started. */
void proc_program(char *buffer, size_t size);

/* Bytes of the process that are in RAM, now and at most; 0 where the system does not say. */
void proc_resident(size_t *ret_now, size_t *ret_most);

/* How many threads the process has; the first one counts even when it has ended. 0: unknown. */
size_t proc_threads(void);
