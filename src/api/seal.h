/*
 * Memory that is constant once the process has started: secrets, options, the functions that loam
 * calls. What is defined as SEALED lies together, on pages of its own, and is read-only from seal()
 * on; the options lie on others, since mallopt() changes some.
 *
 *	| SEALED, padding         | options, padding        |
 *	^ seal_begin              ^ seal_options            ^ seal_end, each at the start of a page
 *
 * seal.ld makes one section of both, padding included, in libloam.so and in the one object of
 * libloam.a. A program's linker keeps or drops that section as a whole, and whatever it places next
 * begins a new page.
 */
#pragma once

#include "base/compiler.h"

/* Where pages are larger than 4 KiB, and so not whole, nothing happens.  With for_good no call of
   the system can make it writable again: not for the options. */
COLD void seal(bool for_good);

/* The options may be written from now on; false without memory. */
LATER bool seal_open_options(void);
