/*
 * The C++ runtime of the process, for operators.c and catch.c.  What they need
 * of it is declared weak.  But it may come with a plugin, long after us, when
 * weak references are settled; and a plugin's libraries, or what it is linked
 * with itself, are nowhere that dlsym would look for us.  So it is the runtime
 * of whoever called.
 */
#pragma once

#include "base/compiler.h"

#define WEAK __attribute__((weak))

/* The address of what is declared weak; NULL without a C++ runtime. */
#define RUNTIME(name) ((__typeof__(&(name)))(&(name) ? (uintptr_t) & (name) : runtime_find(#name)))

/* Chooses the runtime of the library that caller, an address in its code, belongs to.  It holds
   for the calling thread. */
HIDDEN void runtime_of(const void *caller);

/* The address of what that runtime has under this name; 0 without one. */
HIDDEN uintptr_t runtime_find(const char *name);
