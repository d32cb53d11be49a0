/*
 * Functions of libc, found in libc's own table of symbols: never what a program or another preload,
 * which may allocate in it, has under the same name.  A static program has no such table: there
 * they are those of libc_linked[], under names that are reserved to libc.
 */
#pragma once

#include "base/compiler.h"

/* A function by its name; the last has none. */
struct libc_function {
	const char *name;
	void (*function)(void); /* NULL: the program has a function of this name, and so no other */
};

/* Of libloam.a (preload/libc_linked.c); elsewhere its address is NULL. */
extern HIDDEN const struct libc_function libc_linked[] __attribute__((weak));

/* The address of libc's function of this name, in its default version; 0 when it has none.  Works
   as soon as loam is relocated.  It costs some 50 nanoseconds. */
COLD uintptr_t libc_function(const char *name);

/* What the dynamic linker has mapped in loam's namespace, in that order; NULL in a static
   program. */
COLD const struct link_map *libc_link_maps(void);

/* The first definition of a name in that order; 0 when there is none. */
COLD uintptr_t libc_first_definition(const char *name);

/* Whether libc stands before loam in that order, as it does before a plugin that has loam in it. */
COLD bool libc_is_before_loam(void);

/* Runs libc's own constructor before its turn, with what the program was started with, so that a
   library may be opened; nothing where it ran already, or in a static program. */
LATER void libc_construct(int argc, char **argv, char **environment);

/* Sets a pointer to a function to libc's of this name. */
#define libc_find(pointer, name) (*(pointer) = (__typeof__(*(pointer)))libc_function(name))
