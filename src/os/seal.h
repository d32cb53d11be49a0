/*
 * Memory that is constant once the process has started: secrets, options, the functions that loam
 * calls. What is defined as SEALED lies together, on pages of its own, and is read-only from seal()
 * on; the options lie on others, since mallopt() changes some.
 *
 *	... | loam_sealed            | loam_options           | loam_sealed_end ...
 *	    ^ a page begins          ^ a page begins          ^ a page begins
 *
 * Sections that no linker script names come in the order in which the linker meets them: seal.c,
 * which aligns them, is linked first, so that nothing has to be filled up before it.
 */
#pragma once

#include "base/compiler.h"

/* Where pages are larger than 4 KiB, and so not whole, nothing happens.  With for_good no call of
   the system can make it writable again: not for the options. */
COLD void seal(bool for_good);

/* The options may be written from now on; false without memory. */
COLD bool seal_open_options(void);
