/* glibc's names for itself; see libc_names.c. */
#pragma once

#include "base/compiler.h"

/* Lets the functions of these names be libc's from now on; false where it has not all of them. */
HIDDEN COLD bool libc_names_stand_aside(void);
