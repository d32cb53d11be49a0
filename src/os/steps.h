/*
 * How often a whole structure is proved while it is changed, at assert_level 2.
 *
 * What a step touched is proved at each step. The whole structure is proved at each step while it
 * is small, and every nth step when it is large: n grows with the number of its parts, so that a
 * step costs the proof of STEP_PARTS parts on average, however large the heap is.
 *
 * Tests that break memory on purpose, or count instructions, turn this off: LOAM_STEPS=0 in the
 * environment.
 *
 * Only called from ASSERT_SLOW(): a build of another assert_level has none of it.
 */
#pragma once

#include "base/compiler.h"

#define STEP_PARTS 16

/* Whether the whole structure is proved at the step that just ended. *left counts the steps until
   the next proof, one counter for each place that asks; it begins anew from `parts`, about how many
   parts the structure has. */
bool step_is_due(uint32_t *left, size_t parts);
