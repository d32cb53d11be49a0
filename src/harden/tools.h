/*
 * Tools that watch a program's memory: valgrind's memcheck, when the program runs under it, and
 * AddressSanitizer, when it was built with that.  Both know libc's malloc.  Of loam's objects they
 * are told here, so that they say the same of a program that is linked with libloam.a: what it
 * leaks, what it reads or writes beside an object or after free, and, memcheck, what it uses before
 * it was written.
 *
 * Objects then have fences (harden/fence.h), and so sizes that are exact, and stay in quarantine
 * after free; what loam itself does with free memory is nobody's error.
 */
#pragma once

#include "base/compiler.h"

/* Whether there is such a tool; written once, at start. */
extern HIDDEN bool tools;

/* Looks whether there is one. */
AT_START void tools_start(void);

/* Around what loam does with objects, and around all that reads what is hidden. */
COLD void tools_enter(void);
COLD void tools_leave(void);

/* An object of req bytes was handed out, of usable ones; is_zero: the program may read it. */
COLD void tools_allocated(void *mem, size_t req, size_t usable, bool is_zero);

/* Between tools_enter() and tools_leave() alone is this word of loam's read from here on: it has
   the address of an object, which the program may leak. */
COLD void tools_hide(const void *word, size_t nbytes);

/* One of that many usable bytes was freed: it must not be touched from here on. */
COLD void tools_freed(void *mem, size_t usable);

/* loam itself writes or reuses the object from here on.  In a program with AddressSanitizer
   memset() is the sanitizer's, which would report what loam wipes. */
COLD void tools_forgotten(void *mem, size_t usable);
