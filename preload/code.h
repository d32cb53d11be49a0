/* Where loam's own code lies, so that stacks in reports begin with who called it. */
#pragma once

#include "base/compiler.h"

HIDDEN const void *code_start(void);
HIDDEN const void *code_end(void);
