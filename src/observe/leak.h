/*
 * Option leak: at exit, which blocks nothing leads to any more, and which stacks allocated them.
 *
 * Blocks are all that the program holds (observe/objects.h), roots where else it may keep pointers
 * (observe/roots.h), and marking tells what is lost (observe/marking.h). Stacks are those of the
 * heap profile, which then samples every allocation, unless another rate was asked for. Of a block
 * that was sampled the bytes are those that were asked for, of others those that it takes.
 *
 * Other threads run on meanwhile. What they had in registers alone is not seen; of their stacks all
 * counts that was written there and not overwritten.
 */
#pragma once

#include "base/compiler.h"

/* Prints what is lost. */
COLD void leak_report(void);
