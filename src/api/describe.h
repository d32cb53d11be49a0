/* What lies around a pointer: what reports say under option report=full. */
#pragma once

#include "base/compiler.h"

/* Prints, a line each, the mapping that an address is in, the block that it lies in, its
   neighbours, and the bytes around `at`.  Touches nothing that is not mapped and readable. */
COLD void describe(const void *mem, const void *at);
