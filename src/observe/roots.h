/*
 * Where the program may keep pointers to its blocks, beside the blocks themselves: all that it has
 * mapped and can write or could once, as variables, stacks and thread variables are; and registers.
 * Not loam's own memory, nor the stacks of threads that are gone, nor of the calling thread's what
 * lies below the function that ends the process.
 */
#pragma once

#include "observe/marking.h"

/* Marks what they lead to. `here` is the stack pointer of the calling thread in a function that
   runs. Between contents_open() and contents_close(). False where the kernel does not say what is
   mapped, or without memory. */
COLD bool roots_mark(struct marking *m, uintptr_t here);
